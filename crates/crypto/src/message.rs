//! A message as its sender signs it: who, to whom, in which conversation, after what, and the text.
//!
//! Sender, recipients, conversation, order and attachments are all inside the signature, and the
//! envelope's header is bound to it, so that a signed text cannot be passed on as if it had been
//! written to somebody else. Carries out docs/protocol.md section 3, "Plaintext".

use core::fmt;

use waxwing_wire::cbor::{self, Fields, ShapeError, Value};
use waxwing_wire::ids::{AccountId, AttachmentId, ConversationId, DeviceId, Digest, MessageId};
use waxwing_wire::limits::{MAX_ATTACHMENTS, MAX_ENVELOPE_BYTES, MAX_RECIPIENTS};
use zeroize::Zeroizing;

use crate::prekey::wipe;
use crate::stream::AttachmentKey;
use crate::vault_header::AccountSeed;

/// Content type of [`Text`].
pub const CONTENT_TEXT: &str = "waxwing/text/v1";
/// Content type of [`Body::KeyNotice`].
pub const CONTENT_KEY_NOTICE: &str = "waxwing/key-notice/v1";
/// Content type of [`Body::KeyShare`].
pub const CONTENT_KEY_SHARE: &str = "waxwing/key-share/v1";
/// Content type of [`Body::History`].
pub const CONTENT_HISTORY: &str = "waxwing/history/v1";
/// Content type of [`Body::HistoryTaken`].
pub const CONTENT_HISTORY_TAKEN: &str = "waxwing/history-taken/v1";
/// Longest file name, bytes.
pub const MAX_NAME_BYTES: usize = 255;

const LABEL: &str = "waxwing/msg/v1";

/// The payload that the sender's device signs.
pub struct Message {
    /// Random; a re-sealed message keeps it.
    pub msg_id: MessageId,
    /// The conversation.
    pub conversation: ConversationId,
    /// The sender's account.
    pub sender: AccountId,
    /// The sender's device.
    pub device: DeviceId,
    /// `H(sender's card)` at the time.
    pub sender_card: Digest,
    /// Every recipient account with the version of the card that was first sealed to. A sender who has
    /// other devices lists its own account too. Order does not matter; it is sorted when encoded.
    pub recipients: Vec<(AccountId, u64)>,
    /// The sender's clock, Unix seconds.
    pub sent_at: u64,
    /// Counts this device's messages in this conversation from 1, so that a gap shows.
    pub seq: u64,
    /// `H(payload)` of this device's message before in this conversation (see
    /// [`Message::hash_of`]); `None` for the first.
    pub previous: Option<Digest>,
    /// What is said.
    pub body: Body,
    /// Files that go with it.
    pub attachments: Vec<Attachment>,
}

/// What a message says.
pub enum Body {
    /// Subject and text.
    Text(Text),
    /// The sender's keys were replaced; says nothing that the card does not say, and is shown to nobody.
    KeyNotice {
        /// The version of the sender's card under the new keys.
        version: u64,
    },
    /// The account's new identity key, for the account's other devices alone (docs/protocol.md section 17).
    KeyShare {
        /// The version of the card under the new key.
        version: u64,
        /// The key.
        account: AccountSeed,
    },
    /// One part of what the account's other device remembers (docs/protocol.md section 8), as the one
    /// attachment; between devices of one account, and shown to nobody.
    History(HistoryPart),
    /// The other device has taken in a whole history.
    HistoryTaken {
        /// Which.
        history: [u8; 16],
    },
    /// Something newer than this program: kept, not shown.
    Unknown {
        /// Its content type.
        content_type: String,
        /// Its bytes.
        body: Zeroizing<Vec<u8>>,
    },
}

/// `{1: history, 2: begun, 3: number, 4: 1 for the last, 5: total}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryPart {
    /// Names the whole; random.
    pub history: [u8; 16],
    /// When the whole was begun, Unix seconds: a later one takes the place of an earlier one.
    pub begun: u64,
    /// Its place, from 1.
    pub number: u64,
    /// No other part follows.
    pub is_last: bool,
    /// Bytes in all, as foreseen when it was begun: for a progress line alone.
    pub total: u64,
}

