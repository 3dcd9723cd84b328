//! One-time links to files: an id of 128 random bits, good once and for [`LIFE`] seconds, in memory
//! alone.
//!
//! A link to an opened file needs the private key once more. It is kept under the link's own id, which
//! only the answer has: what lies here opens nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use sha2::{Digest as _, Sha256};
use waxwing_compat::RsaPrivate;
use zeroize::{Zeroize as _, Zeroizing};

use super::messages::Row;

/// Seconds that a link lives.
pub(super) const LIFE: u64 = 120;
/// Links at the same time; no more are given beyond.
const MOST: usize = 10_000;

struct Link {
    until: u64,
    row: Row,
    /// The private key's text under the id.
    key: Option<Vec<u8>>,
}

/// Labels of what comes from a link's id (docs/protocol.md, "Labels").
const NAME: &[u8] = b"waxwing/key-service/link/name/v1";
const KEY: &[u8] = b"waxwing/key-service/link/key/v1";

/// What a link leads to.
pub(super) struct File {
    pub(super) row: Row,
    /// The private key's text, of a file that is to be opened.
    pub(super) key: Option<Zeroizing<String>>,
}

/// All links of this moment, by a hash of their ids.
#[derive(Default)]
pub(super) struct Files(Mutex<HashMap<[u8; 32], Link>>);

impl Files {
    /// A new link; `None` when there are too many.
    pub(super) fn link(&self, row: Row, key: Option<&RsaPrivate>, now: u64) -> Option<String> {
        let id: [u8; 16] = rand::random();
        let key = match key {
            Some(key) => Some(cipher(&id)?.encrypt(&nonce(), key.xml().as_bytes()).ok()?),
            None => None,
        };
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if links.len() >= MOST {
            links.retain(|_, link| now < link.until);
        }
        if links.len() >= MOST {
            return None;
        }
        let until = now.saturating_add(LIFE);
        links.insert(derived(NAME, &id), Link { until, row, key });
        Some(hex::encode(id))
    }

    /// What a link leads to, once.
    pub(super) fn take(&self, id: &str, now: u64) -> Option<File> {
        let id: [u8; 16] = hex::decode(id).ok()?.try_into().ok()?;
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let link = links
            .remove(&derived(NAME, &id))
            .filter(|link| now < link.until)?;
        drop(links);
        let key = match link.key {
            Some(sealed) => Some(text(cipher(&id)?.decrypt(&nonce(), &*sealed).ok()?)?),
            None => None,
        };
        Some(File { row: link.row, key })
    }

    /// Drops the links whose time is over.
    pub(super) fn forget_over(&self, now: u64) {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, link| now < link.until);
    }
}

fn derived(label: &[u8], id: &[u8; 16]) -> [u8; 32] {
    Sha256::new()
        .chain_update(label)
        .chain_update(id)
        .finalize()
        .into()
}

fn cipher(id: &[u8; 16]) -> Option<Aes256Gcm> {
    let key = Zeroizing::new(derived(KEY, id));
    Aes256Gcm::new_from_slice(&*key).ok()
}

/// Each id is for one link, and so its key for one text.
fn nonce() -> Nonce<aes_gcm::aead::consts::U12> {
    Nonce::from([0; 12])
}

/// Bytes as a text; wiped when they are none.
pub(super) fn text(bytes: Vec<u8>) -> Option<Zeroizing<String>> {
    match String::from_utf8(bytes) {
        Ok(text) => Some(Zeroizing::new(text)),
        Err(error) => {
            error.into_bytes().zeroize();
            None
        }
    }
}
