//! Sealing: a message signed, sealed to its recipients' prekeys and put into their lanes, within
//! one commit (docs/protocol.md section 3).

use crate::failure::Failure;
use crate::prekeys::own_card;
use crate::spares::{Devices, Taken, take_spares};
use crate::view::Reason;
use waxwing_crypto::envelope::{SealError, Sealed, seal};
use waxwing_crypto::keys::DeviceKey;
use waxwing_crypto::message::{self, Body, Text};
use waxwing_crypto::stream::AttachmentKey;
use waxwing_vault::Tx;
use waxwing_vault::rows::{
    Attachment, Contact, Delivery, DeliveryState, Draft, MailBox, Message, Outgoing, OutgoingId,
    OutgoingState, OwnCard, Party, Thread, Upload,
};
use waxwing_wire::envelope::{Header, Submission};
use waxwing_wire::ids::{AccountId, ConversationId, DeviceId, Digest, EnvelopeId, MessageId};
use waxwing_wire::limits::{MAX_RECIPIENTS, MAX_TTL};
use waxwing_wire::prekey::VerifiedPrekey;

/// Who seals.
pub(crate) struct Me {
    pub(crate) account: AccountId,
    pub(crate) device: DeviceId,
}

pub(crate) fn seal_draft(
    tx: &mut Tx<'_>,
    draft: &Draft,
    me: &Me,
    key: &DeviceKey,
    now: u64,
    rng: &mut rand::rngs::StdRng,
) -> Result<MessageId, Failure> {
    let own = own_card(&tx.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?)?;
    let (mut parties, mut prekeys) = choose_prekeys(tx, &draft.to, Devices::All, now)?;
    if !draft.to.contains(&me.account) && draft.to.len() < MAX_RECIPIENTS {
        // The account's other devices keep what this one sends. Without prekeys of theirs it leaves too.
        match choose_prekeys(tx, &[me.account], Devices::AllBut(me.device), now) {
            Ok((copies, theirs)) => {
                parties.extend(copies.into_iter().map(|party| Party {
                    is_copy: true,
                    ..party
                }));
                prekeys.extend(theirs);
            }
            Err(Failure::Relay { .. } | Failure::ContactHeld { .. }) => {}
            Err(failure) => return Err(failure),
        }
    }
    let members = [&draft.to[..], &[me.account]].concat();
    let conversation = ConversationId::derive(&members);
    let thread = tx.load::<Thread>(&(conversation, me.account, me.device))?;
    let attachments: Vec<Attachment> = draft
        .files
        .iter()
        .filter_map(|file| file.sealed.clone())
        .collect();
    let mut row = Message {
        id: MessageId::generate(rng),
        mailbox: MailBox::Sent,
        sender: me.account,
        sender_device: me.device,
        recipients: parties,
        subject: draft.subject.clone(),
        body: draft.body.clone(),
        unknown: None,
        at: now,
        claimed_at: now,
        relay_seq: None,
        relay_at: None,
        conversation,
        seq: thread.as_ref().map_or(0, |thread| thread.seq) + 1,
        previous: thread.map(|thread| thread.last),
        sender_card: Some(own.hash()),
        gap: false,
        missing: 0,
        other_before: false,
        in_reply_to: draft.in_reply_to,
        drop: None,
        attachments,
        opened: true,
    };
    let sealed = seal_row(&row, own.hash(), key, &prekeys, now, rng)?;
    tx.put(&Thread {
        conversation,
        account: me.account,
        device: me.device,
        seq: row.seq,
        last: sealed.payload_hash,
    })?;
    queue(tx, &mut row, &sealed, now, rng)?;
    tx.put(&row)?;
    Ok(row.id)
}