/// Subject and text, `{1: subject, 2: text, ?3: in_reply_to}`.
pub struct Text {
    /// May be empty.
    pub subject: Zeroizing<String>,
    /// May be empty.
    pub text: Zeroizing<String>,
    /// The message that it answers.
    pub in_reply_to: Option<MessageId>,
}

/// An attachment's descriptor (docs/protocol.md section 5): where it is and how to open it.
pub struct Attachment {
    /// Its id at the relay, bound into its encryption.
    pub att_id: AttachmentId,
    /// Its key.
    pub key: AttachmentKey,
    /// Length of the ciphertext, bytes.
    pub sealed_length: u64,
    /// SHA-256 of the ciphertext.
    pub sha256: Digest,
    /// True length, bytes: the rest is padding.
    pub length: u64,
    /// File name without a path, at most [`MAX_NAME_BYTES`].
    pub name: String,
    /// Media type, as the sender believes.
    pub media_type: String,
}

// None of these prints what people wrote.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({})", self.msg_id)
    }
}

/// `external_aad` of the message's signature: `det-CBOR(["waxwing/msg/v1", H(hdr)])`.
pub(crate) fn signature_aad(header_hash: &Digest) -> Vec<u8> {
    cbor::encode(&Value::Array(vec![
        Value::from(LABEL),
        cbor::bytes(header_hash),
    ]))
}

impl Message {
    /// `H(payload)`: what the next message names as its `previous`.
    pub fn hash_of(payload: &[u8]) -> Digest {
        Digest::of(payload)
    }

    /// The deterministic CBOR that is signed.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let (content_type, body) = self.body.encode();
        let mut recipients = self.recipients.clone();
        recipients.sort_unstable();
        let recipients = recipients
            .into_iter()
            .map(|(account, version)| {
                Value::Array(vec![cbor::bytes(account), Value::from(version)])
            })
            .collect();
        let attachments = self.attachments.iter().map(Attachment::to_value).collect();
        let mut value = cbor::map([
            (1, cbor::bytes(self.msg_id)),
            (2, cbor::bytes(self.conversation)),
            (3, cbor::bytes(self.sender)),
            (4, cbor::bytes(self.device)),
            (5, cbor::bytes(self.sender_card)),
            (6, Value::Array(recipients)),
            (7, Value::from(self.sent_at)),
            (8, Value::from(self.seq)),
            (9, cbor::or_null(self.previous.map(cbor::bytes))),
            (10, Value::from(content_type)),
            (11, cbor::bytes(body.as_slice())),
            (12, Value::Array(attachments)),
        ]);
        let encoded = Zeroizing::new(cbor::encode(&value));
        wipe(&mut value);
        encoded
    }

    /// Reads a payload strictly, for example one that this computer saved. Proves nothing.
    ///
    /// # Errors
    /// [`ShapeError`], also for repeated or unsorted recipients and for file names with a path.
    pub fn decode(payload: &[u8]) -> Result<Self, ShapeError> {
        let value = cbor::decode(payload, MAX_ENVELOPE_BYTES)?;
        let mut fields = Fields::open(value, "message")?;
        let message = Self {
            msg_id: fields.id(1, "msg_id")?,
            conversation: fields.id(2, "conversation")?,
            sender: fields.id(3, "sender")?,
            device: fields.id(4, "device")?,
            sender_card: fields.id(5, "sender card")?,
            recipients: decode_recipients(fields.array(6, "recipients")?)?,
            sent_at: fields.uint(7, "sent_at")?,
            seq: fields.uint(8, "seq")?,
            previous: match fields.need(9, "previous")? {
                Value::Null => None,
                value => Some(cbor::as_id(&value, "previous")?),
            },
            body: Body::decode(
                fields.text(10, "content type")?,
                Zeroizing::new(fields.bytes(11, "body")?),
            )?,
            attachments: decode_attachments(fields.array(12, "attachments")?)?,
        };
        fields.finish()?;
        Ok(message)
    }
}

