//! What a window shows: plain values, made fresh for each question, holding no key.
//!
//! Field names and tags are the contract with the face (`ui/src/ipc/bindings.ts` is generated
//! from these types). Times are milliseconds since the Unix epoch, sizes are bytes and ids are
//! lower-case hex; both stay far below 2⁵³, up to which JavaScript reads them without loss.

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

/// A list in the rail. Drafts have their own question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum Folder {
    /// What came in.
    Inbox,
    /// Sealed here, not yet at the relay.
    Outbox,
    /// At the relay or beyond.
    Sent,
}

/// How far an outgoing envelope is, for one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum OutgoingState {
    /// Sealed, not yet in its lane.
    Sealed,
    /// In its lane.
    Queued {
        /// An earlier envelope to the same recipient goes first.
        behind: bool,
    },
    /// Under way.
    Sending {
        /// Bytes the relay has.
        done: Bytes,
        /// Bytes in all.
        total: Bytes,
    },
    /// Failed for now.
    Retrying {
        /// Why.
        reason: Reason,
        /// When it is tried again.
        next_try: Millis,
    },
    /// Failed until the person acts.
    NeedsYou {
        /// Why.
        reason: Reason,
    },
    /// The relay keeps it.
    AtRelay,
    /// The recipient's computer has it.
    Fetched,
    /// It was not fetched in time.
    Expired,
    /// Taken back before it was fetched.
    Recalled,
}

/// How far an incoming envelope is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum IncomingState {
    /// Not yet opened by the person.
    Waiting,
    /// Opened.
    Opened,
    /// Kept, but it cannot be opened.
    Unopenable {
        /// Why.
        reason: Unopenable,
    },
}

/// Why an envelope cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum Unopenable {
    /// It was sealed to a key that is no longer here.
    UnknownKey,
    /// It fails its checks.
    Damaged,
    /// Its sender's card cannot be found.
    UnknownSender,
    /// Its sender's card is not the one that is pinned.
    SenderChanged,
    /// It names other recipients.
    NotForMe,
    /// It came after its time.
    Expired,
}

/// Somebody at the other end, with the trust state in a place of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Party {
    /// Account id.
    pub account: String,
    /// The name that this person gave them.
    pub name: String,
    /// `name@relay`.
    pub address: String,
    /// What is known of their key.
    pub compared: ComparedState,
}

/// What is known of a contact's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum ComparedState {
    /// Never compared.
    NotCompared,
    /// Compared and the same.
    Compared,
    /// Changed, and the previous key signed the new one.
    ChangedSigned,
    /// Changed without proof from the previous key.
    ChangedUnexplained,
    /// Compared, and the codes differed: sending is held.
    Differs,
    /// This account itself.
    You,
}

/// A recipient and how far it is for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    /// Who.
    pub party: Party,
    /// How far.
    pub state: OutgoingState,
    /// How many of their computers get nothing, because they have published no keys.
    pub left_out: u32,
}

/// A line of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct EnvelopeRow {
    /// Message id.
    pub id: String,
    /// The list it stands in.
    pub folder: Folder,
    /// The sender of an incoming envelope; none while it cannot be opened.
    pub from: Option<Party>,
    /// The recipients of an outgoing one.
    pub to: Vec<Recipient>,
    /// How far an incoming one is.
    pub incoming: Option<IncomingState>,
    /// Subject.
    pub subject: String,
    /// The first words.
    pub preview: String,
    /// When the relay received it, or when it was sent from here.
    pub at: Millis,
    /// The sender's own time, when it disagrees.
    pub claimed_at: Option<Millis>,
    /// How many files it carries.
    pub attachments: u32,
}

/// Part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next part begins; none at the end.
    pub next: Option<String>,
    /// How many rows there are in all.
    pub total: u32,
}

/// One envelope, opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct EnvelopeView {
    /// Its line.
    pub row: EnvelopeRow,
    /// The text.
    pub body: String,
    /// Its content type, when this version cannot show it; it is kept for one that can.
    pub unknown_kind: Option<String>,
    /// Its files.
    pub files: Vec<FileView>,
    /// The message it answers.
    pub in_reply_to: Option<String>,
    /// Messages of the same conversation that should have come before it and did not.
    pub missing_before: u32,
    /// The message before it, as its sender signed it, is not the one that came here.
    pub other_before: bool,
}

