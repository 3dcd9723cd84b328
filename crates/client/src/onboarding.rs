//! Where setting up stands, so that quitting at any step and coming back continues there.
//!
//! Before there is a vault nothing secret is known: a name and a relay, in a small file beside
//! the vault. The file goes when the set-up ends.

use crate::view::{OnboardingStep, RelayChoice};
use serde::{Deserialize, Serialize};
use std::io::{Error, ErrorKind, Result};
use std::path::Path;

const FILE: &str = "onboarding.json";

/// What the person chose so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) step: OnboardingStep,
    pub(crate) name: String,
    pub(crate) relay: RelayChoice,
}

/// Reads where the set-up stands; none when it ended or never began.
pub(crate) fn load(dir: &Path) -> Result<Option<Progress>> {
    match std::fs::read(dir.join(FILE)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(Error::other),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Keeps where the set-up stands.
pub(crate) fn save(dir: &Path, progress: &Progress) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    let fresh = dir.join("onboarding.tmp");
    std::fs::write(&fresh, serde_json::to_vec(progress).map_err(Error::other)?)?;
    std::fs::File::open(&fresh)?.sync_all()?;
    std::fs::rename(fresh, dir.join(FILE))
}

/// The set-up ended.
pub(crate) fn finish(dir: &Path) -> Result<()> {
    match std::fs::remove_file(dir.join(FILE)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
