//! Attachments: a file as a sequence of sealed segments, so that it can be sealed, sent, resumed and
//! opened piece by piece in constant memory.
//!
//! The format is Tink's AES-GCM-HKDF streaming, 1 MiB segments:
//! `header = 0x28 || salt 32 B || prefix 7 B`, `key = HKDF-SHA256(ikm = attachment key, salt,
//! info = aad, 32)`, nonce of segment i = `prefix || be32(i) || last ? 1 : 0`. The header counts into
//! the first segment, so that every segment starts at a multiple of 1 MiB of ciphertext.
//! Carries out docs/protocol.md section 5.
//!
//! Invariants:
//! * a nonce is used once: a [`Ticket`] to seal a segment is given out once and consumed;
//! * truncating, reordering or splicing segments makes them not open;
//! * a buffer that did not verify is wiped before the caller sees it;
//! * the plaintext is padded with zeros to its Padmé length, so that the ciphertext's length, known
//!   before sealing, tells only the size class.

use core::fmt;
use core::ops::Range;
use std::sync::Arc;

use aead_stream::{NewStream as _, StreamBE32, StreamPrimitive as _};
use aes_gcm::Aes256Gcm;
use aes_gcm::aead::KeyInit as _;
use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha256;
use waxwing_wire::cbor::{self, Value};
use waxwing_wire::ids::AttachmentId;
use zeroize::{Zeroize as _, Zeroizing};

use crate::padding::{MIN_PADDED, padme};

/// Bytes of ciphertext per segment, header and tag included; the unit of a resumable upload.
pub const SEGMENT_LEN: usize = 1 << 20;
/// Bytes of the header.
pub const HEADER_LEN: usize = 40;
/// Bytes of the tag at the end of each segment.
pub const TAG_LEN: usize = 16;

const HEADER_LEN_BYTE: u8 = 40;
const SALT: Range<usize> = 1..33;
const PREFIX: Range<usize> = 33..40;

pub(crate) type Cipher = StreamBE32<Aes256Gcm>;

/// Why a segment or file is not opened. Safe to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// Longer than the format can carry.
    #[error("the file is too long")]
    TooLong,
    /// The ciphertext's length is not the one that the true length gives.
    #[error("the sealed file has a wrong length")]
    WrongLength,
    /// Not a header of this format.
    #[error("the sealed file has no valid header")]
    BadHeader,
    /// No such segment.
    #[error("there is no such segment")]
    NoSuchSegment,
    /// Altered, moved, cut off, or another file's or key's.
    #[error("the segment does not open")]
    DoesNotOpen,
}

/// The key of one attachment; fresh for each. Never printed; zeroized on drop.
pub struct AttachmentKey(Zeroizing<[u8; 32]>);

impl AttachmentKey {
    /// A fresh key.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self(bytes)
    }

    /// From the descriptor in a message.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// For the descriptor in a message.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for AttachmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttachmentKey")
    }
}

/// Where everything stands in a sealed file of a given true length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    length: u64,
    padded: u64,
    segments: u32,
}

impl Plan {
    /// The plan for a file of `length` bytes.
    ///
    /// # Errors
    /// [`StreamError::TooLong`] above 2^32 - 1 segments.
    pub fn new(length: u64) -> Result<Self, StreamError> {
        let shown = usize::try_from(length).map_err(|_| StreamError::TooLong)?;
        Self::padded(length, padme(shown.max(MIN_PADDED)) as u64)
    }

    /// The plan for `length` bytes that are not padded.
    ///
    /// # Errors
    /// [`StreamError::TooLong`] above 2^32 - 1 segments.
    pub fn exact(length: u64) -> Result<Self, StreamError> {
        Self::padded(length, length)
    }

    /// The plan of a stream without padding, by the length of its ciphertext.
    ///
    /// # Errors
    /// [`StreamError::WrongLength`] when no such stream has that length; [`StreamError::TooLong`].
    pub fn of_sealed(sealed_length: u64) -> Result<Self, StreamError> {
        let segments = sealed_length.div_ceil(SEGMENT_LEN as u64);
        let around = segments * TAG_LEN as u64 + HEADER_LEN as u64;
        let length = sealed_length.checked_sub(around);
        let plan = Self::exact(length.ok_or(StreamError::WrongLength)?)?;
        if plan.sealed_length() == sealed_length {
            Ok(plan)
        } else {
            Err(StreamError::WrongLength)
        }
    }

