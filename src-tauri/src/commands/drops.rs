//! Drop boxes: who has the link writes here sealed, without an account.

use super::Engine;
use waxwing_client::Failure;
use waxwing_client::view::{BurnRule, DropBox, Qr};

/// The drop boxes of this computer, newest first.
#[tauri::command]
#[specta::specta]
pub(crate) async fn drop_boxes(engine: Engine<'_>) -> Result<Vec<DropBox>, Failure> {
    engine.drop_boxes().await
}

/// Makes a drop box that is open for so many days, 366 at most.
#[tauri::command]
#[specta::specta]
pub(crate) async fn make_drop_box(
    engine: Engine<'_>,
    name: String,
    days: u32,
    burn: BurnRule,
) -> Result<DropBox, Failure> {
    engine.make_drop_box(name, days, burn).await
}

/// Ends a drop box for good. What was opened stays; what waits in it does not open any more.
#[tauri::command]
#[specta::specta]
pub(crate) async fn remove_drop_box(engine: Engine<'_>, id: String) -> Result<(), Failure> {
    engine.remove_drop_box(id).await
}

/// The link of a drop box, as a QR code.
#[tauri::command]
#[specta::specta]
pub(crate) async fn drop_box_qr(engine: Engine<'_>, id: String) -> Result<Qr, Failure> {
    engine.drop_box_qr(id).await
}
