//! A re-key under way: the next root key and its slots, beside those that still count.
//!
//! ```text
//! 8: { 1: store, 2: { 1: salt 32 B, 2: nonce 12 B, 3: ct 48 B }, 3: [ slot pass, slot recovery ] }
//! ```
//! Field 2 is the next root key under a key of the present one, so that an unlock with the present
//! passphrase is enough to go on or to undo. Its aad covers the store's number and both slots.

use rand_core::CryptoRng;
use waxwing_wire::cbor::{self, Fields, Value};
use waxwing_wire::ids::Digest;

use super::root::{NONCE_LEN, RootKey};
use super::slot::{PassphraseSlot, RecoverySlot};
use super::{Header, HeaderError, Keyring, shape};
use crate::kdf::{KdfParams, Passphrase};
use crate::recovery::RecoveryCode;

const NONE: HeaderError = HeaderError::Corrupt("no re-key is under way");

/// What takes the place of store, root key and slots when the re-key is finished.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) store: u32,
    pub(super) salt: [u8; 32],
    /// Nonce, ciphertext, tag.
    pub(super) sealed: Vec<u8>,
    pub(super) passphrase: PassphraseSlot,
    pub(super) recovery: RecoverySlot,
}

impl Next {
    fn wrap<R: CryptoRng + ?Sized>(
        store: u32,
        (passphrase, recovery): (PassphraseSlot, RecoverySlot),
        (root, next): (&RootKey, &RootKey),
        vault_id: &[u8; 16],
        rng: &mut R,
    ) -> Self {
        let mut salt = [0; 32];
        rng.fill_bytes(&mut salt);
        let aad = aad(vault_id, store, &passphrase, &recovery);
        let sealed = root.next_key(&salt).seal(&aad, next.expose(), rng);
        Self {
            store,
            salt,
            sealed,
            passphrase,
            recovery,
        }
    }

    fn unwrap(&self, vault_id: &[u8; 16], root: &RootKey) -> Result<RootKey, HeaderError> {
        let aad = aad(vault_id, self.store, &self.passphrase, &self.recovery);
        let bytes = root
            .next_key(&self.salt)
            .open(&aad, &self.sealed)
            .map_err(|_| HeaderError::Corrupt("next root key does not open"))?;
        RootKey::from_bytes(&bytes).ok_or(HeaderError::Corrupt("next root key has a wrong size"))
    }

    pub(super) fn encode(&self) -> Value {
        let (nonce, ct) = self.sealed.split_at(NONCE_LEN);
        cbor::map([
            (1, Value::from(self.store)),
            (
                2,
                cbor::map([
                    (1, cbor::bytes(self.salt)),
                    (2, cbor::bytes(nonce)),
                    (3, cbor::bytes(ct)),
                ]),
            ),
            (3, shape::slots(&self.passphrase, &self.recovery)),
        ])
    }

    pub(super) fn decode(value: Value, present: u32) -> Result<Self, HeaderError> {
        let mut fields = Fields::open(value, "next")?;
        let store = shape::store(fields.uint(1, "next store")?)?;
        if store <= present {
            return Err(HeaderError::Corrupt("next store"));
        }
        let mut wrapped = Fields::open(fields.need(2, "next root key")?, "next root key")?;
        let salt = shape::fixed(wrapped.bytes(1, "next salt")?, "next salt")?;
        let nonce: [u8; NONCE_LEN] = shape::fixed(wrapped.bytes(2, "next nonce")?, "next nonce")?;
        let ct: [u8; 48] = shape::fixed(wrapped.bytes(3, "next key")?, "next key")?;
        wrapped.finish()?;
        let (passphrase, recovery) = shape::decode_slots(fields.need(3, "next slots")?)?;
        fields.finish()?;
        Ok(Self {
            store,
            salt,
            sealed: [nonce.as_slice(), &ct].concat(),
            passphrase,
            recovery,
        })
    }
}

/// `det-CBOR(["waxwing/vault/next/v1", vault_id, store, H(slots)])`
fn aad(
    vault_id: &[u8; 16],
    store: u32,
    passphrase: &PassphraseSlot,
    recovery: &RecoverySlot,
) -> Vec<u8> {
    let slots = Digest::of(&cbor::encode(&shape::slots(passphrase, recovery)));
    cbor::encode(&Value::Array(vec![
        Value::from("waxwing/vault/next/v1"),
        cbor::bytes(vault_id),
        Value::from(store),
        cbor::bytes(slots),
    ]))
}

impl Header {
    /// Number of the store that a re-key fills; `None` when none is under way.
    pub fn next_store(&self) -> Option<u32> {
        self.next.as_ref().map(|next| next.store)
    }

