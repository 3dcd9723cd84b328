//! Notifications: by default how many envelopes wait, and never a text.

use crate::text::Speech;
use tauri::{AppHandle, Manager};
use tauri_plugin_notification::NotificationExt;
use waxwing_client::App;

/// Says that envelopes came, unless the person is looking at the window.
pub(crate) fn arrived(app: &AppHandle, waiting: u32, sender: Option<&str>) {
    let looking = app
        .get_webview_window(crate::windows::MAIN)
        .and_then(|window| window.is_focused().ok())
        .unwrap_or(false);
    if looking {
        return;
    }
    let what = Speech::of(app.state::<App>().language()).arrived(waiting, sender);
    if let Err(error) = app
        .notification()
        .builder()
        .title("Waxwing")
        .body(what)
        .show()
    {
        tracing::warn!(%error, "no notification could be shown");
    }
}
