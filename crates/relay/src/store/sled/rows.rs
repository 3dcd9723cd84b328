//! What the rows look like: keys with fixed prefixes, values in postcard.
//!
//! Every id is hashed to 32 bytes, so that ids of any length make keys of one length and no
//! key of one family is a prefix of another's. Bodies over [`PART`] are cut into rows of their
//! own, because sled keeps 16 rows in one page, moves a page over 128 KiB into a file of its own, and
//! never syncs that file: a row must stay below 7 KiB to survive a power cut.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};

use super::super::StoreError;
use super::Txn;

/// The greatest size of one row's body in bytes.
pub(super) const PART: usize = 6 * 1024;

/// A hashed id.
pub(super) type Hash = [u8; 32];

/// The hash of an id.
pub(super) fn hash(id: &[u8]) -> Hash {
    Sha256::digest(id).into()
}

/// The kinds of rows, by the first byte of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// mailbox → [`BoxRow`]
    Box = b'q',
    /// mailbox, seq → [`ItemRow`]
    Item = b'm',
    /// mailbox, key → [`FateRow`]
    Fate = b'k',
    /// space and key → [`VersionedRow`]
    Versioned = b'v',
    /// bag → [`BagRow`]
    Bag = b'b',
    /// bag, place → [`BagItemRow`]
    BagItem = b'i',
    /// bag, key → `()`
    BagSeen = b's',
    /// log → last seq
    Log = b'l',
    /// log, seq → [`Body`]
    LogEntry = b'e',
    /// log, key → seq
    LogSeen = b'd',
    /// blob → [`BlobRow`]
    Blob = b'f',
    /// owner → [`OwnerRow`]
    Owner = b'o',
    /// row key, number → bytes
    Part = b'p',
    /// time, row key → `()`
    Expiry = b'x',
}

/// A key: the kind, then the parts, each of a length that the kind fixes.
pub(super) fn key(kind: Kind, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(kind as u8);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

/// The number at the end of a key.
pub(super) fn trailing_number(key: &[u8]) -> u64 {
    key.last_chunk::<8>()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct BoxRow {
    pub(super) last_seq: u64,
    pub(super) items: u64,
    pub(super) bytes: u64,
    /// No item expires before this time.
    pub(super) earliest: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ItemRow {
    pub(super) received_at: u64,
    pub(super) expires_at: u64,
    pub(super) key: Hash,
    pub(super) body: Body,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FateRow {
    pub(super) seq: u64,
    pub(super) expires_at: u64,
    pub(super) remember_until: u64,
    /// The digest of the body, so that a key is not used for another one.
    pub(super) body: Hash,
    pub(super) state: FateState,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum FateState {
    Waiting,
    Acked(Option<ByteBuf>),
    Withdrawn,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct VersionedRow {
    pub(super) version: u64,
    /// `None` after a delete: the version must not start again.
    pub(super) value: Option<Body>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct BagRow {
    pub(super) next: u64,
    pub(super) waiting: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BagItemRow {
    pub(super) expires_at: u64,
    pub(super) body: Body,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct BlobRow {
    pub(super) owner: ByteBuf,
    pub(super) length: u64,
    pub(super) offset: u64,
    pub(super) sha256: [u8; 32],
    pub(super) expires_at: u64,
    pub(super) complete: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct OwnerRow {
    pub(super) items: u64,
    pub(super) bytes: u64,
}

/// A body, in its row or cut into parts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Body {
    Here(ByteBuf),
    Parts { length: u64 },
}

impl Body {
    /// Puts a body that belongs to the row `row` and answers what to keep in that row.
    pub(super) fn put(txn: &mut Txn<'_>, row: &[u8], body: &[u8]) -> Self {
        if body.len() <= PART {
            return Self::Here(ByteBuf::from(body));
        }
        for (number, part) in (0_u32..).zip(body.chunks(PART)) {
            txn.put_raw(&key(Kind::Part, &[row, &number.to_be_bytes()]), part);
        }
        Self::Parts {
            length: body.len() as u64,
        }
    }

    /// Removes the parts that belong to the row `row`.
    pub(super) fn remove(&self, txn: &mut Txn<'_>, row: &[u8]) {
        for number in 0..self.parts() {
            txn.remove(&key(Kind::Part, &[row, &number.to_be_bytes()]));
        }
    }

    /// Reads the whole body.
    pub(super) fn load(self, tree: &::sled::Tree, row: &[u8]) -> Result<Bytes, StoreError> {
        let parts = self.parts();
        match self {
            Self::Here(bytes) => Ok(Bytes::from(bytes.into_vec())),
            Self::Parts { length } => {
                let mut body = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
                for number in 0..parts {
                    let part = tree
                        .get(key(Kind::Part, &[row, &number.to_be_bytes()]))
                        .map_err(engine)?;
                    body.extend_from_slice(&part.ok_or_else(|| damaged("a part is missing"))?);
                }
                Ok(Bytes::from(body))
            }
        }
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Here(bytes) => bytes.len() as u64,
            Self::Parts { length } => *length,
        }
    }

    fn parts(&self) -> u32 {
        match self {
            Self::Here(_) => 0,
            Self::Parts { length } => {
                u32::try_from(length.div_ceil(PART as u64)).unwrap_or(u32::MAX)
            }
        }
    }
}

/// A row's value.
pub(super) fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T, StoreError> {
    postcard::from_bytes(value).map_err(|_| damaged("a row does not decode"))
}

/// A row's value as bytes.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    postcard::to_stdvec(value).map_err(|_| damaged("a row does not encode"))
}

/// sled failed: log it (its errors name files and offsets, never contents).
#[allow(clippy::needless_pass_by_value)]
pub(super) fn engine(error: ::sled::Error) -> StoreError {
    tracing::error!(error = %error, "the engine failed");
    StoreError::Unavailable
}

/// A row is not what was written.
pub(super) fn damaged(what: &'static str) -> StoreError {
    tracing::error!(what, "the store is damaged");
    StoreError::Unavailable
}
