//! One-time links to files: an id of 128 random bits, good once and for [`LIFE`] seconds, in memory
//! alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use waxwing_compat::RsaPrivate;

use super::messages::Row;
use super::pieces::Data;

/// Seconds that a link lives.
pub(super) const LIFE: u64 = 120;
/// Links at the same time; no more are given beyond.
const MOST: usize = 10_000;

/// What a link leads to.
pub(super) enum File {
    /// As the sender gave it.
    Sealed(Data),
    /// To be opened with this key.
    Opened(Row, Arc<RsaPrivate>),
}

struct Link {
    until: u64,
    file: File,
}

/// All links of this moment.
#[derive(Default)]
pub(super) struct Files(Mutex<HashMap<[u8; 16], Link>>);

impl Files {
    /// A new link; `None` when there are too many.
    pub(super) fn link(&self, file: File, now: u64) -> Option<String> {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if links.len() >= MOST {
            links.retain(|_, link| now < link.until);
        }
        if links.len() >= MOST {
            return None;
        }
        let id = rand::random();
        let until = now.saturating_add(LIFE);
        links.insert(id, Link { until, file });
        Some(hex::encode(id))
    }

    /// What a link leads to, once.
    pub(super) fn take(&self, id: &str, now: u64) -> Option<File> {
        let id: [u8; 16] = hex::decode(id).ok()?.try_into().ok()?;
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links
            .remove(&id)
            .filter(|link| now < link.until)
            .map(|link| link.file)
    }

    /// Drops the links whose time is over.
    pub(super) fn forget_over(&self, now: u64) {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, link| now < link.until);
    }
}
