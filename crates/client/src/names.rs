//! Names of files that somebody else chose.

use std::path::{Path, PathBuf};

/// A name that cannot leave its folder, hide itself or break a file system.
pub(crate) fn safe_name(name: &str) -> String {
    let options = sanitize_filename::Options {
        windows: true,
        truncate: true,
        replacement: "_",
    };
    let safe = sanitize_filename::sanitize_with_options(name, options);
    let safe = safe.trim_start_matches('.').trim();
    if safe.is_empty() {
        "file".to_owned()
    } else {
        safe.to_owned()
    }
}

/// A path in a folder that nothing has yet: `name`, `name (2)`, `name (3)` …
pub(crate) fn free_path(folder: &Path, name: &str) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let path = Path::new(name);
    let stem = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let ending = path
        .extension()
        .map(|ending| format!(".{}", ending.to_string_lossy()))
        .unwrap_or_default();
    let names = std::iter::once(name.to_owned())
        .chain((2..10_000).map(|n| format!("{stem} ({n}){ending}")));
    names
        .map(|name| folder.join(name))
        .find(|path| !path.exists())
        .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::AlreadyExists))
}
