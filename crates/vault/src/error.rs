//! What can go wrong with the vault: exact inside, a small code outside, nothing secret in it.

use std::io;

use waxwing_crypto::kdf::KdfError;
use waxwing_crypto::stream::StreamError;
use waxwing_crypto::vault_header::HeaderError;

/// Why the vault did not do what was asked. Safe to log: holds no text, key, name or path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The vault was locked meanwhile; handles to its records no longer open anything.
    #[error("the vault is locked")]
    Locked,
    /// Another process holds this folder.
    #[error("the vault is in use by another process")]
    InUse,
    /// There is a vault already.
    #[error("there is a vault already")]
    AlreadyThere,
    /// The passphrase that was given as the current one is not.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// Not enough memory to stretch the passphrase.
    #[error("not enough memory: {needed_mib} MiB are needed")]
    NotEnoughMemory {
        /// What is needed, in MiB.
        needed_mib: u32,
    },
    /// The disk is full. What was acknowledged before is safe; after making room, open again.
    #[error("the disk is full")]
    DiskFull,
    /// A file could not be read or written.
    #[error("reading or writing failed: {0}")]
    Io(io::ErrorKind),
    /// The store or the header is damaged.
    #[error("damaged: {0}")]
    Corrupt(&'static str),
    /// A row does not open: altered, moved, or of another vault. Names the tree.
    #[error("a row of `{0}` does not open")]
    DoesNotOpen(&'static str),
    /// A row that had to be new exists. Names the tree. Nothing of the commit was written.
    #[error("a row of `{0}` exists already")]
    Exists(&'static str),
    /// A row that had to exist does not. Names the tree. Nothing of the commit was written.
    #[error("a row of `{0}` is missing")]
    Missing(&'static str),
    /// A backup written by a newer Waxwing.
    #[error("written by a newer version")]
    Newer,
    /// The weekly key of a prekey was destroyed.
    #[error("the prekey's epoch was destroyed")]
    EpochGone,
    /// A sealed file does not open or has a wrong length.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The person cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A re-key is under way: it is finished or undone first.
    #[error("a re-key is under way")]
    RekeyUnderWay,
    /// No re-key is under way.
    #[error("no re-key is under way")]
    NoRekey,
    /// The re-key has not copied everything yet.
    #[error("the re-key is not ready to be finished")]
    RekeyUnfinished,
    /// A re-key to the passphrase that somebody may have seen.
    #[error("the new passphrase is the old one")]
    SamePassphrase,
}

impl From<io::Error> for VaultError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            kind => Self::Io(kind),
        }
    }
}

impl From<HeaderError> for VaultError {
    fn from(error: HeaderError) -> Self {
        match error {
            HeaderError::Corrupt(what) => Self::Corrupt(what),
            HeaderError::UnknownVersion => Self::Corrupt("header of an unknown version"),
            HeaderError::WrongPassphrase | HeaderError::WrongRecoveryCode => Self::WrongPassphrase,
            HeaderError::Kdf(KdfError::NotEnoughMemory { needed_mib }) => {
                Self::NotEnoughMemory { needed_mib }
            }
            HeaderError::Kdf(KdfError::OutOfBounds) => Self::Corrupt("argon2id bounds"),
        }
    }
}

/// Why a vault stays locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnlockError {
    /// The passphrase is not this vault's.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// The recovery code is well-formed but of another vault, or was replaced. A mistyped one never
    /// gets here: [`RecoveryCode::parse`](waxwing_crypto::recovery::RecoveryCode::parse) says so.
    #[error("this recovery code belongs to another vault or was replaced")]
    WrongRecoveryCode,
    /// Not enough memory to stretch the passphrase; says nothing about the passphrase.
    #[error("not enough memory: {needed_mib} MiB are needed")]
    NotEnoughMemory {
        /// What is needed, in MiB.
        needed_mib: u32,
    },
    /// The header or what it wraps is damaged.
    #[error("damaged: {0}")]
    Corrupt(&'static str),
}

impl From<HeaderError> for UnlockError {
    fn from(error: HeaderError) -> Self {
        match error {
            HeaderError::WrongPassphrase => Self::WrongPassphrase,
            HeaderError::WrongRecoveryCode => Self::WrongRecoveryCode,
            HeaderError::Corrupt(what) => Self::Corrupt(what),
            HeaderError::UnknownVersion => Self::Corrupt("header of an unknown version"),
            HeaderError::Kdf(KdfError::NotEnoughMemory { needed_mib }) => {
                Self::NotEnoughMemory { needed_mib }
            }
            HeaderError::Kdf(KdfError::OutOfBounds) => Self::Corrupt("argon2id bounds"),
        }
    }
}
