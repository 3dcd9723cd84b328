//! The vault's own keys.

use super::{Bytes, Millis, Party, Reason, RelayShows, UnlockTime};
use serde::{Deserialize, Serialize};
use specta::Type;

/// How the vault is locked, and when that was last changed and tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct VaultKeys {
    /// How often the vault's header was replaced; a copy of an older one opens with what opened it.
    pub generation: u64,
    /// When the present passphrase was set.
    pub passphrase_set_at: Option<Millis>,
    /// When the recovery code was last tested.
    pub recovery_tested_at: Option<Millis>,
    /// What the last unlock by passphrase cost; each guess at the passphrase costs as much.
    pub unlock: Option<UnlockTime>,
    /// Whether that is little for this computer, so that more is offered.
    pub can_strengthen: bool,
    /// Whether no line of the list of what was done is altered or missing from its middle.
    pub activity_whole: bool,
}

/// How far a re-key is and what is left to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct RekeyStatus {
    /// Copied so far, in percent.
    pub percent: u8,
    /// Rows copied.
    pub copied: u64,
    /// Rows in all; grows while the person goes on working.
    pub total: u64,
    /// What it does or waits for.
    pub state: RekeyState,
}

/// What a re-key does or waits for. In all of these the old passphrase and code open the vault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Type)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum RekeyState {
    /// It was under way when the vault was locked or the app ended: the person goes on, with the new
    /// passphrase, or undoes it.
    #[default]
    Interrupted,
    /// It copies.
    Copying,
    /// The person paused it.
    Paused,
    /// Everything is copied, and the new recovery code was not typed back yet.
    CodeUnconfirmed,
    /// It is checked and put in its place.
    Finishing,
    /// Something stopped it; the person goes on once that is over, or undoes it.
    Stopped {
        /// What.
        failure: crate::Failure,
    },
}

/// How a new account key is brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum RenewalKind {
    /// The old key signs the new one: somebody may have a copy.
    Rotate,
    /// The old key is revoked, and the new one stands alone: the key is in other hands.
    Reset,
}

/// How far the replacement of the account's keys is, and who has picked it up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct KeyRenewal {
    /// Which.
    pub kind: RenewalKind,
    /// What it does or waits for.
    pub state: RenewalState,
    /// Since when; in the end, when it was done.
    pub since: Millis,
    /// Messages that the old key signed and that are still to be sealed again.
    pub to_seal_again: u32,
    /// Everybody who is told of the new key.
    pub told: Vec<ToldOf>,
}

/// What the replacement of the account's keys does or waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum RenewalState {
    /// It begins by itself when the re-key is finished.
    AfterRekey,
    /// The relay is needed and does not do its part.
    WaitsForRelay {
        /// Why.
        reason: Reason,
    },
    /// It is under way.
    Replacing,
    /// The new key is this account's.
    Done,
    /// Another device of this account replaced the key first; what was made here was dropped.
    LostToAnotherDevice,
}

/// One person who is told of the new key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct ToldOf {
    /// Who.
    pub party: Party,
    /// How far.
    pub state: ToldState,
    /// Since when; none before the notice was sealed.
    pub since: Option<Millis>,
}

/// Whether somebody has picked up the new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum ToldState {
    /// Nothing was sealed for them yet.
    NotYet,
    /// The notice is sealed and waits here.
    Sealed,
    /// The notice is at the relay.
    AtRelay,
    /// One of their computers fetched it.
    Fetched,
    /// They wrote to the new key: they have it for certain.
    WritesToIt,
}

/// One line of what is looked at before keys are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Preflight {
    /// What was looked at, and found.
    pub check: PreflightCheck,
    /// Whether nothing stands in the way. Nothing here forbids to begin.
    pub passes: bool,
}

/// What is looked at before keys are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum PreflightCheck {
    /// Whether the relay answers.
    Relay {
        /// Why it does not.
        reason: Option<Reason>,
    },
    /// What the relay shows as this account's card.
    Card {
        /// It.
        shows: RelayShows,
    },
    /// What the present key signed and nobody has fetched: it is sealed again.
    Unfetched {
        /// Messages in the outbox.
        outbox: u32,
        /// Envelopes at the relay.
        at_relay: u32,
    },
    /// Room for a second store.
    Room {
        /// Needed.
        needed: Bytes,
        /// Free.
        free: Bytes,
    },
    /// How far this computer's clock and the relay's differ.
    Clock {
        /// Seconds; none when the relay does not answer.
        seconds: Option<u32>,
    },
}

/// One line of the list of what was done with the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct ActivityLine {
    /// Its place, from 0.
    pub number: u64,
    /// When.
    pub at: Millis,
    /// What was done.
    pub kind: ActivityKind,
    /// To what: a name, a file, a number. Empty when the kind says all.
    pub about: String,
}

/// What was done with the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum ActivityKind {
    /// The vault was made.
    Created,
    /// Unlocked by passphrase.
    Unlocked,
    /// Unlocked by recovery code.
    UnlockedByRecovery,
    /// Wrong passphrases before the unlock that follows; `about` is their number.
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
    /// A device was removed: another one, or, without a name in `about`, this one.
    DeviceRemoved,
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
    /// A re-key was finished: new root key, passphrase and recovery code.
    RekeyFinished,
    /// A re-key was undone.
    RekeyUndone,
    /// The identity key was replaced without the old one's word.
    KeyReset,
    /// Another device replaced the identity key first.
    RenewalLost,
    /// A revocation was made ahead, to be kept on paper.
    RevocationExported,
    /// What is remembered here was given to another computer; `about` names it.
    HistoryGiven,
    /// What another computer remembers was taken in; `about` names it.
    HistoryTaken,
}

impl From<waxwing_vault::rows::ActivityKind> for ActivityKind {
    fn from(kind: waxwing_vault::rows::ActivityKind) -> Self {
        use waxwing_vault::rows::ActivityKind as Kind;
        match kind {
            Kind::Created => Self::Created,
            Kind::Unlocked => Self::Unlocked,
            Kind::UnlockedByRecovery => Self::UnlockedByRecovery,
            Kind::UnlockFailed => Self::UnlockFailed,
            Kind::Locked => Self::Locked,
            Kind::PassphraseChanged => Self::PassphraseChanged,
            Kind::LockStrengthened => Self::LockStrengthened,
            Kind::RecoveryReplaced => Self::RecoveryReplaced,
            Kind::RecoveryTested => Self::RecoveryTested,
            Kind::CardPublished => Self::CardPublished,
            Kind::KeyRotated => Self::KeyRotated,
            Kind::Revoked => Self::Revoked,
            Kind::DeviceLinked => Self::DeviceLinked,
            Kind::DeviceRemoved => Self::DeviceRemoved,
            Kind::CardExported => Self::CardExported,
            Kind::BackupWritten => Self::BackupWritten,
            Kind::BackupRestored => Self::BackupRestored,
            Kind::ContactCompared => Self::ContactCompared,
            Kind::ContactAccepted => Self::ContactAccepted,
            Kind::ContactChanged => Self::ContactChanged,
            Kind::RekeyBegun => Self::RekeyBegun,
            Kind::RekeyFinished => Self::RekeyFinished,
            Kind::RekeyUndone => Self::RekeyUndone,
            Kind::KeyReset => Self::KeyReset,
            Kind::RenewalLost => Self::RenewalLost,
            Kind::RevocationExported => Self::RevocationExported,
            Kind::HistoryGiven => Self::HistoryGiven,
            Kind::HistoryTaken => Self::HistoryTaken,
        }
    }
}
