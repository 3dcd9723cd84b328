//! What stands in a backup behind its header: a stream of records, sealed segment by segment.
//!
//! The stream is that of attachments (Tink's AES-GCM-HKDF streaming, 1 MiB segments) with two
//! differences: the key comes from the vault's root key, bound to the backup's header, and neither
//! the length is known before nor is there padding.
//! Carries out docs/protocol.md section 7; the header is
//! [`BackupHeader`](crate::vault_header::BackupHeader).
//!
//! Invariants:
//! * a nonce is used once: a [`Sealer`] counts, and seals nothing after the last segment;
//! * cutting, reordering or splicing segments, and another header, make them not open;
//! * a buffer that did not verify is wiped before the caller sees it.

mod record;

use core::fmt;
use std::sync::Arc;

use aead_stream::StreamPrimitive as _;
use rand_core::CryptoRng;
use waxwing_wire::cbor::{self, Value};
use waxwing_wire::ids::Digest;
use zeroize::Zeroize as _;

pub use record::{MAX_RECORD_LEN, Record};

use crate::stream::{
    Cipher, HEADER_LEN, StreamError, TAG_LEN, capacity, derive, first_capacity, fresh_header,
};

/// Plaintext bytes of a segment that is not the last.
fn segment_capacity(index: u32) -> usize {
    let bytes = if index == 0 {
        first_capacity()
    } else {
        capacity()
    };
    // At most 1 MiB.
    usize::try_from(bytes).unwrap_or(0)
}

/// Seals the segments of one backup in order.
pub struct Sealer {
    cipher: Arc<Cipher>,
    header: [u8; HEADER_LEN],
    next: Option<u32>,
}

impl Sealer {
    pub(crate) fn new<R: CryptoRng + ?Sized>(
        root: &[u8; 32],
        aad: &[u8],
        rng: &mut R,
    ) -> Result<Self, StreamError> {
        let header = fresh_header(rng);
        Ok(Self {
            cipher: Arc::new(derive(root, aad, &header)?),
            header,
            next: Some(0),
        })
    }

    /// What goes before the first segment.
    pub fn header(&self) -> &[u8; HEADER_LEN] {
        &self.header
    }

    /// How many bytes the next segment takes; none after the last one.
    pub fn capacity(&self) -> Option<usize> {
        self.next.map(segment_capacity)
    }

    /// Seals the next segment in place. Every segment but the last is full.
    ///
    /// # Errors
    /// [`StreamError::NoSuchSegment`] after the last one, [`StreamError::WrongLength`] when it is
    /// not full or too full, [`StreamError::TooLong`].
    pub fn seal(&mut self, buffer: &mut Vec<u8>, is_last: bool) -> Result<(), StreamError> {
        let index = self.next.ok_or(StreamError::NoSuchSegment)?;
        let capacity = segment_capacity(index);
        let fits = if is_last {
            buffer.len() <= capacity
        } else {
            buffer.len() == capacity
        };
        if !fits {
            return Err(StreamError::WrongLength);
        }
        let next = index.checked_add(1).ok_or(StreamError::TooLong)?;
        self.next = (!is_last).then_some(next);
        buffer.reserve_exact(TAG_LEN);
        self.cipher
            .encrypt_in_place(index, is_last, b"", buffer)
            .map_err(|_| StreamError::TooLong)
    }

    /// Opens what this sealed, to check it as it lies on the disk.
    pub fn opener(&self) -> Opener {
        Opener {
            cipher: Arc::clone(&self.cipher),
            next: Some(0),
        }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// Opens the segments of one backup in order.
pub struct Opener {
    cipher: Arc<Cipher>,
    next: Option<u32>,
}

impl Opener {
    pub(crate) fn new(
        root: &[u8; 32],
        aad: &[u8],
        header: &[u8; HEADER_LEN],
    ) -> Result<Self, StreamError> {
        Ok(Self {
            cipher: Arc::new(derive(root, aad, header)?),
            next: Some(0),
        })
    }

    /// How many bytes of ciphertext the next segment has, unless it is the last; none after that.
    pub fn segment_len(&self) -> Option<usize> {
        self.next.map(|index| segment_capacity(index) + TAG_LEN)
    }

    /// Opens the next segment in place. When it does not verify, the buffer is wiped and empty.
    ///
    /// # Errors
    /// [`StreamError::NoSuchSegment`], [`StreamError::DoesNotOpen`].
    pub fn open(&mut self, buffer: &mut Vec<u8>, is_last: bool) -> Result<(), StreamError> {
        let opened = match self.next {
            None => Err(StreamError::NoSuchSegment),
            Some(index) => self
                .cipher
                .decrypt_in_place(index, is_last, b"", buffer)
                .map_err(|_| StreamError::DoesNotOpen),
        };
        if opened.is_err() {
            buffer.zeroize();
            return opened;
        }
        self.next = match (is_last, self.next) {
            (false, Some(index)) => Some(index.checked_add(1).ok_or(StreamError::TooLong)?),
            _ => None,
        };
        Ok(())
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// `det-CBOR(["waxwing/backup/key/v1", H(header)])`
pub(crate) fn aad(header: &Digest) -> Vec<u8> {
    cbor::encode(&Value::Array(vec![
        Value::from("waxwing/backup/key/v1"),
        cbor::bytes(header),
    ]))
}

#[cfg(test)]
mod tests;
