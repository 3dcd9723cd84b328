//! Settings, the relay on this computer, the clipboard.

use super::Engine;
use crate::clipboard::{Copied, SECRET_STAYS};
use tauri::State;
use waxwing_client::Failure;
use waxwing_client::view::{Settings, Status};
use zeroize::Zeroizing;

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
pub(crate) async fn copy_text(copied: State<'_, Copied>, text: String) -> Result<(), Failure> {
    copied.text(&text)
}

/// Puts a secret that is on the screen on the clipboard; answers after how many seconds it is taken
/// away again.
#[tauri::command]
#[specta::specta]
pub(crate) async fn copy_secret(copied: State<'_, Copied>, text: String) -> Result<u32, Failure> {
    copied.secret(Zeroizing::new(text), SECRET_STAYS)?;
    Ok(u32::try_from(SECRET_STAYS.as_secs()).unwrap_or(u32::MAX))
}
