//! The vault header `vault.cbor`: the small file that turns a passphrase into the root key.
//!
//! It stands outside the store because a passphrase change must replace the old slot atomically and
//! because the store keeps deleted bytes. Slots wrap the random root key, once under the passphrase
//! and once under the recovery code; the keyring holds the secret keys of this device, sealed under
//! a key that is new at every write.
//! Carries out docs/protocol.md section 6.
//!
//! Invariants:
//! * every write has a new generation, a new keyring salt and thereby a new AEAD key;
//! * the keyring's aad covers vault id, generation, all slots, the store's number and a re-key that
//!   is under way: none can be swapped under it;
//! * a slot commits to its key, compared in constant time before anything is opened;
//! * nothing is allocated or stretched before its size was checked;
//! * a damaged file is told from a wrong passphrase: the header ends in a SHA-256 of itself. That
//!   digest is against accidents; against attackers there is the AEAD.

mod backup;
mod file;
mod keyring;
mod next;
mod root;
mod shape;
mod slot;

use rand_core::CryptoRng;

pub use backup::{BackupHeader, MAX_BACKUP_HEADER_LEN};
pub use file::{FileHeader, FilesKey, MAX_FILE_HEADER_LEN};
pub use keyring::{AccountSeed, DeviceSeed, EpochId, EpochKey, Keyring, NextKeys, TransportSeed};
use next::Next;
pub use root::{IndexKey, OpenError, RecordKey, RootKey};
use shape::SealedKeyring;
use slot::{PassphraseSlot, RecoverySlot};

use crate::kdf::{KdfError, KdfParams, Passphrase};
use crate::recovery::RecoveryCode;

/// The largest header that is read, in bytes.
pub const MAX_HEADER_LEN: usize = 1 << 20;

/// Why a header does not do what was asked. Safe to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The file is not a header, is damaged, or was altered.
    #[error("the vault header is damaged: {0}")]
    Corrupt(&'static str),
    /// Written by a newer Waxwing.
    #[error("the vault header has an unknown version")]
    UnknownVersion,
    /// The passphrase is not this vault's.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// A well-formed recovery code, but of another vault or replaced since.
    #[error("this recovery code belongs to another vault or was replaced")]
    WrongRecoveryCode,
    /// Stretching failed; not a wrong passphrase.
    #[error(transparent)]
    Kdf(#[from] KdfError),
}

/// A decoded header, still wrapped. Holds no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    vault_id: [u8; 16],
    generation: u64,
    passphrase: PassphraseSlot,
    recovery: RecoverySlot,
    keyring: SealedKeyring,
    store: u32,
    next: Option<Next>,
}

impl Header {
    /// Makes a new vault: a random root key, wrapped under `passphrase` and under a fresh recovery
    /// code, with `keyring` sealed under it. Generation 1.
    ///
    /// # Errors
    /// [`HeaderError::Kdf`].
    pub fn create<R: CryptoRng + ?Sized>(
        passphrase: &Passphrase,
        params: KdfParams,
        keyring: &Keyring,
        rng: &mut R,
    ) -> Result<(Self, RootKey, RecoveryCode), HeaderError> {
        let mut vault_id = [0; 16];
        rng.fill_bytes(&mut vault_id);
        let code = RecoveryCode::generate(rng);
        let ways = (passphrase, params, &code);
        let (header, root) = Self::make(vault_id, 1, ways, keyring, rng)?;
        Ok((header, root, code))
    }

    /// A vault with a fresh root key under these ways in.
    fn make<R: CryptoRng + ?Sized>(
        vault_id: [u8; 16],
        generation: u64,
        (passphrase, params, code): (&Passphrase, KdfParams, &RecoveryCode),
        keyring: &Keyring,
        rng: &mut R,
    ) -> Result<(Self, RootKey), HeaderError> {
        let root = RootKey::generate(rng);
        let mut header = Self {
            vault_id,
            generation,
            passphrase: PassphraseSlot::wrap(&root, &vault_id, passphrase, params, rng)?,
            recovery: RecoverySlot::wrap(&root, &vault_id, code, rng),
            keyring: SealedKeyring::default(),
            store: 0,
            next: None,
        };
        header.seal_keyring(&root, keyring, rng);
        Ok((header, root))
    }

