//! Backups: those that were written, the one that was chosen, and how far one is.

use super::{Bytes, Millis};
use serde::Serialize;
use specta::Type;

/// One backup that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct BackupRow {
    /// Its name in the list.
    pub id: String,
    /// Where it was put.
    pub place: String,
    /// Whether there is still a file.
    pub is_there: bool,
    /// When it was made.
    pub made_at: Millis,
    /// Generation of the vault then.
    pub generation: u64,
    /// Length of the file.
    pub size: Bytes,
    /// Messages in it.
    pub messages: u64,
    /// Contacts in it.
    pub contacts: u64,
    /// Attachments in it.
    pub files: u64,
    /// What opens it.
    pub code: BackupCode,
}

/// Which recovery code opens a backup. No passphrase does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum BackupCode {
    /// The one that the person has.
    Present,
    /// One that was replaced since.
    Replaced {
        /// When, as far as the list of what was done says.
        at: Option<Millis>,
    },
}

/// A backup being written or restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct BackupWork {
    /// Of the part that it is in.
    pub percent: u8,
    /// The second part: what was written is read from the disk and counted.
    pub is_checking: bool,
    /// A vault is made of a backup; else a backup is written.
    pub is_restoring: bool,
}

/// What a file says of itself before it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct ChosenBackup {
    /// The file's name.
    pub name: String,
    /// When it was made.
    pub made_at: Millis,
    /// Generation of the vault then.
    pub generation: u64,
    /// The vault that it is of.
    pub vault: String,
    /// Length of the file.
    pub size: Bytes,
}
