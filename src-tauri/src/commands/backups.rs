//! Backups. Writing belongs to the keys window, restoring to the main one. Places are chosen in the
//! system's own dialogs, and no path comes from a page.

use super::Engine;
use std::path::PathBuf;
use tauri::{AppHandle, Manager};
use tauri_plugin_dialog::{DialogExt as _, FileDialogBuilder, FilePath};
use tokio::sync::oneshot;
use waxwing_client::Failure;
use waxwing_client::view::{BackupRow, BackupWork, ChosenBackup, Stage};
use zeroize::Zeroizing;

const ENDING: &str = "waxwing-backup";

/// The backups that were written, newest first.
#[tauri::command]
#[specta::specta]
pub(crate) async fn backups(engine: Engine<'_>) -> Result<Vec<BackupRow>, Failure> {
    engine.backups().await
}

/// Takes a backup off the list; the file stays.
#[tauri::command]
#[specta::specta]
pub(crate) async fn forget_backup(
    engine: Engine<'_>,
    id: String,
) -> Result<Vec<BackupRow>, Failure> {
    engine.forget_backup(id).await
}

/// Writes a backup where the person says; none when he does not.
#[tauri::command]
#[specta::specta]
pub(crate) async fn write_backup(
    app: AppHandle,
    engine: Engine<'_>,
) -> Result<Option<Vec<BackupRow>>, Failure> {
    let name = format!("{}.{ENDING}", engine.backup_name());
    let dialog = dialog(&app, crate::windows::KEYS).set_file_name(name);
    match chosen(|picked| dialog.save_file(picked)).await {
        Some(path) => engine.write_backup(path).await.map(Some),
        None => Ok(None),
    }
}

/// How far one that is being written or restored is.
#[tauri::command]
#[specta::specta]
pub(crate) async fn backup_progress(engine: Engine<'_>) -> Result<Option<BackupWork>, Failure> {
    engine.backup_progress().await
}

/// Stops it.
#[tauri::command]
#[specta::specta]
pub(crate) async fn cancel_backup(engine: Engine<'_>) -> Result<(), Failure> {
    engine.cancel_backup();
    Ok(())
}

/// Lets the person choose a backup to restore; none when he does not.
#[tauri::command]
#[specta::specta]
pub(crate) async fn choose_backup(
    app: AppHandle,
    engine: Engine<'_>,
) -> Result<Option<ChosenBackup>, Failure> {
    let dialog = dialog(&app, crate::windows::MAIN);
    match chosen(|picked| dialog.pick_file(picked)).await {
        Some(path) => engine.choose_backup(path).await.map(Some),
        None => Ok(None),
    }
}

/// Makes a vault of the chosen backup.
#[tauri::command]
#[specta::specta]
pub(crate) async fn restore_backup(
    engine: Engine<'_>,
    words: String,
    new_passphrase: String,
    although_weak: bool,
) -> Result<Stage, Failure> {
    let (words, new) = (Zeroizing::new(words), Zeroizing::new(new_passphrase));
    engine.restore_backup(words, new, although_weak).await
}

/// A dialog over one of the windows.
fn dialog(app: &AppHandle, window: &str) -> FileDialogBuilder<tauri::Wry> {
    let dialog = app.dialog().file();
    match app.get_webview_window(window) {
        Some(window) => dialog.set_parent(&window),
        None => dialog,
    }
}

/// The place that a person chose in a dialog.
async fn chosen(ask: impl FnOnce(Box<dyn FnOnce(Option<FilePath>) + Send>)) -> Option<PathBuf> {
    let (picked, chosen) = oneshot::channel();
    ask(Box::new(move |path| {
        // Nobody waits any more when the window is gone.
        let _ = picked.send(path);
    }));
    chosen.await.ok().flatten()?.into_path().ok()
}
