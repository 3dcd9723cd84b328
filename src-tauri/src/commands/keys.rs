//! The keys window: the vault's own keys. Granted to that window alone.

use super::Engine;
use tauri::AppHandle;
use waxwing_client::Failure;
use waxwing_client::view::{
    ActivityLine, KeyRenewal, Page, Preflight, RekeyStatus, RenewalKind, VaultKeys,
};
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

/// Makes unlocking slower, and guessing with it.
#[tauri::command]
#[specta::specta]
pub(crate) async fn strengthen(
    engine: Engine<'_>,
    passphrase: String,
) -> Result<VaultKeys, Failure> {
    engine.strengthen(Zeroizing::new(passphrase)).await
}

/// Tries the recovery code.
#[tauri::command]
#[specta::specta]
pub(crate) async fn test_recovery(engine: Engine<'_>, words: String) -> Result<VaultKeys, Failure> {
    engine.test_recovery(Zeroizing::new(words)).await
}

/// How far a new root key is on its way into the whole vault; none when none is.
#[tauri::command]
#[specta::specta]
pub(crate) async fn rekey(engine: Engine<'_>) -> Result<Option<RekeyStatus>, Failure> {
    engine.rekey().await
}

/// Begins it; answers the words of the new recovery code. With `renewal` the account's keys are replaced
/// after it.
#[tauri::command]
#[specta::specta]
pub(crate) async fn begin_rekey(
    engine: Engine<'_>,
    current: String,
    new_passphrase: String,
    although_weak: bool,
    renewal: Option<RenewalKind>,
) -> Result<Vec<String>, Failure> {
    let (current, new) = (Zeroizing::new(current), Zeroizing::new(new_passphrase));
    engine
        .begin_rekey(current, new, although_weak, renewal)
        .await
}

/// The words of the new recovery code, until they were typed back.
#[tauri::command]
#[specta::specta]
pub(crate) async fn rekey_code(engine: Engine<'_>) -> Result<Vec<String>, Failure> {
    engine.rekey_code().await
}

/// Compares the groups that were typed back.
#[tauri::command]
#[specta::specta]
pub(crate) async fn confirm_rekey_code(
    engine: Engine<'_>,
    groups: Vec<(u32, String)>,
) -> Result<Option<RekeyStatus>, Failure> {
    engine.confirm_rekey_code(groups).await
}

/// Pauses it.
#[tauri::command]
#[specta::specta]
pub(crate) async fn pause_rekey(engine: Engine<'_>) -> Result<Option<RekeyStatus>, Failure> {
    engine.pause_rekey().await
}

/// Goes on after a pause.
#[tauri::command]
#[specta::specta]
pub(crate) async fn resume_rekey(engine: Engine<'_>) -> Result<Option<RekeyStatus>, Failure> {
    engine.resume_rekey().await
}

/// Goes on after a lock or a start.
#[tauri::command]
#[specta::specta]
pub(crate) async fn continue_rekey(
    engine: Engine<'_>,
    new_passphrase: String,
    words: Option<String>,
) -> Result<Option<RekeyStatus>, Failure> {
    let (new, words) = (Zeroizing::new(new_passphrase), words.map(Zeroizing::new));
    engine.continue_rekey(new, words).await
}

/// Gives it up: the old passphrase and code stay.
#[tauri::command]
#[specta::specta]
pub(crate) async fn undo_rekey(engine: Engine<'_>) -> Result<(), Failure> {
    engine.undo_rekey().await
}

/// What is looked at before keys are replaced.
#[tauri::command]
#[specta::specta]
pub(crate) async fn renewal_preflight(engine: Engine<'_>) -> Result<Vec<Preflight>, Failure> {
    engine.renewal_preflight().await
}

/// Replaces the account's keys, with the old key's word.
#[tauri::command]
#[specta::specta]
pub(crate) async fn rotate_key(engine: Engine<'_>, passphrase: String) -> Result<(), Failure> {
    engine.rotate_key(Zeroizing::new(passphrase)).await
}

/// Revokes the account's key and puts another in its place.
#[tauri::command]
#[specta::specta]
pub(crate) async fn reset_key(engine: Engine<'_>, passphrase: String) -> Result<(), Failure> {
    engine.reset_key(Zeroizing::new(passphrase)).await
}

/// Revokes the account's key, for good; `last_four` is the end of the own key code.
#[tauri::command]
#[specta::specta]
pub(crate) async fn revoke_key(
    engine: Engine<'_>,
    passphrase: String,
    last_four: String,
) -> Result<(), Failure> {
    engine
        .revoke_key(Zeroizing::new(passphrase), last_four)
        .await
}

/// How far the replacement of the account's keys is, and who has picked it up.
#[tauri::command]
#[specta::specta]
pub(crate) async fn key_renewal(engine: Engine<'_>) -> Result<Option<KeyRenewal>, Failure> {
    engine.key_renewal().await
}

/// A revocation of the present key as text, for the emergency kit.
#[tauri::command]
#[specta::specta]
pub(crate) async fn revocation_statement(
    engine: Engine<'_>,
    passphrase: String,
) -> Result<String, Failure> {
    engine
        .revocation_statement(Zeroizing::new(passphrase))
        .await
}

/// Hands in a revocation that was made ahead.
#[tauri::command]
#[specta::specta]
pub(crate) async fn publish_revocation(engine: Engine<'_>, text: String) -> Result<(), Failure> {
    engine.publish_revocation(text).await
}

/// This account's public card as text.
#[tauri::command]
#[specta::specta]
pub(crate) async fn export_card(engine: Engine<'_>) -> Result<String, Failure> {
    engine.export_card().await
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
