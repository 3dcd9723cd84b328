//! Setting up, step by step.

use super::Engine;
use waxwing_client::Failure;
use waxwing_client::view::{RelayChoice, Stage};
use zeroize::Zeroizing;

/// Keeps the chosen name and relay.
#[tauri::command]
#[specta::specta]
pub(crate) async fn choose_identity(
    engine: Engine<'_>,
    name: String,
    relay: RelayChoice,
) -> Result<Stage, Failure> {
    engine.choose_identity(name, relay).await
}

/// Back to name and relay.
#[tauri::command]
#[specta::specta]
pub(crate) async fn back_to_identity(engine: Engine<'_>) -> Result<Stage, Failure> {
    engine.back_to_identity().await
}

/// Makes the vault and the account's keys.
#[tauri::command]
#[specta::specta]
pub(crate) async fn create_vault(engine: Engine<'_>, passphrase: String) -> Result<Stage, Failure> {
    engine.create_vault(Zeroizing::new(passphrase)).await
}

/// The 24 words, for the person to write down.
#[tauri::command]
#[specta::specta]
pub(crate) async fn recovery_code(engine: Engine<'_>) -> Result<Vec<String>, Failure> {
    engine.recovery_code().await
}

/// Compares the groups that the person typed back.
#[tauri::command]
#[specta::specta]
pub(crate) async fn confirm_recovery(
    engine: Engine<'_>,
    groups: Vec<(u32, String)>,
) -> Result<Stage, Failure> {
    engine.confirm_recovery(groups).await
}

/// Ends the set-up, with a test envelope to oneself if wanted.
#[tauri::command]
#[specta::specta]
pub(crate) async fn finish_onboarding(
    engine: Engine<'_>,
    send_test: bool,
) -> Result<Stage, Failure> {
    engine.finish_onboarding(send_test).await
}
