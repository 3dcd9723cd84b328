//! The windows: the main one, and the keys window beside it, each a webview of its own with its own
//! capability file.

use tauri::{AppHandle, Manager, WebviewUrl, WebviewWindowBuilder};
use waxwing_client::App;

/// The main window's label, as `capabilities/main.json` names it.
pub(crate) const MAIN: &str = "main";

/// The keys window's label, as `capabilities/keys.json` names it.
pub(crate) const KEYS: &str = "keys";

/// Opens the main window.
pub(crate) fn open_main(app: &AppHandle, profile: &str) -> tauri::Result<()> {
    let title = if profile == "default" {
        "Waxwing".to_owned()
    } else {
        format!("Waxwing ({profile})")
    };
    WebviewWindowBuilder::new(app, MAIN, WebviewUrl::default())
        .title(title)
        .inner_size(1200.0, 800.0)
        .min_inner_size(400.0, 480.0)
        .build()?;
    Ok(())
}

/// Opens the keys window, or brings it to the front.
pub(crate) fn open_keys(app: &AppHandle) -> tauri::Result<()> {
    if app.get_webview_window(KEYS).is_some() {
        return raise(app, KEYS);
    }
    let of = app
        .get_webview_window(MAIN)
        .map(|main| main.title())
        .transpose()?;
    WebviewWindowBuilder::new(app, KEYS, WebviewUrl::App("keys.html".into()))
        .title(format!("{} – Keys", of.as_deref().unwrap_or("Waxwing")))
        .inner_size(860.0, 640.0)
        .min_inner_size(400.0, 480.0)
        .build()?;
    Ok(())
}

/// Closes the keys window, which lives no longer than the open vault and the main window.
pub(crate) fn close_keys(app: &AppHandle) {
    if let Some(window) = app.get_webview_window(KEYS)
        && let Err(error) = window.destroy()
    {
        tracing::warn!(%error, "the keys window could not be closed");
    }
}

/// Brings the keys window to the front while the vault is open, and else the main one.
pub(crate) fn raise_keys(app: &AppHandle) {
    if !app.state::<App>().is_open() {
        return raise_main(app);
    }
    if let Err(error) = open_keys(app) {
        tracing::warn!(%error, "the keys window could not be opened");
    }
}

/// Brings the main window to the front.
pub(crate) fn raise_main(app: &AppHandle) {
    if let Err(error) = raise(app, MAIN) {
        tracing::warn!(%error, "the window could not be brought to the front");
    }
}

fn raise(app: &AppHandle, label: &str) -> tauri::Result<()> {
    let Some(window) = app.get_webview_window(label) else {
        return Ok(());
    };
    window.unminimize()?;
    window.show()?;
    window.set_focus()
}
