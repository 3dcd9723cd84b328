//! The account's computers: linking another one, and what the keys window does with those there are.

use super::Engine;
use crate::clipboard::Copied;
use crate::pictures;
use tauri::{AppHandle, State};
use waxwing_client::Failure;
use waxwing_client::view::{Device, History, LinkInvitation, LinkStatus, RelayChoice, Stage};
use zeroize::Zeroizing;

/// Begins to link this new computer: what the other one is to read.
#[tauri::command]
#[specta::specta]
pub(crate) async fn begin_link(
    engine: Engine<'_>,
    relay: RelayChoice,
    name: String,
) -> Result<LinkInvitation, Failure> {
    engine.begin_link(relay, name).await
}

/// How far linking is, on either side.
#[tauri::command]
#[specta::specta]
pub(crate) async fn link_status(engine: Engine<'_>) -> Result<LinkStatus, Failure> {
    Ok(engine.link_status())
}

/// Ends a link, on either side.
#[tauri::command]
#[specta::specta]
pub(crate) async fn cancel_link(engine: Engine<'_>) -> Result<(), Failure> {
    engine.cancel_link().await;
    Ok(())
}

/// Makes the vault of this new computer, once it was given the account.
#[tauri::command]
#[specta::specta]
pub(crate) async fn finish_link(engine: Engine<'_>, passphrase: String) -> Result<Stage, Failure> {
    engine.finish_link(Zeroizing::new(passphrase)).await
}

/// The account's computers, this one first.
#[tauri::command]
#[specta::specta]
pub(crate) async fn devices(engine: Engine<'_>) -> Result<Vec<Device>, Failure> {
    engine.devices().await
}

/// Takes the text that a new computer shows.
#[tauri::command]
#[specta::specta]
pub(crate) async fn accept_link(engine: Engine<'_>, text: String) -> Result<LinkStatus, Failure> {
    engine.accept_link(Zeroizing::new(text)).await
}

/// Lets the person pick a picture of the QR code that a new computer shows, and takes its text; none
/// when none was picked.
#[tauri::command]
#[specta::specta]
pub(crate) async fn accept_link_file(
    app: AppHandle,
    engine: Engine<'_>,
) -> Result<Option<LinkStatus>, Failure> {
    let Some(picture) = pictures::picked(&app).await? else {
        return Ok(None);
    };
    engine.accept_link_qr(picture).await.map(Some)
}

/// Takes the text from the picture of a new computer's QR code that is on the clipboard.
#[tauri::command]
#[specta::specta]
pub(crate) async fn accept_link_clipboard(
    engine: Engine<'_>,
    copied: State<'_, Copied>,
) -> Result<LinkStatus, Failure> {
    let picture = pictures::copied(&copied).await?;
    engine.accept_link_qr(picture).await
}

/// Gives the account to the new computer that shows this code.
#[tauri::command]
#[specta::specta]
pub(crate) async fn confirm_link(
    engine: Engine<'_>,
    code: String,
    passphrase: String,
) -> Result<LinkStatus, Failure> {
    engine.confirm_link(code, Zeroizing::new(passphrase)).await
}

/// Takes another computer out of the account.
#[tauri::command]
#[specta::specta]
pub(crate) async fn remove_device(
    engine: Engine<'_>,
    id: String,
    passphrase: String,
) -> Result<Vec<Device>, Failure> {
    engine.remove_device(id, Zeroizing::new(passphrase)).await
}

/// Gives one of the account's computers another name here.
#[tauri::command]
#[specta::specta]
pub(crate) async fn rename_device(
    engine: Engine<'_>,
    id: String,
    name: String,
) -> Result<Vec<Device>, Failure> {
    engine.rename_device(id, name).await
}

/// The histories that this computer gives to others of the account, and takes from them.
#[tauri::command]
#[specta::specta]
pub(crate) async fn histories(engine: Engine<'_>) -> Result<Vec<History>, Failure> {
    engine.histories().await
}

/// Gives another computer of the account what this one remembers, once more.
#[tauri::command]
#[specta::specta]
pub(crate) async fn give_history(
    engine: Engine<'_>,
    device: String,
) -> Result<Vec<History>, Failure> {
    engine.give_history(device).await
}
