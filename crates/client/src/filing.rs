//! Filing: what an opened message becomes on the disk, in one commit (docs/protocol.md section 3,
//! step 10): its row in a list, replay row, place in the conversation, the one-time prekey destroyed,
//! the ciphertext gone.

use crate::app::App;
use crate::failure::Failure;
use crate::history;
use crate::opening::Unopened;
use crate::view::{Change, Folder};
use waxwing_crypto::envelope::Opened;
use waxwing_crypto::message::{self, Body, Message as Signed, Text};
use waxwing_vault::rows::{
    Attachment, Contact, Incoming, MailBox, Message, Party, PrekeySecret, Replay, Row as _, Thread,
    UnknownBody,
};
use waxwing_vault::{Tx, VaultError};
use waxwing_wire::ids::{AccountId, AttachmentId, DeviceId, EnvelopeId, MessageId};
use waxwing_wire::prekey::PrekeyKind;
use zeroize::Zeroizing;

/// Who files.
#[derive(Clone, Copy)]
struct Filer {
    account: AccountId,
    device: DeviceId,
    now: u64,
}

/// What came of filing.
#[derive(Default)]
struct Filed {
    /// A contact wrote to a later card of ours than before.
    is_news: bool,
    in_inbox: bool,
    in_sent: bool,
    /// Files that nothing refers to any more.
    useless: Vec<AttachmentId>,
}

impl App {
    /// Keeps an opened message. True when a person is told that something came.
    pub(crate) async fn keep_opened(
        &self,
        row: &Incoming,
        opened: Opened,
    ) -> Result<bool, Unopened> {
        let (place, received_at) = (row.place(), row.received_at);
        let signer = self.signer().ok_or(Failure::Locked)?;
        let me = Filer {
            account: signer.account,
            device: signer.device,
            now: self.now(),
        };
        let mut rng = self.chance.draw();
        let is_silent = opened.message.body.is_silent();
        let kept = self
            .with_store(move |store| {
                let kept = store.commit(&mut rng, |tx| {
                    tx.create(&Replay {
                        sender: opened.message.sender,
                        message: opened.message.msg_id,
                        until: opened.replay_until,
                    })?;
                    tx.put(&seen(&me.account, opened.env_id, opened.replay_until))?;
                    if opened.used_kind == PrekeyKind::OneTime {
                        tx.delete::<PrekeySecret>(&opened.used_prekey)?;
                    }
                    tx.carriage().remove_incoming(place);
                    file(tx, opened, (place.seq, received_at), me)
                });
                match kept {
                    Err(VaultError::Exists(_)) => Ok(None),
                    Err(error) => Err(error.into()),
                    Ok(filed) => Ok(Some(filed)),
                }
            })
            .await?;
        self.wakers.upkeep.notify_one();
        let filed = kept.ok_or(Unopened::Repeated)?;
        if filed.is_news {
            self.tell(Change::Renewal);
        }
        if filed.in_sent {
            self.tell(Change::Envelopes {
                folder: Folder::Sent,
                id: None,
            });
        }
        if is_silent {
            self.tell(Change::Link);
            self.wakers.history.notify_one();
        }
        for file in filed.useless {
            self.forget_file(file).await;
        }
        Ok(filed.in_inbox)
    }
}

/// Files a message: into its list, or where the app's own word belongs.
fn file(
    tx: &mut Tx<'_>,
    opened: Opened,
    (seq, received_at): (u64, u64),
    me: Filer,
) -> Result<Filed, VaultError> {
    let mut filed = Filed::default();
    let message = opened.message;
    filed.is_news = know_own(tx, &message, &me.account)?;
    match &message.body {
        // Followed before.
        Body::KeyNotice { .. } | Body::KeyShare { .. } => {}
        Body::History(part) => {
            let from = message.device;
            let file = message.attachments.into_iter().next().map(attachment);
            filed.useless = history::arrived(tx, from, *part, file, me.now)?;
        }
        Body::HistoryTaken { history } => {
            history::was_taken(tx, message.device, *history, me.now)?;
        }
        Body::Text(_) | Body::Unknown { .. } => {
            let follows = follow(tx, &message, opened.payload_hash)?;
            let is_own_copy = message.sender == me.account && message.device != me.device;
            let is_to_self = message.recipients.iter().all(|(to, _)| *to == me.account);
            let received = Message {
                gap: follows.missing > 0,
                missing: follows.missing,
                other_before: follows.other_before,
                ..letter(message, seq, received_at, me.now)
            };
            if is_own_copy {
                filed.in_sent = keep(tx, &sent(&received, &me.account))?;
            }
            if !is_own_copy || is_to_self {
                filed.in_inbox = keep(tx, &received)?;
            }
        }
    }
    Ok(filed)
}

