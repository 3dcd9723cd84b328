//! Where things lie on this computer.

use std::path::{Path, PathBuf};
use tauri::{AppHandle, Manager};
use waxwing_client::Failure;

/// `$XDG_DATA_HOME/waxwing`, or what the system uses in its place.
pub(crate) fn home() -> Option<PathBuf> {
    dirs::data_dir().map(|data| data.join("waxwing"))
}

/// A profile's folder.
pub(crate) fn profile(home: &Path, name: &str) -> PathBuf {
    home.join("profiles").join(name)
}

/// The folder of the relay on this computer, shared by every profile.
pub(crate) fn relay(home: &Path) -> PathBuf {
    home.join("relay")
}

/// The person's downloads.
pub(crate) fn downloads(app: &AppHandle) -> Result<PathBuf, Failure> {
    let path = app.path();
    path.download_dir()
        .or_else(|_| path.home_dir())
        .map_err(|_| Failure::internal("downloads"))
}
