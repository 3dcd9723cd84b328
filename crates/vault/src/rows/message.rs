//! A message, received or sent, as the reader shows it.

use serde::{Deserialize, Serialize};
use waxwing_wire::ids::{
    AccountId, AttachmentId, ConversationId, DeviceId, Digest, DropId, EnvelopeId, MailboxId,
    MessageId,
};
use zeroize::Zeroizing;

use super::Row;
use crate::{Tx, VaultError};

/// Characters of a text that a list shows.
const PREVIEW: usize = 140;

/// Which list a message stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MailBox {
    /// Received.
    Inbox,
    /// Sealed and sent here.
    Sent,
}

impl MailBox {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Inbox => 0,
            Self::Sent => 1,
        }
    }
}

/// A message (docs/protocol.md section 3, payload). Text is zeroized on drop.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Random; a re-sealed message keeps it. One row per id and list.
    pub id: MessageId,
    /// Which list it stands in.
    pub mailbox: MailBox,
    /// Who sent it; this account for [`MailBox::Sent`].
    pub sender: AccountId,
    /// The device that signed it.
    pub sender_device: DeviceId,
    /// All recipients as signed, with what is known of the delivery to each (empty for received).
    pub recipients: Vec<Party>,
    /// The first line as written.
    pub subject: Zeroizing<String>,
    /// The text.
    pub body: Zeroizing<String>,
    /// A body that is no text, of a content type that this version cannot show: kept for one that
    /// can.
    #[serde(default)]
    pub unknown: Option<UnknownBody>,
    /// When it was opened here (inbox) or sealed here (sent); the time to show and sort by is the
    /// relay's for the inbox.
    pub at: u64,
    /// The time the sender claims (signed `sent_at`).
    pub claimed_at: u64,
    /// Relay's sequence number in this device's mailbox, for received ones.
    pub relay_seq: Option<u64>,
    /// When the relay says that it received the envelope.
    pub relay_at: Option<u64>,
    /// Conversation it belongs to.
    pub conversation: ConversationId,
    /// Sender's counter per device and conversation.
    pub seq: u64,
    /// `H(payload)` of the sender's previous message in the conversation, as signed.
    pub previous: Option<Digest>,
    /// `H(card)` of the sender's card, as signed: a message that is sealed again stays the same,
    /// byte for byte.
    #[serde(default)]
    pub sender_card: Option<Digest>,
    /// A gap before it: `seq` did not follow what was known.
    pub gap: bool,
    /// How many messages are missing in the gap.
    #[serde(default)]
    pub missing: u64,
    /// `previous` names another message than the one that came before it here.
    #[serde(default)]
    pub other_before: bool,
    /// What it answers.
    pub in_reply_to: Option<MessageId>,
    /// The drop box that it came through. Nobody vouches for who wrote it then: the sender is this
    /// account, and says nothing.
    #[serde(default)]
    pub drop: Option<DropSource>,
    /// Files that came or went with it.
    pub attachments: Vec<Attachment>,
    /// The person has looked at it.
    pub opened: bool,
}

/// What a list shows of a message. It stands in the list itself, sealed, so that a page of a list is
/// a few neighbouring rows and no text is opened that nobody reads. Text is zeroized on drop.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// As [`Message::id`].
    pub id: MessageId,
    /// As [`Message::mailbox`].
    pub mailbox: MailBox,
    /// As [`Message::sender`].
    pub sender: AccountId,
    /// As [`Message::recipients`].
    pub recipients: Vec<Party>,
    /// As [`Message::subject`].
    pub subject: Zeroizing<String>,
    /// The beginning of the text: whole words, in one line, of at most 140 characters.
    pub preview: Zeroizing<String>,
    /// As [`Message::at`].
    pub at: u64,
    /// As [`Message::claimed_at`].
    pub claimed_at: u64,
    /// As [`Message::relay_at`].
    pub relay_at: Option<u64>,
    /// As [`Message::drop`].
    #[serde(default)]
    pub drop: Option<DropSource>,
    /// How many files came or went with it.
    pub attachments: u32,
    /// As [`Message::opened`].
    pub opened: bool,
}

