//! Pictures that a person gives: a file of their choice, or what they copied. Read off the threads that
//! answer commands, since both take time.

use crate::clipboard::Copied;
use std::io::Read as _;
use std::path::Path;
use tauri::AppHandle;
use tauri_plugin_dialog::DialogExt as _;
use waxwing_client::Failure;
use waxwing_client::qr::Picture;
use zeroize::Zeroizing;

/// The largest picture file, in bytes.
const LARGEST_FILE: u64 = 64 << 20;

/// Lets the person pick a picture file; none when none was picked.
///
/// # Errors
/// [`Failure::PictureUnreadable`].
pub(crate) async fn picked(app: &AppHandle) -> Result<Option<Picture>, Failure> {
    let (picked, chosen) = tokio::sync::oneshot::channel();
    let pictures = app
        .dialog()
        .file()
        .add_filter("PNG, JPEG", &["png", "jpg", "jpeg"]);
    pictures.pick_file(move |file| {
        // The window that asked may be gone; then nobody waits for the answer.
        let _ = picked.send(file);
    });
    let Some(path) = chosen
        .await
        .ok()
        .flatten()
        .and_then(|file| file.into_path().ok())
    else {
        return Ok(None);
    };
    reading(move || from_file(&path)).await.map(Some)
}

/// The picture on the clipboard.
///
/// # Errors
/// [`Failure::NoPictureCopied`].
pub(crate) async fn copied(copied: &Copied) -> Result<Picture, Failure> {
    let copied = copied.clone();
    reading(move || {
        let there = copied.picture().ok_or(Failure::NoPictureCopied)?;
        Picture::from_rgba(there.width, there.height, &there.bytes)
    })
    .await
}

fn from_file(path: &Path) -> Result<Picture, Failure> {
    let file = std::fs::File::open(path).map_err(|_| Failure::PictureUnreadable)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(LARGEST_FILE)
        .read_to_end(&mut bytes)
        .map_err(|_| Failure::PictureUnreadable)?;
    Picture::from_file(&bytes)
}

async fn reading(
    read: impl FnOnce() -> Result<Picture, Failure> + Send + 'static,
) -> Result<Picture, Failure> {
    tokio::task::spawn_blocking(read)
        .await
        .map_err(|_| Failure::internal("picture"))?
}
