//! People and their keys.

use super::Engine;
use crate::clipboard::Copied;
use crate::pictures;
use tauri::{AppHandle, State};
use waxwing_client::Failure;
use waxwing_client::view::{Contact, Me, Qr, QrComparison};

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

/// This account's own half of a key code, as a QR code.
#[tauri::command]
#[specta::specta]
pub(crate) async fn own_qr(engine: Engine<'_>) -> Result<Qr, Failure> {
    engine.own_qr().await
}

/// The key code of this account and a contact, as a QR code.
#[tauri::command]
#[specta::specta]
pub(crate) async fn contact_qr(engine: Engine<'_>, account: String) -> Result<Qr, Failure> {
    engine.contact_qr(account).await
}

/// Lets the person pick a picture of a contact's QR code, and compares it; none when none was picked.
#[tauri::command]
#[specta::specta]
pub(crate) async fn compare_qr_file(
    app: AppHandle,
    engine: Engine<'_>,
    account: String,
) -> Result<Option<QrComparison>, Failure> {
    let Some(picture) = pictures::picked(&app).await? else {
        return Ok(None);
    };
    engine.compare_qr(account, picture).await.map(Some)
}

/// Compares the picture of a contact's QR code that is on the clipboard.
#[tauri::command]
#[specta::specta]
pub(crate) async fn compare_qr_clipboard(
    engine: Engine<'_>,
    copied: State<'_, Copied>,
    account: String,
) -> Result<QrComparison, Failure> {
    let picture = pictures::copied(&copied).await?;
    engine.compare_qr(account, picture).await
}
