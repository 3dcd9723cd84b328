//! Keys at rest. A key is the one item of a mailbox named after its token: so it is written once,
//! goes by itself when its time is over, and its token is never used again.

use axum::body::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::Shared;
use super::answer::{CryptoKey, Date, Fault, Format};
use super::request::Ask;
use super::token::Token;
use crate::store::{Append, Quota, StoreError};

/// The name of the one item.
const ITEM: &[u8] = b"key";
const DAY: u64 = 86_400;
/// How long messages are taken when nothing is said, and at most.
pub(super) const USUAL_LOCK: u64 = 30 * DAY;
const LATEST: u64 = 400 * DAY;
/// How long a message waits, from its sending or from the release date.
pub(super) const MESSAGE_LIFE: u64 = 30 * DAY;

/// A private key that is kept here.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Private {
    /// Nobody's: messages are opened elsewhere.
    None,
    /// Made here, and wrapped by its passphrase.
    Wrapped(super::online::Wrapped),
    /// Made elsewhere, in the original's passphrase cipher.
    Uploaded(String),
}

/// What is kept of a key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) made_at: u64,
    pub(super) release_at: u64,
    pub(super) lock_at: u64,
    pub(super) burn_messages: bool,
    pub(super) burn_key: bool,
    pub(super) public_key: String,
    pub(super) private_key: Private,
    /// SHA-256 of the `privatekeyhash`: the disk does not have what opens.
    pub(super) hash: Option<[u8; 32]>,
}

/// A key with its name.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) token: Token,
    pub(super) row: Row,
}

impl Key {
    /// When a message that comes now goes.
    pub(super) fn message_expires(&self, now: u64) -> u64 {
        now.max(self.row.release_at).saturating_add(MESSAGE_LIFE)
    }

    fn expires(&self) -> u64 {
        let last = self.row.lock_at.max(self.row.release_at);
        last.saturating_add(MESSAGE_LIFE)
    }

    /// Whether this is the hash, in constant time.
    pub(super) fn has_hash(&self, given: &str) -> bool {
        let given = digest(given);
        self.row
            .hash
            .is_some_and(|hash| bool::from(hash.ct_eq(&given)))
    }

    /// What anybody with the token may know.
    pub(super) fn shown(&self, format: Format, now: u64) -> CryptoKey {
        let row = &self.row;
        let date = |at| Date { at, format };
        let is_public_key_only = row.private_key == Private::None;
        CryptoKey {
            key_id: self.token.number(),
            key_token: self.token.as_str().to_owned(),
            public_key: row.public_key.clone(),
            private_key: None,
            private_key_hash: None,
            is_private_key_encrypted: !is_public_key_only,
            is_public_key_only,
            is_released: row.release_at <= now,
            request_date: date(row.made_at),
            release_date: date(row.release_at),
            lock_date: date(row.lock_at),
            delete_messages_after_reading: row.burn_messages,
            delete_key_after_reading: row.burn_key,
            notifications: Vec::new(),
            messages: Vec::new(),
            uri: self.token.as_str().to_owned(),
        }
    }
}

/// How a `privatekeyhash` is kept.
pub(super) fn digest(hash: &str) -> [u8; 32] {
    Sha256::digest(hash.as_bytes()).into()
}

/// A key with the terms that a request names.
///
/// # Errors
/// A term that cannot be.
pub(super) fn row(
    ask: &Ask,
    now: u64,
    public_key: String,
    private_key: Private,
    hash: Option<&str>,
) -> Result<Row, Fault> {
    let release_at = ask.time("releasedate")?.unwrap_or(now);
    let lock_at = ask
        .time("lockdate")?
        .unwrap_or_else(|| now.saturating_add(USUAL_LOCK));
    let latest = now.saturating_add(LATEST);
    if release_at > latest || lock_at > latest {
        return Err(Fault::invalid(
            "`releasedate` and `lockdate` may lie 400 days ahead at most.",
        ));
    }
    if lock_at <= now {
        return Err(Fault::invalid(
            "`lockdate` is over: the key would take no message.",
        ));
    }
    Ok(Row {
        made_at: now,
        release_at,
        lock_at,
        burn_messages: ask.flag("deletemessagesafterreading")?,
        burn_key: ask.flag("deletekeyafterreading")?,
        public_key,
        private_key,
        hash: hash.map(digest),
    })
}

/// Keeps a new key.
///
/// # Errors
/// The token is taken; the store.
pub(super) async fn add(app: &Shared, key: &Key) -> Result<(), Fault> {
    let body = postcard::to_stdvec(&key.row).map_err(|_| Fault::internal())?;
    let expires_at = key.expires();
    let taken = || Fault::invalid("This token is taken, or was.");
    let added = app
        .store
        .append(Append {
            mailbox: mailbox(&key.token),
            key: Bytes::from_static(ITEM),
            body: body.into(),
            expires_at,
            remember_until: expires_at,
            quota: Quota::NONE,
        })
        .await;
    match added {
        Ok(added) if added.repeated => Err(taken()),
        Ok(_) => Ok(()),
        Err(StoreError::BodyDiffers) => Err(taken()),
        Err(error) => Err(error.into()),
    }
}

/// A key, when there is one.
///
/// # Errors
/// The store.
pub(super) async fn find(app: &Shared, token: &Token) -> Result<Option<Key>, Fault> {
    let items = app.store.read(&mailbox(token), 0, 1, usize::MAX).await?;
    let Some(item) = items.into_iter().next() else {
        return Ok(None);
    };
    let row = postcard::from_bytes(&item.body).map_err(|_| Fault::internal())?;
    Ok(Some(Key {
        token: token.clone(),
        row,
    }))
}

/// A key that takes messages now.
///
/// # Errors
/// There is none, or it is locked.
pub(super) async fn taking(app: &Shared, token: &Token) -> Result<Key, Fault> {
    let key = find(app, token).await?.ok_or_else(Fault::unknown)?;
    if app.now() > key.row.lock_at {
        return Err(Fault::invalid(
            "The key's lock date is over: it takes no message any more.",
        ));
    }
    Ok(key)
}

/// Removes a key; its messages are the caller's affair.
///
/// # Errors
/// The store.
pub(super) async fn remove(app: &Shared, token: &Token) -> Result<(), StoreError> {
    app.store.withdraw(&mailbox(token), ITEM).await.map(drop)
}

fn mailbox(token: &Token) -> Bytes {
    format!("service/key/{}", token.as_str()).into()
}

/// Whose quota a key's data counts against.
pub(super) fn owner(token: &Token) -> Bytes {
    format!("service/owner/{}", token.as_str()).into()
}
