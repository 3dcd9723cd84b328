//! Opening and closing the vault.

use super::Engine;
use waxwing_client::Failure;
use waxwing_client::view::{Stage, Status, Strength, UnlockTime};
use zeroize::Zeroizing;

/// Where the whole window stands.
#[tauri::command]
#[specta::specta]
pub(crate) async fn stage(engine: Engine<'_>) -> Result<Stage, Failure> {
    Ok(engine.stage().await)
}

/// The status bar.
#[tauri::command]
#[specta::specta]
pub(crate) async fn status(engine: Engine<'_>) -> Result<Status, Failure> {
    Ok(engine.status().await)
}

/// Opens the vault.
#[tauri::command]
#[specta::specta]
pub(crate) async fn unlock(engine: Engine<'_>, passphrase: String) -> Result<Stage, Failure> {
    engine.unlock(Zeroizing::new(passphrase)).await
}

/// Closes the vault and drops every key and opened text.
#[tauri::command]
#[specta::specta]
pub(crate) async fn lock(engine: Engine<'_>) -> Result<Stage, Failure> {
    engine.lock().await
}

/// Opens the vault with the recovery code and gives it a new passphrase.
#[tauri::command]
#[specta::specta]
pub(crate) async fn recover(
    engine: Engine<'_>,
    words: String,
    new_passphrase: String,
) -> Result<Stage, Failure> {
    engine
        .recover(Zeroizing::new(words), Zeroizing::new(new_passphrase))
        .await
}

/// Renames the vault's folder and begins anew.
#[tauri::command]
#[specta::specta]
pub(crate) async fn start_over(engine: Engine<'_>) -> Result<Stage, Failure> {
    engine.start_over().await
}

/// The person is here: the vault does not lock yet.
#[tauri::command]
#[specta::specta]
pub(crate) async fn still_here(engine: Engine<'_>) -> Result<(), Failure> {
    engine.still_here();
    Ok(())
}

/// A passphrase to offer.
#[tauri::command]
#[specta::specta]
pub(crate) async fn suggest_passphrase(engine: Engine<'_>) -> Result<String, Failure> {
    Ok(engine.suggest_passphrase().to_string())
}

/// How strong a passphrase is.
#[tauri::command]
#[specta::specta]
pub(crate) async fn passphrase_strength(passphrase: String) -> Result<Strength, Failure> {
    Ok(waxwing_client::passphrase::strength(&Zeroizing::new(
        passphrase,
    )))
}

/// All words that a recovery code is made of, to complete what is typed without asking again.
#[tauri::command]
#[specta::specta]
pub(crate) async fn word_list() -> Result<Vec<&'static str>, Failure> {
    Ok(waxwing_client::word_list().to_vec())
}

/// What unlocking costs on this computer.
#[tauri::command]
#[specta::specta]
pub(crate) async fn unlock_time(engine: Engine<'_>) -> Result<UnlockTime, Failure> {
    engine.unlock_time().await
}
