//! The keys window: the vault's own keys. Granted to that window alone.

use super::Engine;
use tauri::AppHandle;
use waxwing_client::Failure;
use waxwing_client::view::{ActivityLine, Page, VaultKeys};
use zeroize::Zeroizing;

/// Opens the keys window, or brings it to the front. The one command here that the main window has.
#[tauri::command]
#[specta::specta]
pub(crate) async fn open_keys(app: AppHandle) -> Result<(), Failure> {
    crate::windows::open_keys(&app).map_err(|_| Failure::internal("window"))
}

/// How the vault is locked, and when that was last changed and tested.
#[tauri::command]
#[specta::specta]
pub(crate) async fn vault_keys(engine: Engine<'_>) -> Result<VaultKeys, Failure> {
    engine.vault_keys().await
}

/// Replaces the passphrase.
#[tauri::command]
#[specta::specta]
pub(crate) async fn change_passphrase(
    engine: Engine<'_>,
    current: String,
    new_passphrase: String,
    although_weak: bool,
) -> Result<VaultKeys, Failure> {
    let (current, new) = (Zeroizing::new(current), Zeroizing::new(new_passphrase));
    engine.change_passphrase(current, new, although_weak).await
}

/// Tries the recovery code.
#[tauri::command]
#[specta::specta]
pub(crate) async fn test_recovery(engine: Engine<'_>, words: String) -> Result<VaultKeys, Failure> {
    engine.test_recovery(Zeroizing::new(words)).await
}

/// Part of the list of what was done with the keys, newest first.
#[tauri::command]
#[specta::specta]
pub(crate) async fn activity(
    engine: Engine<'_>,
    cursor: Option<String>,
    limit: u32,
) -> Result<Page<ActivityLine>, Failure> {
    engine.activity(cursor, limit).await
}
