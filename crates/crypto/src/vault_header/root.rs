//! The root key and everything derived from it: record keys, index keys, the keyring's key.
//!
//! The root key itself encrypts nothing; it is only ever the input of HKDF-SHA256 (RFC 5869) under a
//! label of its own per use.

use core::fmt;

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use hkdf::hmac::{Hmac, Mac as _};
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::Zeroizing;

pub(super) const NONCE_LEN: usize = 12;

/// Sealed bytes that do not open under this key, aad and position: altered, moved, or of another
/// vault. Safe to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed bytes do not open")]
pub struct OpenError;

/// `RMK`, the root of everything in a vault. Never printed, copied or serialised; zeroized on drop.
pub struct RootKey(Secret);

/// 32 secret bytes; boxed, since what is moved leaves a copy where it was.
pub(super) type Secret = Box<Zeroizing<[u8; 32]>>;

#[allow(clippy::unnecessary_box_returns, reason = "the box is the point")]
pub(super) fn copied(bytes: &[u8; 32]) -> Secret {
    let mut secret = Secret::default();
    secret.copy_from_slice(bytes);
    secret
}

#[allow(clippy::unnecessary_box_returns, reason = "the box is the point")]
pub(super) fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Secret {
    let mut secret = Secret::default();
    rng.fill_bytes(secret.as_mut_slice());
    secret
}

impl RootKey {
    pub(super) fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        Self(random(rng))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(copied(bytes)))
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Derives the key that seals the records of one tree:
    /// `HKDF(RMK, "waxwing/rec/v1" || tree || be32(epoch))`.
    pub fn record_key(&self, tree: &str, epoch: u32) -> RecordKey {
        RecordKey::derive(
            self.0.as_slice(),
            None,
            &[b"waxwing/rec/v1", tree.as_bytes(), &epoch.to_be_bytes()],
        )
    }

    /// Derives the key that hides the row keys of one tree: `HKDF(RMK, "waxwing/idx/v1" || tree)`.
    pub fn index_key(&self, tree: &str) -> IndexKey {
        IndexKey(derive(
            self.0.as_slice(),
            None,
            &[b"waxwing/idx/v1", tree.as_bytes()],
        ))
    }

    /// `HKDF(salt = fresh per write, RMK, "waxwing/vault/keyring/v1")`.
    pub(super) fn keyring_key(&self, salt: &[u8; 32]) -> RecordKey {
        RecordKey::derive(
            self.0.as_slice(),
            Some(salt),
            &[b"waxwing/vault/keyring/v1"],
        )
    }

    /// `HKDF(salt = fresh per write, RMK, "waxwing/vault/next/v1")`: wraps the next root key.
    pub(super) fn next_key(&self, salt: &[u8; 32]) -> RecordKey {
        RecordKey::derive(self.0.as_slice(), Some(salt), &[b"waxwing/vault/next/v1"])
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey")
    }
}

/// A key that seals records: AES-256-GCM with a random 96-bit nonce, fewer than 2^32 seals.
pub struct RecordKey(Aes256Gcm);

impl RecordKey {
    pub(super) fn derive(ikm: &[u8], salt: Option<&[u8]>, info: &[&[u8]]) -> Self {
        Self::new(&derive(ikm, salt, info))
    }

    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(Aes256Gcm::new(key.into()))
    }

    /// Seals: nonce 12 B, ciphertext, tag 16 B. `aad` says which record it is.
    pub fn seal<R: CryptoRng + ?Sized>(&self, aad: &[u8], plain: &[u8], rng: &mut R) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        let payload = Payload { msg: plain, aad };
        // AES-GCM only refuses plaintexts of 64 GiB; such bytes were never in memory.
        let sealed = self
            .0
            .encrypt(&Nonce::from(nonce), payload)
            .unwrap_or_default();
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what [`seal`](Self::seal) made with the same `aad`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (nonce, msg) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(OpenError)?;
        self.0
            .decrypt(&Nonce::from(*nonce), Payload { msg, aad })
            .map(Zeroizing::new)
            .map_err(|_| OpenError)
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordKey")
    }
}

/// A key that turns names (account ids, message ids) into row keys that show nothing.
pub struct IndexKey(Zeroizing<[u8; 32]>);

impl IndexKey {
    /// HMAC-SHA256 of `name` (RFC 2104): the same name always gives the same row key, and without
    /// the key a row key says nothing.
    pub fn derive(&self, name: &[u8]) -> [u8; 32] {
        // HMAC takes keys of any length.
        let Ok(mut mac) = <Hmac<Sha256> as hkdf::hmac::KeyInit>::new_from_slice(self.0.as_slice())
        else {
            return [0; 32];
        };
        mac.update(name);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for IndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IndexKey")
    }
}

/// 32 bytes of HKDF-SHA256.
fn derive(ikm: &[u8], salt: Option<&[u8]>, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    expand(ikm, salt, info, out.as_mut_slice());
    out
}

/// HKDF-SHA256 (RFC 5869) into `out`, at most 8160 bytes.
pub(super) fn expand(ikm: &[u8], salt: Option<&[u8]>, info: &[&[u8]], out: &mut [u8]) {
    debug_assert!(out.len() <= 255 * 32);
    // Fails only above 255 blocks, which no caller asks for.
    let _ = Hkdf::<Sha256>::new(salt, ikm).expand_multi_info(info, out);
}
