//! What a sealed attachment lies in at rest: sealed once more, under a key of this vault alone.
//!
//! ```text
//! { 1: "waxwing/file/v1", 2: store, 3: att_id, 4: sealing 16 B }
//! ```
//! The key comes from the root key, so that a re-key gives another one. Inside are the bytes that
//! others know, unchanged.
//! Carries out docs/protocol.md section 6, "Files".

use rand_core::CryptoRng;
use waxwing_wire::cbor::{self, Fields, Value};
use waxwing_wire::ids::{AttachmentId, Digest};

use super::root::{Secret, expand};
use super::{HeaderError, RootKey, shape};
use crate::stream::{self, HEADER_LEN, Opener, Plan, Sealer, StreamError};

/// The largest header of a file at rest that is read, in bytes.
pub const MAX_FILE_HEADER_LEN: usize = 128;
const LABEL: &str = "waxwing/file/v1";

/// What a file at rest says of itself. Holds no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHeader {
    /// Number of the store whose files key it is under.
    pub store: u32,
    /// The attachment.
    pub id: AttachmentId,
    /// Random name of what is inside: what is sealed anew under another files key keeps it.
    pub sealing: [u8; 16],
}

impl FileHeader {
    /// Reads it.
    ///
    /// # Errors
    /// [`HeaderError::Corrupt`] for anything that is not exactly such a header;
    /// [`HeaderError::UnknownVersion`].
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let value = cbor::decode(bytes, MAX_FILE_HEADER_LEN)?;
        let mut fields = Fields::open(value, "file")?;
        if fields.text(1, "label")? != LABEL {
            return Err(HeaderError::UnknownVersion);
        }
        let store = u32::try_from(fields.uint(2, "store")?);
        let header = Self {
            store: store.map_err(|_| HeaderError::Corrupt("store"))?,
            id: fields.id(3, "attachment")?,
            sealing: shape::fixed(fields.bytes(4, "sealing")?, "sealing")?,
        };
        fields.finish()?;
        Ok(header)
    }

    /// The bytes to write: Core Deterministic CBOR.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(&cbor::map([
            (1, Value::from(LABEL)),
            (2, Value::from(self.store)),
            (3, cbor::bytes(self.id)),
            (4, cbor::bytes(self.sealing)),
        ]))
    }

    /// `det-CBOR(["waxwing/file/key/v1", H(header)])`
    fn aad(&self) -> Vec<u8> {
        cbor::encode(&Value::Array(vec![
            Value::from("waxwing/file/key/v1"),
            cbor::bytes(Digest::of(&self.encode())),
        ]))
    }
}

/// The key over all files of one store. Never printed; zeroized on drop.
pub struct FilesKey(Secret);

impl RootKey {
    /// `HKDF(RMK, "waxwing/files/v1")`: the key over the files of the store that is under this root
    /// key.
    pub fn files_key(&self) -> FilesKey {
        let mut key = Secret::default();
        expand(
            self.expose(),
            None,
            &[b"waxwing/files/v1"],
            key.as_mut_slice(),
        );
        FilesKey(key)
    }
}

impl FilesKey {
    /// Seals `length` bytes behind `header`.
    ///
    /// # Errors
    /// [`StreamError::TooLong`].
    pub fn sealer<R: CryptoRng + ?Sized>(
        &self,
        header: &FileHeader,
        length: u64,
        rng: &mut R,
    ) -> Result<Sealer, StreamError> {
        let begin = stream::fresh_header(rng);
        let cipher = stream::derive(&self.0, &header.aad(), &begin)?;
        Ok(Sealer::over(cipher, begin, Plan::exact(length)?))
    }

    /// Opens what stands behind `header`: a stream of `sealed_length` bytes that begins with `begin`.
    ///
    /// # Errors
    /// [`StreamError::BadHeader`], [`StreamError::WrongLength`].
    pub fn opener(
        &self,
        header: &FileHeader,
        begin: &[u8; HEADER_LEN],
        sealed_length: u64,
    ) -> Result<Opener, StreamError> {
        let cipher = stream::derive(&self.0, &header.aad(), begin)?;
        Ok(Opener::over(cipher, Plan::of_sealed(sealed_length)?))
    }
}

impl core::fmt::Debug for FilesKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("FilesKey")
    }
}

#[cfg(test)]
mod tests;
