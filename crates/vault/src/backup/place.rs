//! Putting a restored vault where it belongs, so that a crash leaves the old state or the new.
//!
//! ```text
//! <dir>.restoring             being filled while it has the mark `unfinished`; whole without it
//! <dir> → <dir>-<mark>        what was there, if it was a vault
//! <dir>.restoring → <dir>
//! ```
//! Between the two renames there is nothing at `<dir>`: whoever looks there next does the second one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::VaultError;
use crate::folder::{self, Folder};
use crate::steps::{Step, reached};

/// Where a vault is restored before it is put into its place.
pub(super) fn beside(dir: &Path) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    name.push(".restoring");
    name.into()
}

/// Removes what an earlier try left.
pub(super) fn clear(dir: &Path) -> Result<(), VaultError> {
    let beside = beside(dir);
    if beside.exists() {
        // Not while another process fills it.
        let _held = Folder::hold(&beside)?;
        fs::remove_dir_all(&beside)?;
    }
    Ok(())
}

/// Puts the restored vault into its place; what was there is renamed, and answered.
pub(super) fn put(dir: &Path, mark: &str) -> Result<Option<PathBuf>, VaultError> {
    let beside = beside(dir);
    let _restored = Folder::hold(&beside)?;
    let aside = {
        let _old = Folder::hold(dir)?;
        if is_vault(dir) {
            Some(folder::set_aside(dir, mark)?)
        } else {
            fs::remove_dir_all(dir)?;
            None
        }
    };
    reached(Step::OldSetAside);
    fs::rename(&beside, dir)?;
    reached(Step::RestoredPlaced);
    sync_parent(dir)?;
    Ok(aside)
}

/// Ends what a crash cut off: a whole restored vault goes into an empty place; beside a vault it is
/// none of its business.
pub(crate) fn settle(dir: &Path) -> Result<(), VaultError> {
    let beside = beside(dir);
    if !beside.exists() {
        return Ok(());
    }
    let held = match Folder::hold(&beside) {
        // Being filled by another process.
        Err(VaultError::InUse) => return Ok(()),
        held => held?,
    };
    if !held.is_restored() || is_vault(dir) {
        fs::remove_dir_all(&beside)?;
        return Ok(());
    }
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::rename(&beside, dir)?;
    sync_parent(dir)
}

/// Whether there is anything of a vault, also of a damaged one.
fn is_vault(dir: &Path) -> bool {
    let here = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names = here.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.any(|name| folder::is_of_vault(&name))
}

fn sync_parent(dir: &Path) -> Result<(), VaultError> {
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        folder::sync_dir(parent)?;
    }
    Ok(())
}
