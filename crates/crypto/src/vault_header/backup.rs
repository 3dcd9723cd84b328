//! The header of a backup: what a recovery code needs to open it, and nothing a passphrase could.
//!
//! ```text
//! { 1: "waxwing/backup/v1", 2: vault_id 16 B, 3: gen, 4: made_at, 5: slot recovery,
//!   6: SHA-256 of the same map without label 6 }
//! ```
//! The slot is the vault's own as it was then, so that the code which the person has opens the file.
//! Carries out docs/protocol.md section 7.

use rand_core::CryptoRng;
use waxwing_wire::cbor::{self, Fields, Value};
use waxwing_wire::ids::Digest;

use super::slot::RecoverySlot;
use super::{Header, HeaderError, Keyring, RootKey, shape};
use crate::backup::{self, Opener, Sealer};
use crate::kdf::{KdfParams, Passphrase};
use crate::recovery::RecoveryCode;
use crate::stream::{HEADER_LEN, StreamError};

/// The largest header of a backup that is read, in bytes.
pub const MAX_BACKUP_HEADER_LEN: usize = 1024;
const LABEL: &str = "waxwing/backup/v1";

/// The header of a backup. Holds no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct BackupHeader {
    vault_id: [u8; 16],
    generation: u64,
    made_at: u64,
    recovery: RecoverySlot,
}

impl BackupHeader {
    /// Reads it.
    ///
    /// # Errors
    /// [`HeaderError::Corrupt`] for anything that is not exactly such a header;
    /// [`HeaderError::UnknownVersion`].
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let value = cbor::decode(bytes, MAX_BACKUP_HEADER_LEN)?;
        let mut fields = Fields::open(value, "backup")?;
        if fields.text(1, "label")? != LABEL {
            return Err(HeaderError::UnknownVersion);
        }
        let header = Self {
            vault_id: shape::fixed(fields.bytes(2, "vault id")?, "vault id")?,
            generation: fields.uint(3, "generation")?,
            made_at: fields.uint(4, "made at")?,
            recovery: shape::decode_recovery_slot(fields.need(5, "slot")?)?,
        };
        let digest: Digest = fields.id(6, "digest")?;
        fields.finish()?;
        if Digest::of(&cbor::encode(&cbor::map(header.content()))) != digest {
            return Err(HeaderError::Corrupt("digest differs"));
        }
        Ok(header)
    }

    /// The bytes to write: Core Deterministic CBOR.
    pub fn encode(&self) -> Vec<u8> {
        let mut entries = self.content();
        let digest = Digest::of(&cbor::encode(&cbor::map(entries.clone())));
        entries.push((6, cbor::bytes(digest)));
        cbor::encode(&cbor::map(entries))
    }

    fn content(&self) -> Vec<(i64, Value)> {
        vec![
            (1, Value::from(LABEL)),
            (2, cbor::bytes(self.vault_id)),
            (3, Value::from(self.generation)),
            (4, Value::from(self.made_at)),
            (5, shape::recovery_slot(&self.recovery)),
        ]
    }

    /// The vault that it is of.
    pub fn vault_id(&self) -> &[u8; 16] {
        &self.vault_id
    }

    /// Generation that the vault's header had.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// When it was made, Unix seconds.
    pub fn made_at(&self) -> u64 {
        self.made_at
    }

    /// Names the slot, and with it the recovery code that opens the file.
    pub fn recovery_id(&self) -> Digest {
        recovery_id(&self.recovery)
    }

    /// The root key of the vault that it was made of, by the recovery code of that time.
    ///
    /// # Errors
    /// [`HeaderError::WrongRecoveryCode`], [`HeaderError::Corrupt`].
    pub fn unwrap_with_recovery(&self, code: &RecoveryCode) -> Result<RootKey, HeaderError> {
        self.recovery.unwrap(&self.vault_id, code)
    }

    /// Seals the content under this header.
    ///
    /// # Errors
    /// [`StreamError`].
    pub fn sealer<R: CryptoRng + ?Sized>(
        &self,
        root: &RootKey,
        rng: &mut R,
    ) -> Result<Sealer, StreamError> {
        Sealer::new(root.expose(), &self.aad(), rng)
    }

    /// Opens the content under this header; `stream` is what the content begins with.
    ///
    /// # Errors
    /// [`StreamError::BadHeader`].
    pub fn opener(&self, root: &RootKey, stream: &[u8; HEADER_LEN]) -> Result<Opener, StreamError> {
        Opener::new(root.expose(), &self.aad(), stream)
    }

    fn aad(&self) -> Vec<u8> {
        backup::aad(&Digest::of(&self.encode()))
    }
}

impl core::fmt::Debug for BackupHeader {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BackupHeader")
            .field("generation", &self.generation)
            .field("made_at", &self.made_at)
            .finish_non_exhaustive()
    }
}

impl Header {
    /// The header of a backup of this vault. Only the recovery slot goes into it: no passphrase, of
    /// then or of later, opens a backup.
    pub fn backup(&self, made_at: u64) -> BackupHeader {
        BackupHeader {
            vault_id: self.vault_id,
            generation: self.generation,
            made_at,
            recovery: self.recovery.clone(),
        }
    }

    /// Names the recovery slot, see [`BackupHeader::recovery_id`].
    pub fn recovery_id(&self) -> Digest {
        recovery_id(&self.recovery)
    }

    /// The vault that a backup becomes: a fresh root key under a new passphrase, and under the
    /// recovery code that opened the backup. One generation on. Slow.
    ///
    /// # Errors
    /// [`HeaderError::Kdf`].
    pub fn restored<R: CryptoRng + ?Sized>(
        backup: &BackupHeader,
        passphrase: &Passphrase,
        params: KdfParams,
        code: &RecoveryCode,
        keyring: &Keyring,
        rng: &mut R,
    ) -> Result<(Self, RootKey), HeaderError> {
        let generation = backup.generation.saturating_add(1);
        let ways = (passphrase, params, code);
        Self::make(backup.vault_id, generation, ways, keyring, rng)
    }
}

fn recovery_id(slot: &RecoverySlot) -> Digest {
    Digest::of(&cbor::encode(&shape::recovery_slot(slot)))
}
