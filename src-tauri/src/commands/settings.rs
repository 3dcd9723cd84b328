//! Settings, the relay on this computer, the clipboard.

use super::Engine;
use tauri::AppHandle;
use tauri_plugin_clipboard_manager::ClipboardExt;
use waxwing_client::Failure;
use waxwing_client::view::{Settings, Status};

/// What the person chose.
#[tauri::command]
#[specta::specta]
pub(crate) async fn settings(engine: Engine<'_>) -> Result<Settings, Failure> {
    engine.settings().await
}

/// Keeps what the person chose.
#[tauri::command]
#[specta::specta]
pub(crate) async fn save_settings(
    engine: Engine<'_>,
    settings: Settings,
) -> Result<Settings, Failure> {
    engine.save_settings(settings).await
}

/// Starts or stops the relay on this computer.
#[tauri::command]
#[specta::specta]
pub(crate) async fn set_local_relay(engine: Engine<'_>, running: bool) -> Result<Status, Failure> {
    engine.set_local_relay(running).await
}

/// Puts a text that is on the screen on the clipboard.
#[tauri::command]
#[specta::specta]
pub(crate) async fn copy_text(app: AppHandle, text: String) -> Result<(), Failure> {
    app.clipboard()
        .write_text(text)
        .map_err(|_| Failure::internal("clipboard"))
}