/// Writes a message that did not come before with the history of another device.
fn keep(tx: &mut Tx<'_>, message: &Message) -> Result<bool, VaultError> {
    let is_new = tx.load::<Message>(&message.key())?.is_none();
    if is_new {
        tx.put(message)?;
    }
    Ok(is_new)
}

/// What another of the account's devices sent, as it stands in the list of what was sent.
fn sent(received: &Message, me: &AccountId) -> Message {
    let mut message = received.clone();
    let is_to_self = message.recipients.iter().all(|party| party.account == *me);
    for party in &mut message.recipients {
        party.is_copy = party.account == *me && !is_to_self;
    }
    Message {
        mailbox: MailBox::Sent,
        relay_seq: None,
        relay_at: None,
        at: message.claimed_at,
        opened: true,
        ..message
    }
}

/// What a message says about those before it.
struct Follows {
    missing: u64,
    other_before: bool,
}

/// Counts a message in its conversation.
fn follow(
    tx: &mut Tx<'_>,
    message: &Signed,
    hash: waxwing_wire::ids::Digest,
) -> Result<Follows, VaultError> {
    let thread_key = (message.conversation, message.sender, message.device);
    let before = tx.load::<Thread>(&thread_key)?;
    let last_seq = before.as_ref().map_or(0, |thread| thread.seq);
    // Before the first message that is known here there may be others, to a device that was not there
    // yet: only what follows a known one can leave a gap.
    let missing = match &before {
        Some(_) => message.seq.saturating_sub(last_seq + 1),
        None => 0,
    };
    let follows_last = message.seq == last_seq + 1;
    let other_before =
        before.is_some_and(|before| follows_last && message.previous != Some(before.last));
    if message.seq > last_seq {
        tx.put(&Thread {
            conversation: message.conversation,
            account: message.sender,
            device: message.device,
            seq: message.seq,
            last: hash,
        })?;
    }
    Ok(Follows {
        missing,
        other_before,
    })
}

/// Keeps which version of our own card a contact has written to; answers whether that is a later one
/// than was known.
fn know_own(tx: &mut Tx<'_>, message: &Signed, me: &AccountId) -> Result<bool, VaultError> {
    let named = message.recipients.iter().find(|(account, _)| account == me);
    if let Some((_, version)) = named
        && let Some(mut contact) = tx.load::<Contact>(&message.sender)?
        && contact.knows_own < *version
    {
        contact.knows_own = *version;
        tx.put(&contact)?;
        return Ok(true);
    }
    Ok(false)
}

/// Notes that an envelope was opened, beside the notes of messages: under the own account, which is
/// the sender of no other account's envelopes, with the envelope's id in place of a message's.
pub(crate) fn seen(me: &AccountId, envelope: EnvelopeId, until: u64) -> Replay {
    Replay {
        sender: *me,
        message: MessageId::new(*envelope.as_bytes()),
        until,
    }
}

/// The row of an opened message, in the list of what was received.
fn letter(message: Signed, seq: u64, received_at: u64, now: u64) -> Message {
    let (text, unknown) = match message.body {
        Body::Text(text) => (text, None),
        Body::Unknown { content_type, body } => {
            let name = Text {
                subject: Zeroizing::new(content_type.clone()),
                text: Zeroizing::default(),
                in_reply_to: None,
            };
            let unknown = UnknownBody {
                content_type,
                bytes: body,
            };
            (name, Some(unknown))
        }
        // Never kept as a message.
        _ => (
            Text {
                subject: Zeroizing::default(),
                text: Zeroizing::default(),
                in_reply_to: None,
            },
            None,
        ),
    };
    Message {
        id: message.msg_id,
        mailbox: MailBox::Inbox,
        sender: message.sender,
        sender_device: message.device,
        recipients: message
            .recipients
            .into_iter()
            .map(|(account, card_version)| Party {
                account,
                card_version,
                deliveries: Vec::new(),
                left_out: 0,
                is_copy: false,
            })
            .collect(),
        subject: text.subject,
        body: text.text,
        unknown,
        at: now,
        claimed_at: message.sent_at,
        relay_seq: Some(seq),
        relay_at: Some(received_at),
        conversation: message.conversation,
        seq: message.seq,
        previous: message.previous,
        sender_card: Some(message.sender_card),
        gap: false,
        missing: 0,
        other_before: false,
        in_reply_to: text.in_reply_to,
        drop: None,
        attachments: message.attachments.into_iter().map(attachment).collect(),
        opened: false,
    }
}

pub(crate) fn attachment(attachment: message::Attachment) -> Attachment {
    Attachment {
        id: attachment.att_id,
        key: Zeroizing::new(*attachment.key.expose()),
        sealed_length: attachment.sealed_length,
        sha256: attachment.sha256,
        length: attachment.length,
        name: attachment.name,
        media_type: attachment.media_type,
    }
}
