//! One backup that was written.

use serde::{Deserialize, Serialize};
use waxwing_wire::ids::Digest;

use super::Row;

/// Names a backup in the list; random.
pub type BackupId = [u8; 16];

/// One backup that was written, or that this vault was restored from. The file lies wherever the
/// person put it; nothing here opens it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Its name here.
    pub id: BackupId,
    /// Where it was put.
    pub place: std::path::PathBuf,
    /// When it was made.
    pub made_at: u64,
    /// Generation of the vault's header then.
    pub generation: u64,
    /// Length of the file in bytes.
    pub size: u64,
    /// How many messages are in it.
    pub messages: u64,
    /// How many contacts.
    pub contacts: u64,
    /// How many attachments.
    pub files: u64,
    /// Names the recovery slot in its header: while the vault has the same, the person's recovery
    /// code opens the file.
    pub recovery: Digest,
}

impl Row for Backup {
    type Key = BackupId;
    const TREE: &'static str = "backups";

    fn key(&self) -> BackupId {
        self.id
    }

    fn name(key: &BackupId) -> Vec<u8> {
        key.to_vec()
    }
}
