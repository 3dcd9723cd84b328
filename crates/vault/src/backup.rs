//! One sealed file that a fresh computer becomes the same person with.
//!
//! ```text
//! file    be16(n) || header (n bytes) || stream of records   (`waxwing_crypto::backup`)
//! records keyring, rows, rows that are readable while locked, attachments, end
//! ```
//! Rows stand in it opened, so that a vault with other keys can be made of them; what follows from
//! other rows (places in lists, counts) is not in it. Weekly keys and prekeys are not in it either:
//! a backup brings back nothing that was destroyed.
//! Carries out docs/protocol.md section 7.
//!
//! Invariants:
//! * a file has its name only after it was read back from the disk, opened to its end and counted;
//! * all rows are of one moment: nobody commits while they are read;
//! * a vault is restored beside the place where it will stand, and put there only after it was opened
//!   anew from the disk and counted; a crash leaves what was there before, or the restored vault;
//! * nothing is deleted that was a vault.

mod content;
mod place;
mod read;
mod restore;
pub(crate) mod stream;
mod write;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use waxwing_crypto::recovery::RecoveryCode;
use waxwing_crypto::vault_header::{BackupHeader, HeaderError, MAX_BACKUP_HEADER_LEN};

use crate::VaultError;

pub(crate) use place::settle;
pub use restore::{NewVault, Restored};
pub use write::BackupWriter;

/// The largest body of a record that is read into memory.
const MAX_BODY: u64 = 16 << 20;

/// How far writing or restoring is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupProgress {
    /// Reading back what was written, to be sure of it.
    pub is_checking: bool,
    /// Done so far, in parts of `total`.
    pub done: u64,
    /// All.
    pub total: u64,
}

impl BackupProgress {
    /// In percent, rounded down.
    pub fn percent(&self) -> u8 {
        let percent = self.done.saturating_mul(100).checked_div(self.total);
        u8::try_from(percent.unwrap_or(0).min(100)).unwrap_or(100)
    }
}

/// Told as it goes on. Answering `false` cancels.
pub type BackupWatcher<'a> = &'a mut (dyn FnMut(BackupProgress) -> bool + Send);

/// How much is in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Contents {
    /// How many rows of each tree.
    pub(crate) rows: BTreeMap<String, u64>,
    /// How many attachments.
    pub(crate) files: u64,
}

impl Contents {
    fn of(&self, tree: &str) -> u64 {
        self.rows.get(tree).copied().unwrap_or(0)
    }
}

/// A file that says it is a backup. What it says of itself is believed only once it was opened.
#[derive(Debug, Clone)]
pub struct BackupFile {
    path: PathBuf,
    header: BackupHeader,
    size: u64,
}

impl BackupFile {
    /// Reads what a file says of itself.
    ///
    /// # Errors
    /// [`VaultError::Corrupt`] when it is no backup or its header is damaged, [`VaultError::Newer`];
    /// errors of the disk.
    pub fn look(path: &Path) -> Result<Self, VaultError> {
        let (header, _) = open(path)?;
        Ok(Self {
            path: path.to_owned(),
            header,
            size: std::fs::metadata(path)?.len(),
        })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says of itself.
    pub fn header(&self) -> &BackupHeader {
        &self.header
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether this recovery code opens it.
    ///
    /// # Errors
    /// [`VaultError::Corrupt`].
    pub fn is_opened_by(&self, code: &RecoveryCode) -> Result<bool, VaultError> {
        match self.header.unwrap_with_recovery(code) {
            Ok(_) => Ok(true),
            Err(HeaderError::WrongRecoveryCode) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Opens a file behind its header.
fn open(path: &Path) -> Result<(BackupHeader, BufReader<File>), VaultError> {
    let mut source = BufReader::new(File::open(path)?);
    let mut length = [0; 2];
    let mut bytes = vec![0; MAX_BACKUP_HEADER_LEN];
    let read = source.read_exact(&mut length).and_then(|()| {
        bytes.truncate(usize::from(u16::from_be_bytes(length)));
        source.read_exact(&mut bytes)
    });
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            return Err(VaultError::Corrupt("not a backup"));
        }
        read => read?,
    }
    match BackupHeader::decode(&bytes) {
        Err(HeaderError::UnknownVersion) => Err(VaultError::Newer),
        header => Ok((header?, source)),
    }
}

#[cfg(test)]
mod tests;
