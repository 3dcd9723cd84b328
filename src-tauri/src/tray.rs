//! The tray, where the desktop has one. Without a tray, closing the window always quits: an app
//! must not hide where nobody finds it.

use crate::text::Speech;
use tauri::menu::{MenuBuilder, MenuItemBuilder};
use tauri::tray::TrayIconBuilder;
use tauri::{AppHandle, CloseRequestApi, Manager, Window};
use waxwing_client::App;

const OPEN: &str = "open";
const KEYS: &str = "keys";
const LOCK: &str = "lock";
const QUIT: &str = "quit";

/// Whether the desktop shows tray icons, as the freedesktop `StatusNotifier` specification tells it.
#[derive(Debug, Clone, Copy)]
struct HasTray(bool);

/// Puts the icon into the tray, if there is one.
pub(crate) fn show(app: &AppHandle) {
    let has_tray = has_host();
    app.manage(HasTray(has_tray));
    if has_tray && let Err(error) = build(app) {
        tracing::warn!(%error, "the tray icon could not be shown");
    }
}

fn build(app: &AppHandle) -> tauri::Result<()> {
    let speech = Speech::of(app.state::<App>().language());
    let menu = MenuBuilder::new(app)
        .item(&MenuItemBuilder::with_id(OPEN, speech.open()).build(app)?)
        .item(&MenuItemBuilder::with_id(KEYS, speech.keys()).build(app)?)
        .item(&MenuItemBuilder::with_id(LOCK, speech.lock()).build(app)?)
        .separator()
        .item(&MenuItemBuilder::with_id(QUIT, speech.quit()).build(app)?)
        .build()?;
    let mut tray = TrayIconBuilder::new()
        .tooltip("Waxwing")
        .menu(&menu)
        .on_menu_event(|app, event| match event.id().as_ref() {
            OPEN => crate::windows::raise_main(app),
            KEYS => crate::windows::raise_keys(app),
            LOCK => lock(app),
            QUIT => app.exit(0),
            _ => {}
        });
    if let Some(icon) = app.default_window_icon() {
        tray = tray.icon(icon.clone());
    }
    tray.build(app)?;
    Ok(())
}

fn lock(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Err(failure) = app.state::<App>().lock().await {
            tracing::warn!(%failure, "the vault could not be locked from the tray");
        }
    });
}

/// Closing hides the window only if the person chose so and the tray can bring it back.
pub(crate) fn closing(window: &Window, api: &CloseRequestApi) {
    let app = window.app_handle();
    if app.state::<HasTray>().0 && app.state::<App>().closes_to_tray() && window.hide().is_ok() {
        api.prevent_close();
    }
}

#[cfg(target_os = "linux")]
fn has_host() -> bool {
    let owner = || -> zbus::Result<bool> {
        let bus = zbus::blocking::Connection::session()?;
        let names = zbus::blocking::fdo::DBusProxy::new(&bus)?;
        Ok(names.name_has_owner("org.kde.StatusNotifierWatcher".try_into()?)?)
    };
    owner().unwrap_or(false)
}

#[cfg(not(target_os = "linux"))]
fn has_host() -> bool {
    true
}
