//! People and their keys.

use super::Engine;
use waxwing_client::Failure;
use waxwing_client::view::{Contact, Me};

/// This account.
#[tauri::command]
#[specta::specta]
pub(crate) async fn me(engine: Engine<'_>) -> Result<Me, Failure> {
    engine.me().await
}

/// Everybody, by name.
#[tauri::command]
#[specta::specta]
pub(crate) async fn contacts(engine: Engine<'_>) -> Result<Vec<Contact>, Failure> {
    engine.contacts().await
}

/// One contact.
#[tauri::command]
#[specta::specta]
pub(crate) async fn contact(engine: Engine<'_>, account: String) -> Result<Contact, Failure> {
    engine.contact(account).await
}

/// Finds somebody at the relay and pins their card.
#[tauri::command]
#[specta::specta]
pub(crate) async fn add_contact(engine: Engine<'_>, address: String) -> Result<Contact, Failure> {
    engine.add_contact(address).await
}

/// Gives a contact another name here.
#[tauri::command]
#[specta::specta]
pub(crate) async fn rename_contact(
    engine: Engine<'_>,
    account: String,
    name: String,
) -> Result<Contact, Failure> {
    engine.rename_contact(account, name).await
}

/// Forgets a contact; their envelopes stay.
#[tauri::command]
#[specta::specta]
pub(crate) async fn remove_contact(engine: Engine<'_>, account: String) -> Result<(), Failure> {
    engine.remove_contact(account).await
}

/// Keeps what comparing the key codes showed.
#[tauri::command]
#[specta::specta]
pub(crate) async fn mark_compared(
    engine: Engine<'_>,
    account: String,
    same: bool,
) -> Result<Contact, Failure> {
    engine.mark_compared(account, same).await
}

/// Accepts an unexplained change of key.
#[tauri::command]
#[specta::specta]
pub(crate) async fn accept_change(engine: Engine<'_>, account: String) -> Result<Contact, Failure> {
    engine.accept_change(account).await
}
