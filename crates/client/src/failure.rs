//! Why a command did not do what was asked: a small code with a sentence in the face.
//!
//! A code carries only what the sentence needs and is safe to log.

use crate::view::Reason;
use serde::{Deserialize, Serialize};
use specta::Type;

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, thiserror::Error)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Failure {
    /// The passphrase does not open this vault.
    #[error("the passphrase does not open this vault")]
    WrongPassphrase,
    /// Stretching the passphrase needs more memory than there is.
    #[error("not enough memory to stretch the passphrase")]
    NotEnoughMemory,
    /// The vault is locked.
    #[error("the vault is locked")]
    Locked,
    /// Another process holds the vault.
    #[error("another process holds the vault")]
    InUse,
    /// The passphrase is too easy to guess.
    #[error("the passphrase is too weak (score {score})")]
    WeakPassphrase {
        /// zxcvbn's score.
        score: u8,
    },
    /// The new passphrase is the one that somebody may have seen.
    #[error("the new passphrase is the old one")]
    SamePassphrase,
    /// A new root key is on its way into the whole vault: it is finished or undone first.
    #[error("a re-key is under way")]
    RekeyUnderWay,
    /// The account's keys are being replaced already.
    #[error("the account's keys are being replaced already")]
    RenewalUnderWay,
    /// The account's key was revoked: only a reset gives it another.
    #[error("the account's key was revoked")]
    KeyRevoked,
    /// What was typed is not the end of the own key code.
    #[error("not the end of the own key code")]
    KeyCodeDiffers,
    /// Not a revocation of this account's present key.
    #[error("not a revocation of this account's present key")]
    RevocationInvalid,
    /// A backup is being written or restored.
    #[error("a backup is being written or restored")]
    BackupUnderWay,
    /// Nothing can be written at the place that was chosen.
    #[error("nothing can be written there")]
    PlaceUnwritable,
    /// Another kind of file, or one whose beginning is damaged.
    #[error("not a backup")]
    NotABackup,
    /// The backup was altered or cut off.
    #[error("the backup is damaged")]
    BackupDamaged,
    /// The backup was written by a newer Waxwing.
    #[error("the backup was written by a newer version")]
    BackupNewer,
    /// The recovery words differ from the code.
    #[error("the recovery words do not match (group {group})")]
    RecoveryMismatch {
        /// The group that differs, or holds a word that is in no code; from 0.
        group: u32,
    },
    /// The recovery words do not belong together.
    #[error("the recovery words do not belong together")]
    RecoveryMistyped,
    /// The recovery code of another vault.
    #[error("a recovery code of another vault")]
    RecoveryOther,
    /// Not a name for an address.
    #[error("not a usable name")]
    NameInvalid,
    /// Somebody has this name at the relay.
    #[error("the name is taken")]
    NameTaken,
    /// Not an address.
    #[error("not an address")]
    AddressInvalid,
    /// Nobody has this address.
    #[error("nobody has this address")]
    AddressUnknown,
    /// The address is at another relay.
    #[error("the address is at another relay")]
    AddressElsewhere {
        /// The relay it names.
        relay: String,
    },
    /// Already a contact.
    #[error("already a contact")]
    ContactExists,
    /// Sending to this contact is held.
    #[error("sending to a contact is held")]
    ContactHeld {
        /// Account id.
        account: String,
    },
    /// Nobody to send to.
    #[error("no recipients")]
    NoRecipients,
    /// Nothing to send.
    #[error("empty message")]
    EmptyMessage,
    /// More recipients than one message may have.
    #[error("too many recipients")]
    TooManyRecipients {
        /// The most.
        limit: u32,
    },
    /// More files than one message may have.
    #[error("too many files")]
    TooManyFiles {
        /// The most.
        limit: u32,
    },
    /// A file cannot be read.
    #[error("a file cannot be read")]
    FileUnreadable {
        /// File name.
        name: String,
    },
    /// A file is larger than the relay takes.
    #[error("a file is too large")]
    FileTooLarge {
        /// File name.
        name: String,
        /// The most, in bytes.
        limit: u64,
    },
    /// Not the text that a new computer shows.
    #[error("not a link text")]
    LinkInvalid,
    /// The time of the link is over, or the account's relay does not know it.
    #[error("the link is over")]
    LinkOver,
    /// The other computer ended the link.
    #[error("the link was ended")]
    LinkEnded,
    /// The link was used already.
    #[error("the link was used already")]
    LinkUsed,
    /// What came through the relay is not what the other computer wrote.
    #[error("the link was tampered with")]
    LinkChanged,
    /// Not the code that the new computer shows.
    #[error("not the code of the link ({tries} tries left)")]
    LinkCode {
        /// How often one may still try; at 0 the link is ended.
        tries: u32,
    },
    /// A name of a computer is empty, or longer than 64 bytes.
    #[error("no name for a computer")]
    DeviceNameInvalid,
    /// Another computer of the account removed this one from it.
    #[error("this device was removed from the account")]
    DeviceRemoved,
    /// More computers than one account may have.
    #[error("too many devices")]
    TooManyDevices {
        /// The most.
        limit: u32,
    },
    /// A name of a drop box is empty, longer than 80 bytes, or has control characters.
    #[error("no name for a drop box")]
    DropNameInvalid,
    /// More drop boxes than the relay allows one account.
    #[error("too many drop boxes")]
    TooManyDropBoxes,
    /// Not a picture that can be read.
    #[error("a picture cannot be read")]
    PictureUnreadable,
    /// No picture on the clipboard.
    #[error("no picture on the clipboard")]
    NoPictureCopied,
    /// No QR code of a key code in a picture.
    #[error("no key code in a picture")]
    NoKeyCode,
    /// No QR code of a link in a picture.
    #[error("no link in a picture")]
    NoLinkCode,
    /// The relay did not do it.
    #[error("the relay: {reason:?}")]
    Relay {
        /// Why.
        reason: Reason,
    },
    /// The disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// The vault cannot be read.
    #[error("the vault cannot be read")]
    Corrupt,
    /// No such thing.
    #[error("not found")]
    NotFound,
    /// The person stopped it.
    #[error("cancelled")]
    Cancelled,
    /// A fault of the program.
    #[error("internal fault {code}")]
    Internal {
        /// Where.
        code: String,
    },
}

impl Failure {
    /// A fault of the program, named by the place where it showed.
    pub fn internal(code: &str) -> Self {
        Self::Internal {
            code: code.to_owned(),
        }
    }
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self::Relay { reason }
    }
}