/// A file of a message or draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct FileView {
    /// Attachment id.
    pub id: String,
    /// File name.
    pub name: String,
    /// True size.
    pub size: Bytes,
    /// Media type.
    #[serde(rename = "type")]
    pub media_type: String,
    /// Where it is.
    pub state: FileState,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum FileState {
    /// The relay keeps it.
    AtRelay,
    /// On its way or being sealed.
    Transferring {
        /// Bytes done.
        done: Bytes,
        /// Bytes in all.
        total: Bytes,
    },
    /// Saved.
    Saved {
        /// Where.
        path: String,
    },
    /// It did not work.
    Failed {
        /// Why.
        reason: Reason,
    },
    /// Sealed on this computer.
    Here,
}

/// An unfinished message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Draft {
    /// Draft id.
    pub id: String,
    /// Account ids of the recipients.
    pub to: Vec<String>,
    /// Subject.
    pub subject: String,
    /// Text.
    pub body: String,
    /// The message it answers.
    pub in_reply_to: Option<String>,
    /// Its files.
    pub files: Vec<FileView>,
    /// When it was last saved.
    pub saved_at: Millis,
}

/// What the person has written so far.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct DraftText {
    /// Account ids of the recipients.
    pub to: Vec<String>,
    /// Subject.
    pub subject: String,
    /// Text.
    pub body: String,
    /// The message it answers.
    pub in_reply_to: Option<String>,
}

/// Somebody this person writes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// Account id.
    pub account: String,
    /// The name this person gave them.
    pub name: String,
    /// `name@relay`.
    pub address: String,
    /// When they were added.
    pub added_at: Millis,
    /// What is known of their key.
    pub compared: ComparedState,
    /// When the key codes were compared.
    pub compared_at: Option<Millis>,
    /// Twelve groups of five digits, the same on both sides.
    pub key_code: Vec<String>,
    /// Everything seen of their key, oldest first.
    pub evidence: Vec<Evidence>,
    /// Sending is held until the person decides.
    pub held: bool,
    /// They wrote first, or were removed: known, but not in the list of contacts.
    pub stranger: bool,
}

/// One thing seen of a contact's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// When.
    pub at: Millis,
    /// What.
    pub kind: EvidenceKind,
}

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum EvidenceKind {
    /// The first card.
    First,
    /// The first card seen here, under a key that is not the account's first.
    FirstChanged,
    /// A later card under the same key.
    Renewed,
    /// A new key that the previous one signed.
    SignedChange,
    /// A new key without the previous one's word.
    UnexplainedChange,
    /// The person compared the key codes.
    Compared,
    /// The person compared the key codes and they differed.
    Differed,
    /// The person accepted an unexplained change.
    Accepted,
    /// The relay showed an older card, which was refused.
    OlderShown,
    /// The relay showed another card of the same version, which was refused.
    OtherShown,
}

/// This account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// Name.
    pub name: String,
    /// `name@relay`.
    pub address: String,
    /// Account id.
    pub account: String,
    /// This account's half of a key code: six groups of five digits.
    pub own_code: Vec<String>,
    /// When the account was made.
    pub created_at: Millis,
    /// Whether the relay publishes the same card; none while that is not known.
    pub relay_agrees: Option<bool>,
}

/// What the person chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// The relay.
    pub relay: RelayChoice,
    /// Minutes without input before the vault locks; none for never.
    pub lock_after_minutes: Option<u32>,
    /// Colours.
    pub theme: Theme,
    /// Language.
    pub language: Language,
    /// What a notification shows.
    pub notifications: Notifications,
    /// Closing the window keeps Waxwing in the tray.
    pub close_to_tray: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            relay: RelayChoice::ThisComputer,
            lock_after_minutes: Some(15),
            theme: Theme::System,
            language: Language::System,
            notifications: Notifications::Count,
            close_to_tray: false,
        }
    }
}

/// Colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum Theme {
    /// As the system.
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// Language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum Language {
    /// As the system.
    System,
    /// English.
    En,
    /// German.
    De,
}

/// What a notification shows. None of them shows text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum Notifications {
    /// No notifications.
    None,
    /// How many envelopes wait.
    Count,
    /// Who they are from.
    Sender,
}

/// How strong a passphrase is, by zxcvbn's estimate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Strength {
    /// 0 (guessed at once) to 4; 3 is the least that is taken.
    pub score: u8,
    /// zxcvbn's warning code.
    pub warning: Option<String>,
    /// Guesses needed, as a power of ten.
    pub guesses_log10: u32,
}

/// What unlocking costs here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct UnlockTime {
    /// Milliseconds, measured on this computer.
    pub milliseconds: u32,
    /// Memory used meanwhile, in MiB.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: u32,
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
    /// Settings.
    Settings,
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