    /// Reads a header file.
    ///
    /// # Errors
    /// [`HeaderError::Corrupt`] for anything that is not exactly a header, including parameters
    /// outside the bounds; [`HeaderError::UnknownVersion`].
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        shape::decode(bytes)
    }

    /// The bytes to write: Core Deterministic CBOR.
    pub fn encode(&self) -> Vec<u8> {
        shape::encode(self)
    }

    /// Random name of this vault, for ever.
    pub fn vault_id(&self) -> &[u8; 16] {
        &self.vault_id
    }

    /// Grows by one at every write. Backups name it.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Number of the store that is the vault's: 0 until the first re-key.
    pub fn store(&self) -> u32 {
        self.store
    }

    /// How the passphrase is stretched.
    pub fn params(&self) -> KdfParams {
        self.passphrase.params
    }

    /// Unwraps the root key with the passphrase. Slow.
    ///
    /// # Errors
    /// [`HeaderError::WrongPassphrase`], [`HeaderError::Kdf`] (not enough memory),
    /// [`HeaderError::Corrupt`] when the commitment holds but the wrapped key was altered.
    pub fn unwrap_with_passphrase(&self, passphrase: &Passphrase) -> Result<RootKey, HeaderError> {
        self.passphrase.unwrap(&self.vault_id, passphrase)
    }

    /// Unwraps the root key with the recovery code.
    ///
    /// # Errors
    /// [`HeaderError::WrongRecoveryCode`], [`HeaderError::Corrupt`].
    pub fn unwrap_with_recovery(&self, code: &RecoveryCode) -> Result<RootKey, HeaderError> {
        self.recovery.unwrap(&self.vault_id, code)
    }

    /// Opens the keyring.
    ///
    /// # Errors
    /// [`HeaderError::Corrupt`] when slots, generation or keyring were altered.
    pub fn open_keyring(&self, root: &RootKey) -> Result<Keyring, HeaderError> {
        let aad = shape::keyring_aad(self);
        let bytes = root
            .keyring_key(&self.keyring.salt)
            .open(&aad, &self.keyring.sealed)
            .map_err(|_| HeaderError::Corrupt("keyring does not open"))?;
        Keyring::decode(&bytes)
    }

    /// The next generation with another keyring.
    #[must_use]
    pub fn with_keyring<R: CryptoRng + ?Sized>(
        &self,
        root: &RootKey,
        keyring: &Keyring,
        rng: &mut R,
    ) -> Self {
        self.next_generation(|_| {}, root, keyring, rng)
    }

    /// The next generation with another passphrase: new salt, the root key wrapped anew, the keyring
    /// sealed anew; no record changes. Slow.
    ///
    /// # Errors
    /// [`HeaderError::Kdf`].
    pub fn with_passphrase<R: CryptoRng + ?Sized>(
        &self,
        root: &RootKey,
        keyring: &Keyring,
        passphrase: &Passphrase,
        params: KdfParams,
        rng: &mut R,
    ) -> Result<Self, HeaderError> {
        let slot = PassphraseSlot::wrap(root, &self.vault_id, passphrase, params, rng)?;
        Ok(self.next_generation(|header| header.passphrase = slot, root, keyring, rng))
    }

    /// The next generation with another recovery code; the old one no longer opens it.
    pub fn with_new_recovery<R: CryptoRng + ?Sized>(
        &self,
        root: &RootKey,
        keyring: &Keyring,
        rng: &mut R,
    ) -> (Self, RecoveryCode) {
        let code = RecoveryCode::generate(rng);
        let recovery = RecoverySlot::wrap(root, &self.vault_id, &code, rng);
        let header = self.next_generation(|header| header.recovery = recovery, root, keyring, rng);
        (header, code)
    }

    /// A copy with one thing changed, one generation on, its keyring sealed anew.
    fn next_generation<R: CryptoRng + ?Sized>(
        &self,
        change: impl FnOnce(&mut Self),
        root: &RootKey,
        keyring: &Keyring,
        rng: &mut R,
    ) -> Self {
        let mut header = self.clone();
        change(&mut header);
        header.generation += 1;
        header.seal_keyring(root, keyring, rng);
        header
    }

    fn seal_keyring<R: CryptoRng + ?Sized>(
        &mut self,
        root: &RootKey,
        keyring: &Keyring,
        rng: &mut R,
    ) {
        let mut salt = [0; 32];
        rng.fill_bytes(&mut salt);
        let aad = shape::keyring_aad(self);
        let sealed = root.keyring_key(&salt).seal(&aad, &keyring.encode(), rng);
        self.keyring = SealedKeyring { salt, sealed };
    }
}

impl core::fmt::Debug for Header {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Header")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