    /// The next generation, with a re-key under way: a new random root key for the store `store`,
    /// wrapped under `passphrase`, under a fresh recovery code and under the present root key. What
    /// opens the vault stays the same until [`finish_rekey`](Self::finish_rekey). Slow.
    ///
    /// # Errors
    /// [`HeaderError::Kdf`].
    pub fn begin_rekey<R: CryptoRng + ?Sized>(
        &self,
        (root, keyring): (&RootKey, &Keyring),
        store: u32,
        passphrase: &Passphrase,
        params: KdfParams,
        rng: &mut R,
    ) -> Result<(Self, RecoveryCode), HeaderError> {
        let next = RootKey::generate(rng);
        let code = RecoveryCode::generate(rng);
        let slots = (
            PassphraseSlot::wrap(&next, &self.vault_id, passphrase, params, rng)?,
            RecoverySlot::wrap(&next, &self.vault_id, &code, rng),
        );
        let next = Next::wrap(store, slots, (root, &next), &self.vault_id, rng);
        let header = self.next_generation(|header| header.next = Some(next), root, keyring, rng);
        Ok((header, code))
    }

    /// The next root key, by the present one.
    ///
    /// # Errors
    /// [`HeaderError::Corrupt`] when none is under way, or when it was altered.
    pub fn open_next(&self, root: &RootKey) -> Result<RootKey, HeaderError> {
        let next = self.next.as_ref().ok_or(NONE)?;
        next.unwrap(&self.vault_id, root)
    }

    /// Whether this is the passphrase that will open the vault. Slow.
    ///
    /// # Errors
    /// As [`unwrap_with_passphrase`](Self::unwrap_with_passphrase); [`HeaderError::Corrupt`] when no
    /// re-key is under way.
    pub fn check_next_passphrase(&self, passphrase: &Passphrase) -> Result<bool, HeaderError> {
        let next = self.next.as_ref().ok_or(NONE)?;
        match next.passphrase.unwrap(&self.vault_id, passphrase) {
            Ok(_) => Ok(true),
            Err(HeaderError::WrongPassphrase) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether this is the recovery code that will open the vault.
    ///
    /// # Errors
    /// [`HeaderError::Corrupt`], also when no re-key is under way.
    pub fn check_next_recovery(&self, code: &RecoveryCode) -> Result<bool, HeaderError> {
        let next = self.next.as_ref().ok_or(NONE)?;
        match next.recovery.unwrap(&self.vault_id, code) {
            Ok(_) => Ok(true),
            Err(HeaderError::WrongRecoveryCode) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The next generation with another recovery code in the place of the one that was to come.
    ///
    /// # Errors
    /// As [`open_next`](Self::open_next).
    pub fn with_new_next_recovery<R: CryptoRng + ?Sized>(
        &self,
        root: &RootKey,
        keyring: &Keyring,
        rng: &mut R,
    ) -> Result<(Self, RecoveryCode), HeaderError> {
        let next_root = self.open_next(root)?;
        let next = self.next.as_ref().ok_or(NONE)?;
        let code = RecoveryCode::generate(rng);
        let slots = (
            next.passphrase.clone(),
            RecoverySlot::wrap(&next_root, &self.vault_id, &code, rng),
        );
        let next = Next::wrap(next.store, slots, (root, &next_root), &self.vault_id, rng);
        let header = self.next_generation(|header| header.next = Some(next), root, keyring, rng);
        Ok((header, code))
    }

    /// The next generation with the re-key given up: what was to come is in it no more.
    #[must_use]
    pub fn without_rekey<R: CryptoRng + ?Sized>(
        &self,
        root: &RootKey,
        keyring: &Keyring,
        rng: &mut R,
    ) -> Self {
        self.next_generation(|header| header.next = None, root, keyring, rng)
    }

    /// The next generation after the re-key: the next store, root key and slots are the vault's, and
    /// what opened it before is in it no more. `next_root` is what [`open_next`](Self::open_next)
    /// gave.
    ///
    /// # Errors
    /// [`HeaderError::Corrupt`] when none is under way.
    pub fn finish_rekey<R: CryptoRng + ?Sized>(
        &self,
        next_root: &RootKey,
        keyring: &Keyring,
        rng: &mut R,
    ) -> Result<Self, HeaderError> {
        let next = self.next.clone().ok_or(NONE)?;
        let change = |header: &mut Self| {
            header.store = next.store;
            header.passphrase = next.passphrase;
            header.recovery = next.recovery;
            header.next = None;
        };
        Ok(self.next_generation(change, next_root, keyring, rng))
    }
}
