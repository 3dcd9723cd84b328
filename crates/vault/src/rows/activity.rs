//! One line of the list of what was done with the keys.

use serde::{Deserialize, Serialize};
use waxwing_wire::ids::Digest;

use super::Row;

/// One line of the append-only list of unlocks, failures, key acts and exports. Each line holds the
/// hash of the line before, so that one cannot be altered or taken out of the middle unnoticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Its place, from 0 without gaps; set by the store.
    pub number: u64,
    /// When.
    pub at: u64,
    /// What was done.
    pub kind: ActivityKind,
    /// Words that name the thing it was done to: a petname, a file, a device. Never a secret.
    pub about: String,
    /// SHA-256 of the encoded line before; zeros for the first. Set by the store.
    pub previous: Digest,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ActivityKind {
    /// The vault was made.
    Created,
    /// Unlocked by passphrase.
    Unlocked,
    /// Unlocked by recovery code.
    UnlockedByRecovery,
    /// Wrong passphrases since the last unlock; the number stands in `about`.
    UnlockFailed,
    /// Locked.
    Locked,
    /// The passphrase was replaced.
    PassphraseChanged,
    /// Unlocking was made slower, and guessing with it; the passphrase stayed.
    LockStrengthened,
    /// The recovery code was replaced.
    RecoveryReplaced,
    /// The recovery code was tested and works.
    RecoveryTested,
    /// A card was published.
    CardPublished,
    /// The identity key was rotated.
    KeyRotated,
    /// A key or device was revoked.
    Revoked,
    /// A device was linked.
    DeviceLinked,
    /// The public card was exported.
    CardExported,
    /// A backup was written.
    BackupWritten,
    /// A backup was restored.
    BackupRestored,
    /// A contact's key was compared.
    ContactCompared,
    /// A contact's changed key was accepted.
    ContactAccepted,
    /// A contact's key changed.
    ContactChanged,
    /// A re-key was begun.
    RekeyBegun,
    /// A re-key was finished.
    RekeyFinished,
    /// A re-key was undone.
    RekeyUndone,
    /// The identity key was replaced without the old one's word.
    KeyReset,
    /// Another device replaced the identity key first.
    RenewalLost,
    /// A revocation was made ahead, to be kept on paper.
    RevocationExported,
    /// A device was removed from the account's card: another one, or, without a name, this one.
    DeviceRemoved,
    /// What is remembered here was given to another device.
    HistoryGiven,
    /// What another device remembers was taken in.
    HistoryTaken,
}

impl Row for Activity {
    type Key = u64;
    const TREE: &'static str = "activity";

    fn key(&self) -> u64 {
        self.number
    }

    fn name(number: &u64) -> Vec<u8> {
        number.to_be_bytes().to_vec()
    }
}