impl Message {
    /// What a list shows of it.
    pub fn head(&self) -> Head {
        Head {
            id: self.id,
            mailbox: self.mailbox,
            sender: self.sender,
            recipients: self.recipients.clone(),
            subject: self.subject.clone(),
            preview: preview(&self.body),
            at: self.at,
            claimed_at: self.claimed_at,
            relay_at: self.relay_at,
            drop: self.drop.clone(),
            attachments: u32::try_from(self.attachments.len()).unwrap_or(u32::MAX),
            opened: self.opened,
        }
    }
}

/// Whole words from the beginning of a text, in one line; a word that is longer than all is cut.
fn preview(body: &str) -> Zeroizing<String> {
    // Room for the longest, so that growing leaves no copy behind.
    let mut preview = Zeroizing::new(String::with_capacity(PREVIEW * 4));
    let mut length = 0;
    for word in body.split_whitespace() {
        let space = usize::from(length > 0);
        length += space + word.chars().count();
        if length > PREVIEW {
            break;
        }
        preview.push_str(&" "[..space]);
        preview.push_str(word);
    }
    if preview.is_empty() {
        preview.extend(body.trim().chars().take(PREVIEW));
    }
    preview
}

/// Where a message came from that nobody signed (docs/protocol.md section 18).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropSource {
    /// The drop box.
    pub id: DropId,
    /// What it was called then.
    pub name: String,
    /// How to reach who wrote it, in the writer's own words.
    pub reach: Option<Zeroizing<String>>,
    /// The envelope, of which the receipt has the first bytes.
    pub envelope: EnvelopeId,
}

/// What a message says in a form that is newer than this version.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct UnknownBody {
    /// Its content type, as signed.
    pub content_type: String,
    /// Its bytes.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// One recipient of a message and how far it got on each of his devices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Party {
    /// The recipient.
    pub account: AccountId,
    /// The card version it was sealed for (signed).
    pub card_version: u64,
    /// One entry per device it was sealed to; empty on received messages.
    pub deliveries: Vec<Delivery>,
    /// Devices that it was not sealed to, because they had no prekey.
    #[serde(default)]
    pub left_out: u32,
    /// The account's own other devices, which get what is sent to others: not shown as a recipient.
    #[serde(default)]
    pub is_copy: bool,
}

/// How far one envelope got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The recipient's mailbox.
    pub to: MailboxId,
    /// The envelope; a re-sealed one has a new id.
    pub envelope: EnvelopeId,
    /// How far it got.
    pub state: DeliveryState,
    /// Since when.
    pub since: u64,
}

/// How far one envelope got: sealed → at relay → fetched, or a side state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DeliveryState {
    /// Sealed here, in the outbox.
    Sealed,
    /// Held here until the owner decides about a changed key.
    Held,
    /// The relay has it.
    AtRelay,
    /// The recipient's device has the ciphertext on its disk.
    Fetched,
    /// The recipient's device could not open it and asked for another; it is being re-sealed.
    Retry,
    /// Nobody fetched it in time.
    Expired,
    /// Taken back before it was fetched.
    Recalled,
    /// The relay refused it for good.
    Refused,
    /// The relay does not know it.
    Unknown,
}

/// An attachment descriptor (docs/protocol.md section 5). Holds the key.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its id at the relay.
    pub id: AttachmentId,
    /// The attachment's own key, 32 bytes.
    pub key: Zeroizing<[u8; 32]>,
    /// Length of the ciphertext in bytes.
    pub sealed_length: u64,
    /// SHA-256 of the ciphertext.
    pub sha256: Digest,
    /// Length of the file in bytes.
    pub length: u64,
    /// File name as the sender wrote it; never used as a path unchecked.
    pub name: String,
    /// Media type as the sender wrote it.
    pub media_type: String,
}

impl core::fmt::Debug for Message {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("mailbox", &self.mailbox)
            .finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Head {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Head")
            .field("id", &self.id)
            .field("mailbox", &self.mailbox)
            .finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Attachment")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Row for Message {
    type Key = (MailBox, MessageId);
    const TREE: &'static str = "messages";

    fn key(&self) -> Self::Key {
        (self.mailbox, self.id)
    }

    fn name((mailbox, id): &Self::Key) -> Vec<u8> {
        [&[mailbox.number()], id.as_bytes().as_slice()].concat()
    }

    fn before_put(&self, tx: &mut Tx<'_>) -> Result<(), VaultError> {
        crate::lists::keep(self, tx)
    }

    fn before_delete(key: &Self::Key, tx: &mut Tx<'_>) -> Result<(), VaultError> {
        crate::lists::forget(key, tx)
    }
}
