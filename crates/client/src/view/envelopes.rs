//! Envelopes, drafts and files, and how far each is.

use super::{Bytes, Millis, Party, Reason};
use serde::{Deserialize, Serialize};
use specta::Type;

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
    /// Another of the account's computers sent it, and knows how far it is.
    Elsewhere,
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
    /// The sender of an incoming envelope; none while it cannot be opened, and of a drop.
    pub from: Option<Party>,
    /// The drop box that it came through; nobody vouches for who wrote it then.
    pub drop: Option<DropSource>,
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

/// Where an envelope came from that nobody signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct DropSource {
    /// Drop box id.
    pub id: String,
    /// What the drop box was called then.
    pub name: String,
    /// How to reach who wrote it, in the writer's own words.
    pub reach: Option<String>,
    /// The receipt number that the writer has.
    pub receipt: String,
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