    fn padded(length: u64, padded: u64) -> Result<Self, StreamError> {
        let rest = padded.saturating_sub(first_capacity());
        let segments = rest.div_ceil(capacity()).saturating_add(1);
        Ok(Self {
            length,
            padded,
            segments: u32::try_from(segments).map_err(|_| StreamError::TooLong)?,
        })
    }

    /// True length of the file in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Length after padding, in bytes.
    pub fn padded_length(&self) -> u64 {
        self.padded
    }

    /// Length of the ciphertext with header and tags, in bytes.
    pub fn sealed_length(&self) -> u64 {
        self.padded + u64::from(self.segments) * TAG_LEN as u64 + HEADER_LEN as u64
    }

    /// Number of segments; at least 1.
    pub fn segments(&self) -> u32 {
        self.segments
    }

    /// Where segment `index` lies in the ciphertext; the first one without the header.
    pub fn sealed_range(&self, index: u32) -> Range<u64> {
        let start = u64::from(index) * SEGMENT_LEN as u64;
        let end = (start + SEGMENT_LEN as u64).min(self.sealed_length());
        if index == 0 {
            HEADER_LEN as u64..end
        } else {
            start..end
        }
    }

    /// Where segment `index` lies in the padded plaintext.
    pub fn plain_range(&self, index: u32) -> Range<u64> {
        let start = match index {
            0 => 0,
            _ => first_capacity() + u64::from(index - 1) * capacity(),
        };
        let end = first_capacity() + u64::from(index) * capacity();
        start..end.min(self.padded)
    }

    /// The segment in which the byte at `offset` of the padded plaintext lies.
    pub fn segment_of(&self, offset: u64) -> u32 {
        let behind = offset.checked_sub(first_capacity());
        let index = behind.map_or(0, |behind| 1 + behind / capacity());
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// Bytes of the file (not of the padding) in segment `index`.
    pub fn true_bytes(&self, index: u32) -> usize {
        let range = self.plain_range(index);
        // A segment is at most 1 MiB.
        usize::try_from(range.end.min(self.length).saturating_sub(range.start)).unwrap_or(0)
    }

    fn is_last(&self, index: u32) -> bool {
        index + 1 == self.segments
    }
}

/// Seals one file: hands out one ticket per segment, in order.
pub struct Sealer {
    cipher: Arc<Cipher>,
    header: [u8; HEADER_LEN],
    plan: Plan,
    next: u32,
}

impl Sealer {
    /// Starts a sealed file of `length` true bytes.
    ///
    /// # Errors
    /// [`StreamError::TooLong`].
    pub fn new<R: CryptoRng + ?Sized>(
        key: &AttachmentKey,
        id: &AttachmentId,
        length: u64,
        rng: &mut R,
    ) -> Result<Self, StreamError> {
        let header = fresh_header(rng);
        let cipher = cipher(key, id, &header)?;
        Ok(Self::over(cipher, header, Plan::new(length)?))
    }

    pub(crate) fn over(cipher: Cipher, header: [u8; HEADER_LEN], plan: Plan) -> Self {
        Self {
            cipher: Arc::new(cipher),
            header,
            plan,
            next: 0,
        }
    }

    /// The 40 bytes that go before the first segment.
    pub fn header(&self) -> &[u8; HEADER_LEN] {
        &self.header
    }