fn decode_recipients(items: Vec<Value>) -> Result<Vec<(AccountId, u64)>, ShapeError> {
    if items.is_empty() || items.len() > MAX_RECIPIENTS {
        return Err(ShapeError::Wrong("recipients"));
    }
    let mut recipients: Vec<(AccountId, u64)> = Vec::with_capacity(items.len());
    for item in items {
        let [account, version] = cbor::as_tuple(item, "recipient")?;
        let account: AccountId = cbor::as_id(&account, "recipient")?;
        if recipients.last().is_some_and(|(last, _)| *last >= account) {
            return Err(ShapeError::Wrong("recipients"));
        }
        recipients.push((account, cbor::as_uint(&version, "card version")?));
    }
    Ok(recipients)
}

pub(crate) fn decode_attachments(items: Vec<Value>) -> Result<Vec<Attachment>, ShapeError> {
    if items.len() > MAX_ATTACHMENTS {
        return Err(ShapeError::Wrong("attachments"));
    }
    items.into_iter().map(Attachment::from_value).collect()
}

impl Body {
    /// A body of subject and text.
    pub fn text(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Text(Text {
            subject: Zeroizing::new(subject.into()),
            text: Zeroizing::new(text.into()),
            in_reply_to: None,
        })
    }

    /// Whether it is the app's own word, and shown to nobody.
    pub fn is_silent(&self) -> bool {
        match self {
            Self::KeyNotice { .. } => true,
            _ => self.is_between_devices(),
        }
    }

    /// Whether only another device of the same account may say it.
    pub fn is_between_devices(&self) -> bool {
        matches!(
            self,
            Self::KeyShare { .. } | Self::History(_) | Self::HistoryTaken { .. }
        )
    }

    fn encode(&self) -> (&str, Zeroizing<Vec<u8>>) {
        match self {
            Self::Text(text) => (CONTENT_TEXT, text.encode()),
            Self::KeyNotice { version } => {
                let body = cbor::encode(&cbor::map([(1, Value::from(*version))]));
                (CONTENT_KEY_NOTICE, Zeroizing::new(body))
            }
            Self::KeyShare { version, account } => {
                let mut value = cbor::map([
                    (1, Value::from(*version)),
                    (2, cbor::bytes(account.expose())),
                ]);
                let body = Zeroizing::new(cbor::encode(&value));
                wipe(&mut value);
                (CONTENT_KEY_SHARE, body)
            }
            Self::History(part) => (CONTENT_HISTORY, Zeroizing::new(part.encode())),
            Self::HistoryTaken { history } => {
                let body = cbor::encode(&cbor::map([(1, cbor::bytes(history))]));
                (CONTENT_HISTORY_TAKEN, Zeroizing::new(body))
            }
            Self::Unknown { content_type, body } => (content_type, body.clone()),
        }
    }

    fn decode(content_type: String, body: Zeroizing<Vec<u8>>) -> Result<Self, ShapeError> {
        match content_type.as_str() {
            CONTENT_TEXT => Text::decode(&body).map(Self::Text),
            CONTENT_KEY_NOTICE => {
                let value = cbor::decode(&body, MAX_ENVELOPE_BYTES)?;
                let mut fields = Fields::open(value, "key notice")?;
                let version = fields.uint(1, "version")?;
                fields.finish()?;
                Ok(Self::KeyNotice { version })
            }
            CONTENT_KEY_SHARE => {
                let value = cbor::decode(&body, MAX_ENVELOPE_BYTES)?;
                let mut fields = Fields::open(value, "key share")?;
                let version = fields.uint(1, "version")?;
                let seed = Zeroizing::new(fields.bytes(2, "account")?);
                fields.finish()?;
                let seed = <[u8; 32]>::try_from(seed.as_slice()).map(Zeroizing::new);
                let seed = seed.map_err(|_| ShapeError::Wrong("account"))?;
                let account = AccountSeed::new(*seed);
                Ok(Self::KeyShare { version, account })
            }
            CONTENT_HISTORY => HistoryPart::decode(&body).map(Self::History),
            CONTENT_HISTORY_TAKEN => {
                let value = cbor::decode(&body, MAX_ENVELOPE_BYTES)?;
                let mut fields = Fields::open(value, "history taken")?;
                let history = history_id(fields.bytes(1, "history")?)?;
                fields.finish()?;
                Ok(Self::HistoryTaken { history })
            }
            _ => Ok(Self::Unknown { content_type, body }),
        }
    }
}

