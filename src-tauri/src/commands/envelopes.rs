//! Reading, writing, sending; files by the system's own pickers, never through JSON.

use super::Engine;
use crate::drop_target::DropTarget;
use tauri::{AppHandle, State};
use tauri_plugin_dialog::DialogExt;
use waxwing_client::Failure;
use waxwing_client::view::{Draft, DraftText, EnvelopeRow, EnvelopeView, FileView, Folder, Page};

/// Part of a list, newest first.
#[tauri::command]
#[specta::specta]
pub(crate) async fn envelopes(
    engine: Engine<'_>,
    folder: Folder,
    cursor: Option<String>,
    limit: u32,
) -> Result<Page<EnvelopeRow>, Failure> {
    engine.envelopes(folder, cursor, limit).await
}

/// One envelope, which is opened by being read.
#[tauri::command]
#[specta::specta]
pub(crate) async fn envelope(engine: Engine<'_>, id: String) -> Result<EnvelopeView, Failure> {
    engine.envelope(id).await
}

/// Part of the drafts, newest first.
#[tauri::command]
#[specta::specta]
pub(crate) async fn drafts(
    engine: Engine<'_>,
    cursor: Option<String>,
    limit: u32,
) -> Result<Page<Draft>, Failure> {
    engine.drafts(cursor, limit).await
}

/// One draft.
#[tauri::command]
#[specta::specta]
pub(crate) async fn draft(engine: Engine<'_>, id: String) -> Result<Draft, Failure> {
    engine.draft(id).await
}

/// Begins a message.
#[tauri::command]
#[specta::specta]
pub(crate) async fn new_draft(
    engine: Engine<'_>,
    in_reply_to: Option<String>,
) -> Result<Draft, Failure> {
    engine.new_draft(in_reply_to).await
}

/// Keeps what is written so far.
#[tauri::command]
#[specta::specta]
pub(crate) async fn save_draft(
    engine: Engine<'_>,
    id: String,
    text: DraftText,
) -> Result<(), Failure> {
    engine.save_draft(id, text).await
}

/// Throws a draft and its files away.
#[tauri::command]
#[specta::specta]
pub(crate) async fn discard_draft(engine: Engine<'_>, id: String) -> Result<(), Failure> {
    engine.discard_draft(id).await
}

/// Lets the person pick files for a draft.
#[tauri::command]
#[specta::specta]
pub(crate) async fn attach_files(
    app: AppHandle,
    engine: Engine<'_>,
    id: String,
) -> Result<Draft, Failure> {
    let (picked, chosen) = tokio::sync::oneshot::channel();
    app.dialog().file().pick_files(move |files| {
        // The window that asked may be gone; then nobody waits for the answer.
        let _ = picked.send(files);
    });
    let files = chosen.await.ok().flatten().unwrap_or_default();
    let paths = files
        .into_iter()
        .filter_map(|file| file.into_path().ok())
        .collect();
    engine.attach(id, paths).await
}

/// Takes a file out of a draft.
#[tauri::command]
#[specta::specta]
pub(crate) async fn detach_file(
    engine: Engine<'_>,
    id: String,
    file: String,
) -> Result<Draft, Failure> {
    engine.detach(id, file).await
}

/// Names the draft that dropped files belong to.
#[tauri::command]
#[specta::specta]
pub(crate) async fn set_drop_target(
    target: State<'_, DropTarget>,
    draft: Option<String>,
) -> Result<(), Failure> {
    target.set(draft);
    Ok(())
}

/// Seals a draft and puts it in the outbox.
#[tauri::command]
#[specta::specta]
pub(crate) async fn send_draft(
    engine: Engine<'_>,
    id: String,
    text: DraftText,
) -> Result<String, Failure> {
    engine.send_draft(id, text).await
}

/// Makes a draft again of what has not left.
#[tauri::command]
#[specta::specta]
pub(crate) async fn cancel_send(engine: Engine<'_>, id: String) -> Result<String, Failure> {
    engine.cancel_send(id).await
}

/// Takes back what is still at the relay.
#[tauri::command]
#[specta::specta]
pub(crate) async fn recall(engine: Engine<'_>, id: String) -> Result<(), Failure> {
    engine.recall(id).await
}

/// Tries the outbox now: one message's lanes, or all of them.
#[tauri::command]
#[specta::specta]
pub(crate) async fn try_now(engine: Engine<'_>, id: Option<String>) -> Result<(), Failure> {
    engine.try_now(id).await
}

/// Deletes an envelope here.
#[tauri::command]
#[specta::specta]
pub(crate) async fn delete_envelope(engine: Engine<'_>, id: String) -> Result<(), Failure> {
    engine.delete_envelope(id).await
}

/// Saves a file into the person's downloads.
#[tauri::command]
#[specta::specta]
pub(crate) async fn save_file(
    app: AppHandle,
    engine: Engine<'_>,
    envelope: String,
    file: String,
) -> Result<FileView, Failure> {
    engine
        .save_file(envelope, file, crate::paths::downloads(&app)?)
        .await
}

/// Saves a file where the person says.
#[tauri::command]
#[specta::specta]
pub(crate) async fn save_file_as(
    app: AppHandle,
    engine: Engine<'_>,
    envelope: String,
    file: String,
) -> Result<Option<FileView>, Failure> {
    let name = engine.file_name(&envelope, &file).await?;
    let (picked, chosen) = tokio::sync::oneshot::channel();
    app.dialog()
        .file()
        .set_file_name(name)
        .save_file(move |path| {
            let _ = picked.send(path);
        });
    let Some(path) = chosen
        .await
        .ok()
        .flatten()
        .and_then(|path| path.into_path().ok())
    else {
        return Ok(None);
    };
    engine.save_file_to(envelope, file, path).await.map(Some)
}

/// Stops sealing, sending or saving a file.
#[tauri::command]
#[specta::specta]
pub(crate) async fn cancel_transfer(engine: Engine<'_>, file: String) -> Result<(), Failure> {
    engine.cancel_transfer(&file);
    Ok(())
}
