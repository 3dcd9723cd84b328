//! Files dropped on the window: read here, never in the webview.

use crate::events::FilesDropped;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tauri::{AppHandle, Manager};
use tauri_specta::Event;
use waxwing_client::App;

/// The draft that is being written, which dropped files belong to.
#[derive(Debug, Default)]
pub(crate) struct DropTarget(Mutex<Option<String>>);

impl DropTarget {
    pub(crate) fn set(&self, draft: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = draft;
    }

    fn draft(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Attaches dropped files to the draft that is being written, if there is one.
pub(crate) fn dropped(app: &AppHandle, paths: Vec<PathBuf>) {
    let Some(draft) = app.state::<DropTarget>().draft() else {
        return;
    };
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let attached = app.state::<App>().attach(draft.clone(), paths).await;
        let failure = attached.err();
        if let Err(error) = (FilesDropped { draft, failure }).emit(&app) {
            tracing::warn!(%error, "the window could not be told of dropped files");
        }
    });
}
