//! The two slots that wrap the root key.
//!
//! Each derives `KEK || commit` and stores the commitment: AES-GCM alone does not commit to its key,
//! and without the commitment a crafted slot could be opened by many passphrases at once
//! (partitioning oracle).

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::root::{NONCE_LEN, RootKey, expand};
use super::{HeaderError, shape};
use crate::kdf::{KdfParams, Passphrase, SALT_LEN, stretch};
use crate::recovery::RecoveryCode;

/// The root key under a key, with the commitment to that key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Wrapped {
    pub(super) commit: [u8; 32],
    pub(super) nonce: [u8; NONCE_LEN],
    pub(super) ct: [u8; 48],
}

/// `{ kind 1, argon2id, commit, nonce, ct }`
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PassphraseSlot {
    pub(super) params: KdfParams,
    pub(super) salt: [u8; SALT_LEN],
    pub(super) wrapped: Wrapped,
}

/// `{ kind 2, hkdf, commit, nonce, ct }`
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RecoverySlot {
    pub(super) salt: [u8; SALT_LEN],
    pub(super) wrapped: Wrapped,
}

impl PassphraseSlot {
    pub(super) fn wrap<R: CryptoRng + ?Sized>(
        root: &RootKey,
        vault_id: &[u8; 16],
        passphrase: &Passphrase,
        params: KdfParams,
        rng: &mut R,
    ) -> Result<Self, HeaderError> {
        let mut salt = [0; SALT_LEN];
        rng.fill_bytes(&mut salt);
        let keys = Keys::from_passphrase(passphrase, params, &salt, vault_id)?;
        let aad = shape::passphrase_slot_aad(vault_id, params, &salt);
        let wrapped = keys.wrap(root, &aad, rng);
        Ok(Self {
            params,
            salt,
            wrapped,
        })
    }

    pub(super) fn unwrap(
        &self,
        vault_id: &[u8; 16],
        passphrase: &Passphrase,
    ) -> Result<RootKey, HeaderError> {
        let keys = Keys::from_passphrase(passphrase, self.params, &self.salt, vault_id)?;
        let aad = shape::passphrase_slot_aad(vault_id, self.params, &self.salt);
        keys.unwrap(&self.wrapped, &aad, HeaderError::WrongPassphrase)
    }
}

impl RecoverySlot {
    pub(super) fn wrap<R: CryptoRng + ?Sized>(
        root: &RootKey,
        vault_id: &[u8; 16],
        code: &RecoveryCode,
        rng: &mut R,
    ) -> Self {
        let mut salt = [0; SALT_LEN];
        rng.fill_bytes(&mut salt);
        let aad = shape::recovery_slot_aad(vault_id, &salt);
        let wrapped = Keys::from_recovery(code, &salt, vault_id).wrap(root, &aad, rng);
        Self { salt, wrapped }
    }

    pub(super) fn unwrap(
        &self,
        vault_id: &[u8; 16],
        code: &RecoveryCode,
    ) -> Result<RootKey, HeaderError> {
        let aad = shape::recovery_slot_aad(vault_id, &self.salt);
        Keys::from_recovery(code, &self.salt, vault_id).unwrap(
            &self.wrapped,
            &aad,
            HeaderError::WrongRecoveryCode,
        )
    }
}

/// `KEK || commit`
struct Keys(Zeroizing<[u8; 64]>);

impl Keys {
    /// `HKDF-SHA256(salt = vault_id, ikm = argon2id(passphrase), "waxwing/vault/kek/v1", 64)`
    fn from_passphrase(
        passphrase: &Passphrase,
        params: KdfParams,
        salt: &[u8; SALT_LEN],
        vault_id: &[u8; 16],
    ) -> Result<Self, HeaderError> {
        let prk = stretch(passphrase, salt, params)?;
        let mut out = Zeroizing::new([0; 64]);
        let info: &[&[u8]] = &[b"waxwing/vault/kek/v1"];
        expand(prk.0.as_slice(), Some(vault_id), info, out.as_mut_slice());
        Ok(Self(out))
    }

    /// `HKDF-SHA256(salt, ikm = recovery code, "waxwing/vault/recovery/v1" || vault_id, 64)`
    fn from_recovery(code: &RecoveryCode, salt: &[u8; SALT_LEN], vault_id: &[u8; 16]) -> Self {
        let mut out = Zeroizing::new([0; 64]);
        let info: &[&[u8]] = &[b"waxwing/vault/recovery/v1", vault_id];
        expand(code.expose(), Some(salt), info, out.as_mut_slice());
        Self(out)
    }

    fn kek(&self) -> Aes256Gcm {
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&self.0[..32]);
        Aes256Gcm::new((&*key).into())
    }

    fn commit(&self) -> &[u8] {
        &self.0[32..]
    }

    fn wrap<R: CryptoRng + ?Sized>(&self, root: &RootKey, aad: &[u8], rng: &mut R) -> Wrapped {
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        let msg = root.expose().as_slice();
        let sealed = self
            .kek()
            .encrypt(&Nonce::from(nonce), Payload { msg, aad })
            .unwrap_or_default();
        let mut wrapped = Wrapped {
            commit: [0; 32],
            nonce,
            ct: [0; 48],
        };
        wrapped.commit.copy_from_slice(self.commit());
        wrapped.ct.copy_from_slice(&sealed);
        wrapped
    }

    fn unwrap(
        &self,
        wrapped: &Wrapped,
        aad: &[u8],
        wrong: HeaderError,
    ) -> Result<RootKey, HeaderError> {
        if !bool::from(self.commit().ct_eq(&wrapped.commit)) {
            return Err(wrong);
        }
        let payload = Payload {
            msg: &wrapped.ct,
            aad,
        };
        let bytes = self
            .kek()
            .decrypt(&Nonce::from(wrapped.nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| HeaderError::Corrupt("wrapped key was altered"))?;
        RootKey::from_bytes(&bytes).ok_or(HeaderError::Corrupt("wrapped key has a wrong size"))
    }
}