    /// Where everything will stand.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The ticket for the next segment, `None` after the last. Tickets may be used on other threads.
    pub fn next_ticket(&mut self) -> Option<Ticket> {
        let index = self.next;
        if index >= self.plan.segments {
            return None;
        }
        self.next += 1;
        Some(Ticket {
            cipher: Arc::clone(&self.cipher),
            plan: self.plan,
            index,
        })
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// The right to seal one segment once.
pub struct Ticket {
    cipher: Arc<Cipher>,
    plan: Plan,
    index: u32,
}

impl Ticket {
    /// Which segment.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// How many bytes of the file belong into it.
    pub fn true_bytes(&self) -> usize {
        self.plan.true_bytes(self.index)
    }

    /// Seals in place: `buffer` holds exactly [`true_bytes`](Self::true_bytes) bytes of the file and
    /// becomes the segment's ciphertext, padding included.
    ///
    /// # Errors
    /// [`StreamError::WrongLength`] when the buffer holds another number of bytes: the file changed
    /// while it was read.
    pub fn seal(self, buffer: &mut Vec<u8>) -> Result<(), StreamError> {
        if buffer.len() != self.true_bytes() {
            return Err(StreamError::WrongLength);
        }
        let range = self.plan.plain_range(self.index);
        let padded = usize::try_from(range.end - range.start).map_err(|_| StreamError::TooLong)?;
        buffer.reserve_exact(padded + TAG_LEN - buffer.len());
        buffer.resize(padded, 0);
        self.cipher
            .encrypt_in_place(self.index, self.plan.is_last(self.index), b"", buffer)
            .map_err(|_| StreamError::TooLong)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

/// Opens one file, any segment at any time, from any thread.
pub struct Opener {
    cipher: Cipher,
    plan: Plan,
}

impl Opener {
    /// Opens a sealed file by its header, its true length and its ciphertext length, both from the
    /// signed descriptor.
    ///
    /// # Errors
    /// [`StreamError::BadHeader`], [`StreamError::WrongLength`], [`StreamError::TooLong`].
    pub fn new(
        key: &AttachmentKey,
        id: &AttachmentId,
        header: &[u8; HEADER_LEN],
        length: u64,
        sealed_length: u64,
    ) -> Result<Self, StreamError> {
        let plan = Plan::new(length)?;
        if plan.sealed_length() != sealed_length {
            return Err(StreamError::WrongLength);
        }
        Ok(Self::over(cipher(key, id, header)?, plan))
    }

    pub(crate) fn over(cipher: Cipher, plan: Plan) -> Self {
        Self { cipher, plan }
    }

    /// Where everything stands.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Opens segment `index` in place: `buffer` holds the ciphertext of
    /// [`Plan::sealed_range`] and becomes the bytes of the file that it carries, without padding.
    /// When it does not verify, the buffer is wiped and empty.
    ///
    /// # Errors
    /// [`StreamError::NoSuchSegment`], [`StreamError::DoesNotOpen`].
    pub fn open_segment(&self, index: u32, buffer: &mut Vec<u8>) -> Result<(), StreamError> {
        let opened = if index >= self.plan.segments {
            Err(StreamError::NoSuchSegment)
        } else {
            self.cipher
                .decrypt_in_place(index, self.plan.is_last(index), b"", buffer)
                .map_err(|_| StreamError::DoesNotOpen)
        };
        if opened.is_err() {
            buffer.zeroize();
            return opened;
        }
        let range = self.plan.plain_range(index);
        if buffer.len() as u64 != range.end - range.start {
            buffer.zeroize();
            return Err(StreamError::DoesNotOpen);
        }
        buffer.truncate(self.plan.true_bytes(index));
        Ok(())
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener")
    }
}

/// The cipher of one attachment.
fn cipher(
    key: &AttachmentKey,
    id: &AttachmentId,
    header: &[u8; HEADER_LEN],
) -> Result<Cipher, StreamError> {
    let aad = cbor::encode(&Value::Array(vec![
        Value::from("waxwing/att/v1"),
        cbor::bytes(id),
    ]));
    derive(key.expose(), &aad, header)
}

/// Tink's key derivation: HKDF-SHA256(ikm, salt, info = aad, 32).
pub(crate) fn derive(
    ikm: &[u8; 32],
    aad: &[u8],
    header: &[u8; HEADER_LEN],
) -> Result<Cipher, StreamError> {
    if header[0] != HEADER_LEN_BYTE {
        return Err(StreamError::BadHeader);
    }
    let mut derived = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(&header[SALT]), ikm)
        .expand(aad, derived.as_mut_slice())
        .map_err(|_| StreamError::BadHeader)?;
    let mut prefix = [0; 7];
    prefix.copy_from_slice(&header[PREFIX]);
    Ok(StreamBE32::from_aead(
        Aes256Gcm::new((&*derived).into()),
        &prefix.into(),
    ))
}

/// A fresh header: salt and prefix at random.
pub(crate) fn fresh_header<R: CryptoRng + ?Sized>(rng: &mut R) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    rng.fill_bytes(&mut header);
    header[0] = HEADER_LEN_BYTE;
    header
}

/// Plaintext bytes of every segment but the first.
pub(crate) const fn capacity() -> u64 {
    (SEGMENT_LEN - TAG_LEN) as u64
}

/// Plaintext bytes of the first segment, which shares its 1 MiB with the header.
pub(crate) const fn first_capacity() -> u64 {
    (SEGMENT_LEN - TAG_LEN - HEADER_LEN) as u64
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
