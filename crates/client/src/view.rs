//! What a window shows: plain values, made fresh for each question, holding no key.
//!
//! Field names and tags are the contract with the face (`ui/src/ipc/bindings.ts` is generated
//! from these types). Times are milliseconds since the Unix epoch, sizes are bytes and ids are
//! lower-case hex; both stay far below 2⁵³, up to which JavaScript reads them without loss.

mod backups;
mod devices;
mod drops;
mod envelopes;
mod keys;
mod people;
mod settings;

pub use backups::*;
pub use devices::*;
pub use drops::*;
pub use envelopes::*;
pub use keys::*;
pub use people::*;
pub use settings::*;

use serde::{Deserialize, Serialize};
use specta::Type;

/// Milliseconds since the Unix epoch.
pub type Millis = u64;
/// A count of bytes.
pub type Bytes = u64;

/// Where the whole window stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Stage {
    /// No vault here and nothing begun.
    Welcome,
    /// Setting up; continues where the person left off.
    Onboarding {
        /// The step to show.
        step: OnboardingStep,
        /// The name chosen so far.
        name: Option<String>,
        /// The relay chosen so far.
        relay: RelayChoice,
    },
    /// The vault is closed.
    Locked {
        /// Sealed envelopes that arrived and wait for the vault to open.
        waiting: u32,
        /// Sealed envelopes that have not reached the relay.
        outbox: u32,
        /// Not yet unlocked since the program started, so nothing is carried until then.
        after_start: bool,
    },
    /// Another process holds this vault.
    InUse,
    /// The vault cannot be read. Nothing was deleted.
    Corrupt {
        /// A code that names what could not be read.
        reason: String,
        /// Where the vault lies.
        folder: String,
    },
    /// The vault is open.
    Open,
}

/// A step of setting up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum OnboardingStep {
    /// Name and relay.
    Identity,
    /// Passphrase.
    Passphrase,
    /// Recovery code.
    Recovery,
    /// All set up; offers a test envelope.
    Done,
    /// Restored from a backup: what now holds for the computer that it came from.
    Restored,
}

/// Which relay carries the envelopes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum RelayChoice {
    /// The relay that runs inside Waxwing on this computer.
    ThisComputer,
    /// A relay at an address.
    Address {
        /// Its URL.
        url: String,
    },
}

/// The status bar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The profile's name.
    pub profile: String,
    /// The line to the relay.
    pub relay: RelayState,
    /// Envelopes not yet at the relay.
    pub outbox: u32,
    /// Envelopes fetched and not yet opened by the person.
    pub waiting: u32,
    /// Unfinished messages.
    pub drafts: u32,
    /// When the outbox tries next.
    pub next_try: Option<Millis>,
    /// When the vault locks by itself.
    pub lock_at: Option<Millis>,
    /// The relay on this computer.
    pub local_relay: LocalRelay,
    /// Whether unlocking, and with it each guess at the passphrase, costs little for this computer.
    pub can_strengthen: bool,
}

/// Who runs the relay on this computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum LocalRelay {
    /// This process.
    Running,
    /// Another window of this person.
    Elsewhere,
    /// Nobody.
    Stopped,
    /// Another relay was chosen.
    NotUsed,
}

/// The line to the relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum RelayState {
    /// It answers.
    Online {
        /// Its name.
        name: String,
    },
    /// First try under way.
    Connecting,
    /// It does not answer.
    Offline {
        /// Why.
        reason: Reason,
        /// When it is asked again.
        next_try: Option<Millis>,
    },
}

/// Why something did not get through. The face has one sentence for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// Nothing listens at the relay's address.
    RelayRefused,
    /// No way to the relay's address.
    RelayUnreachable,
    /// The relay's host name is unknown.
    NameNotFound,
    /// No answer in time.
    TimedOut,
    /// The relay's certificate was not accepted.
    TlsFailed,
    /// This computer's clock and the relay's differ too much.
    ClockDiffers,
    /// The recipient's mailbox is full.
    MailboxFull,
    /// This account has used up its room or rate at the relay.
    QuotaFull,
    /// The relay does not take an envelope or file of this size.
    TooLarge,
    /// The relay's disk is full.
    RelayFull,
    /// The relay failed.
    RelayError,
    /// The recipient is no longer at the relay.
    RecipientGone,
    /// The recipient's key changed without proof and sending is held.
    RecipientChanged,
    /// The recipient's key code was compared and differed, and sending is held.
    RecipientDiffers,
    /// None of the recipient's computers has published keys.
    RecipientKeysMissing,
    /// Its time ran out before it was delivered.
    Expired,
    /// A file is no longer at the relay.
    AttachmentMissing,
    /// A file on this computer cannot be read.
    FileUnreadable,
    /// This computer's disk is full.
    DiskFull,
    /// The relay does not accept it.
    Rejected,
    /// The vault is locked.
    Locked,
}

/// Something changed; whoever shows it asks again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The window's stage.
    Stage,
    /// The status bar.
    Status,
    /// A list of envelopes, or one of them.
    Envelopes {
        /// The list.
        folder: Folder,
        /// The message, when it is only one.
        id: Option<String>,
    },
    /// Drafts, or one of them.
    Drafts(Option<String>),
    /// Contacts, or one of them.
    Contacts(Option<String>),
    /// The list of drop boxes.
    DropBoxes,
    /// Settings.
    Settings,
    /// A re-key began, moved on, stopped or ended.
    Rekey,
    /// The replacement of the account's keys, or who has heard of it.
    Renewal,
    /// A backup began, moved on or ended, or the list of them changed.
    Backup,
    /// A link with another computer, or the list of the account's computers.
    Link,
    /// A file moved on.
    Transfer {
        /// Draft or message id.
        owner: String,
        /// Attachment id.
        file: String,
        /// Bytes done.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// New envelopes came: what a notification may say.
    Arrived {
        /// How many wait.
        waiting: u32,
        /// The latest sender's name, when the vault is open.
        sender: Option<String>,
    },
}