pub(crate) fn seal_for_one(
    tx: &mut Tx<'_>,
    message: MessageId,
    account: AccountId,
    key: &DeviceKey,
    now: u64,
    rng: &mut rand::rngs::StdRng,
) -> Result<(), Failure> {
    let mut row = tx
        .load::<Message>(&(MailBox::Sent, message))?
        .ok_or(Failure::NotFound)?;
    let own = own_card(&tx.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?)?;
    let this = row.sender_device;
    let mut parties = row.recipients.iter_mut();
    let party = parties.find(|party| party.account == account);
    let party = party.ok_or(Failure::NotFound)?;
    let devices = if party.is_copy {
        Devices::AllBut(this)
    } else {
        Devices::All
    };
    // What was signed stays: the next message names the hash of this one.
    party.deliveries = Vec::new();
    let prekeys = match choose_prekeys(tx, &[account], devices, now) {
        Ok((chosen, prekeys)) => {
            party.left_out = chosen.iter().map(|chosen| chosen.left_out).sum();
            prekeys
        }
        // There is no other device any more.
        Err(Failure::Relay { .. }) if party.is_copy => return Ok(tx.put(&row)?),
        Err(failure) => return Err(failure),
    };
    let sender_card = row.sender_card.unwrap_or_else(|| own.hash());
    let sealed = seal_row(&row, sender_card, key, &prekeys, now, rng)?;
    queue(tx, &mut row, &sealed, now, rng)?;
    Ok(tx.put(&row)?)
}

/// One prekey for each of these devices of each recipient, taken from what is at hand.
fn choose_prekeys(
    tx: &mut Tx<'_>,
    to: &[AccountId],
    devices: Devices,
    now: u64,
) -> Result<(Vec<Party>, Vec<VerifiedPrekey>), Failure> {
    let mut parties = Vec::new();
    let mut prekeys = Vec::new();
    for account in to {
        let mut contact = tx.load::<Contact>(account)?.ok_or(Failure::NotFound)?;
        if contact.held {
            return Err(Failure::ContactHeld {
                account: account.to_string(),
            });
        }
        let Taken {
            card,
            prekeys: taken,
            left_out,
        } = take_spares(&mut contact, devices, now).ok_or(Failure::Relay {
            reason: Reason::RecipientKeysMissing,
        })?;
        tx.put(&contact)?;
        prekeys.extend(taken);
        parties.push(Party {
            account: *account,
            card_version: card.body().version,
            deliveries: Vec::new(),
            left_out,
            is_copy: false,
        });
    }
    Ok((parties, prekeys))
}

fn seal_row(
    row: &Message,
    sender_card: Digest,
    key: &DeviceKey,
    prekeys: &[VerifiedPrekey],
    now: u64,
    rng: &mut rand::rngs::StdRng,
) -> Result<Sealed, Failure> {
    let message = message::Message {
        msg_id: row.id,
        conversation: row.conversation,
        sender: row.sender,
        device: row.sender_device,
        sender_card,
        recipients: row
            .recipients
            .iter()
            .map(|party| (party.account, party.card_version))
            .collect(),
        sent_at: row.claimed_at,
        seq: row.seq,
        previous: row.previous,
        body: Body::Text(Text {
            subject: row.subject.clone(),
            text: row.body.clone(),
            in_reply_to: row.in_reply_to,
        }),
        attachments: row.attachments.iter().map(descriptor).collect(),
    };
    seal_message(&message, key, prekeys, now, rng)
}

fn seal_message(
    message: &message::Message,
    key: &DeviceKey,
    prekeys: &[VerifiedPrekey],
    now: u64,
    rng: &mut rand::rngs::StdRng,
) -> Result<Sealed, Failure> {
    let header = Header {
        env_id: EnvelopeId::generate(rng),
        expires_at: now + MAX_TTL,
    };
    seal(message, key, prekeys, header, rng).map_err(|error| match error {
        SealError::TooLarge => Failure::Relay {
            reason: Reason::TooLarge,
        },
        SealError::NoRecipients | SealError::BadPrekey => Failure::Relay {
            reason: Reason::RecipientKeysMissing,
        },
        SealError::WrongRecipient | SealError::Invalid => Failure::internal("seal"),
    })
}