impl HistoryPart {
    fn encode(&self) -> Vec<u8> {
        cbor::encode(&cbor::map([
            (1, cbor::bytes(self.history)),
            (2, Value::from(self.begun)),
            (3, Value::from(self.number)),
            (4, Value::from(u64::from(self.is_last))),
            (5, Value::from(self.total)),
        ]))
    }

    fn decode(bytes: &[u8]) -> Result<Self, ShapeError> {
        let value = cbor::decode(bytes, MAX_ENVELOPE_BYTES)?;
        let mut fields = Fields::open(value, "history")?;
        let part = Self {
            history: history_id(fields.bytes(1, "history")?)?,
            begun: fields.uint(2, "begun")?,
            number: fields.uint(3, "number")?,
            is_last: match fields.uint(4, "last")? {
                0 => false,
                1 => true,
                _ => return Err(ShapeError::Wrong("last")),
            },
            total: fields.uint(5, "total")?,
        };
        fields.finish()?;
        Ok(part)
    }
}

fn history_id(bytes: Vec<u8>) -> Result<[u8; 16], ShapeError> {
    bytes.try_into().map_err(|_| ShapeError::Wrong("history"))
}

impl Text {
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut entries = vec![
            (1, Value::from(self.subject.as_str())),
            (2, Value::from(self.text.as_str())),
        ];
        if let Some(message) = self.in_reply_to {
            entries.push((3, cbor::bytes(message)));
        }
        let mut value = cbor::map(entries);
        let encoded = Zeroizing::new(cbor::encode(&value));
        wipe(&mut value);
        encoded
    }

    fn decode(bytes: &[u8]) -> Result<Self, ShapeError> {
        let mut fields = Fields::open(cbor::decode(bytes, MAX_ENVELOPE_BYTES)?, "text")?;
        let text = Self {
            subject: Zeroizing::new(fields.text(1, "subject")?),
            text: Zeroizing::new(fields.text(2, "text")?),
            in_reply_to: match fields.take(3) {
                None => None,
                Some(value) => Some(cbor::as_id(&value, "in_reply_to")?),
            },
        };
        fields.finish()?;
        Ok(text)
    }
}

impl Attachment {
    pub(crate) fn to_value(&self) -> Value {
        cbor::map([
            (1, cbor::bytes(self.att_id)),
            (2, cbor::bytes(self.key.expose())),
            (3, Value::from(self.sealed_length)),
            (4, cbor::bytes(self.sha256)),
            (5, Value::from(self.length)),
            (6, Value::from(self.name.as_str())),
            (7, Value::from(self.media_type.as_str())),
        ])
    }

    fn from_value(value: Value) -> Result<Self, ShapeError> {
        let mut fields = Fields::open(value, "attachment")?;
        let key = Zeroizing::new(fields.bytes(2, "attachment key")?);
        let key = <[u8; 32]>::try_from(key.as_slice())
            .map(Zeroizing::new)
            .map_err(|_| ShapeError::Wrong("attachment key"))?;
        let attachment = Self {
            att_id: fields.id(1, "att_id")?,
            key: AttachmentKey::new(*key),
            sealed_length: fields.uint(3, "sealed length")?,
            sha256: fields.id(4, "sha256")?,
            length: fields.uint(5, "length")?,
            name: fields.text(6, "name")?,
            media_type: fields.text(7, "media type")?,
        };
        fields.finish()?;
        if attachment.length > attachment.sealed_length || !is_file_name(&attachment.name) {
            return Err(ShapeError::Wrong("attachment"));
        }
        Ok(attachment)
    }
}

/// A name that can stand in a folder: no path, no control characters, not empty.
fn is_file_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name != "."
        && name != ".."
        && !name
            .chars()
            .any(|c| c == '/' || c == '\\' || c.is_control())
}