/// Puts each recipient's submission at the end of their lane.
fn queue(
    tx: &mut Tx<'_>,
    row: &mut Message,
    sealed: &Sealed,
    now: u64,
    rng: &mut rand::rngs::StdRng,
) -> Result<(), Failure> {
    for (account, submission) in &sealed.submissions {
        let mut parties = row.recipients.iter_mut();
        if let Some(party) = parties.find(|party| party.account == *account) {
            let files = &row.attachments;
            let silent = party.is_copy;
            party.deliveries = append(tx, *account, submission, (files, silent), now, rng)?;
        }
    }
    Ok(())
}

/// What a message tells of an attachment.
fn descriptor(attachment: &Attachment) -> message::Attachment {
    message::Attachment {
        att_id: attachment.id,
        key: AttachmentKey::new(*attachment.key),
        sealed_length: attachment.sealed_length,
        sha256: attachment.sha256,
        length: attachment.length,
        name: attachment.name.clone(),
        media_type: attachment.media_type.clone(),
    }
}

/// What the app says by itself, and to whom.
pub(crate) struct Word<'a> {
    pub(crate) to: AccountId,
    pub(crate) devices: Devices,
    pub(crate) body: Body,
    pub(crate) files: &'a [Attachment],
}

/// Seals the app's own word to somebody, at the end of their lane. Gives where it goes.
pub(crate) fn seal_word(
    tx: &mut Tx<'_>,
    word: Word<'_>,
    me: &Me,
    key: &DeviceKey,
    now: u64,
    rng: &mut rand::rngs::StdRng,
) -> Result<Vec<Delivery>, Failure> {
    let own = own_card(&tx.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?)?;
    let (parties, prekeys) = choose_prekeys(tx, &[word.to], word.devices, now)?;
    // It stands for itself: the conversation's counter stays, so that none of it is ever missed there.
    let message = message::Message {
        msg_id: MessageId::generate(rng),
        conversation: ConversationId::derive(&[me.account, word.to]),
        sender: me.account,
        device: me.device,
        sender_card: own.hash(),
        recipients: parties
            .iter()
            .map(|party| (party.account, party.card_version))
            .collect(),
        sent_at: now,
        seq: 1,
        previous: None,
        body: word.body,
        attachments: word.files.iter().map(descriptor).collect(),
    };
    let sealed = seal_message(&message, key, &prekeys, now, rng)?;
    let mut deliveries = Vec::new();
    for (account, submission) in &sealed.submissions {
        deliveries.extend(append(
            tx,
            *account,
            submission,
            (word.files, true),
            now,
            rng,
        )?);
    }
    Ok(deliveries)
}

/// Puts one recipient's submission at the end of their lane, with its files, and whether a person is
/// shown nothing of it.
fn append(
    tx: &mut Tx<'_>,
    account: AccountId,
    submission: &Submission,
    (files, silent): (&[Attachment], bool),
    now: u64,
    rng: &mut rand::rngs::StdRng,
) -> Result<Vec<Delivery>, Failure> {
    let to: Vec<_> = submission.entries.iter().map(|(to, _)| *to).collect();
    let envelope = submission.header.env_id;
    let mut outgoing = Outgoing {
        id: OutgoingId::generate(rng),
        lane: tx.lane(&account)?,
        position: 0,
        envelope,
        to: to.clone(),
        relay: 0,
        uploads: files
            .iter()
            .map(|file| Upload {
                id: file.id,
                length: file.sealed_length,
                sha256: file.sha256,
                sent: 0,
                announced: false,
                complete: false,
            })
            .collect(),
        length: 0,
        state: OutgoingState::Queued,
        reason: None,
        attempts: 0,
        next_try: 0,
        queued_at: now,
        expires_at: submission.header.expires_at,
        is_notice: silent,
    };
    tx.carriage().append(&mut outgoing, &submission.encode())?;
    Ok(to
        .into_iter()
        .map(|to| Delivery {
            to,
            envelope,
            state: DeliveryState::Sealed,
            since: now,
        })
        .collect())
}
