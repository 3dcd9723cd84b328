//! What hangs on messages: the lists, with what is shown of each message in its place; the way back
//! from an envelope; and how many were not looked at. Kept in step by every put and delete of a
//! [`Message`].

use waxwing_wire::ids::{EnvelopeId, MessageId};

use crate::engine::Engine;
use crate::keys::{Keys, decode, encode};
use crate::rows::{Head, MailBox, Message, Row as _};
use crate::{Cursor, Listing, Order, Page, Tx, VaultError, trees};

/// Schema of the index rows.
pub(crate) const SCHEMA: u32 = 1;
/// Length of a message's name within an index row; its envelope follows.
pub(crate) const NAME: usize = 17;

/// A place is a time in seconds and a number within the second of so many bits.
const SECOND_BITS: u32 = 20;

impl MailBox {
    fn places(self) -> &'static str {
        match self {
            Self::Inbox => trees::INBOX_PLACES,
            Self::Sent => trees::SENT_PLACES,
        }
    }
}

/// Before a message is written: gives a new one its place, keeps what is shown there, finds it by
/// its envelopes, counts it.
pub(crate) fn keep(message: &Message, tx: &mut Tx<'_>) -> Result<(), VaultError> {
    let name = Message::name(&message.key());
    let list = message.mailbox.places();
    let number = place(message, &name, tx)?;
    let sealed = tx.seal_small(list, &number, &encode(&message.head())?)?;
    tx.changes_mut().put(list, number, sealed);
    for delivery in message
        .recipients
        .iter()
        .flat_map(|party| &party.deliveries)
    {
        let key = tx
            .keys()
            .hide(trees::ENVELOPES, delivery.envelope.as_ref())?;
        // The envelope too: a re-key finds the row's next key by it.
        let value = [name.as_slice(), delivery.envelope.as_ref()].concat();
        let sealed = tx.seal_small(trees::ENVELOPES, &key, &value)?;
        tx.changes_mut().put(trees::ENVELOPES, key, sealed);
    }
    let key = tx.keys().hide(trees::UNOPENED, &name)?;
    if message.mailbox == MailBox::Inbox && !message.opened {
        let sealed = tx.seal_small(trees::UNOPENED, &key, &[])?;
        tx.changes_mut().put(trees::UNOPENED, key, sealed);
    } else {
        tx.changes_mut().delete(trees::UNOPENED, key);
    }
    Ok(())
}

/// The place of a message in its list, a new one for a new message.
fn place(message: &Message, name: &[u8], tx: &mut Tx<'_>) -> Result<Vec<u8>, VaultError> {
    let placed = tx.keys().hide(trees::PLACED, name)?;
    if let Some(stored) = tx.changes().load(trees::PLACED, &placed)? {
        let number = tx.keys().open(trees::PLACED, SCHEMA, &placed, &stored)?;
        return Ok(number.to_vec());
    }
    let number = next_number(message, tx)?;
    tx.placed_at(message.mailbox, number);
    let number = number.to_be_bytes();
    let sealed = tx.seal_small(trees::PLACED, &placed, &number)?;
    tx.changes_mut().put(trees::PLACED, placed, sealed);
    Ok(number.to_vec())
}

/// Before a message is removed.
pub(crate) fn forget(key: &(MailBox, MessageId), tx: &mut Tx<'_>) -> Result<(), VaultError> {
    let name = Message::name(key);
    let placed = tx.keys().hide(trees::PLACED, &name)?;
    if let Some(stored) = tx.changes().load(trees::PLACED, &placed)? {
        let number = tx.keys().open(trees::PLACED, SCHEMA, &placed, &stored)?;
        tx.changes_mut().delete(key.0.places(), number.to_vec());
        tx.changes_mut().delete(trees::PLACED, placed);
    }
    if let Some(message) = tx.load::<Message>(key)? {
        for delivery in message
            .recipients
            .iter()
            .flat_map(|party| &party.deliveries)
        {
            let key = tx
                .keys()
                .hide(trees::ENVELOPES, delivery.envelope.as_ref())?;
            tx.changes_mut().delete(trees::ENVELOPES, key);
        }
    }
    let key = tx.keys().hide(trees::UNOPENED, &name)?;
    tx.changes_mut().delete(trees::UNOPENED, key);
    Ok(())
}

/// Gives a message that is older than others its place among them, by [`Message::at`]; one that has a
/// place keeps it.
pub(crate) fn place_by_time(message: &Message, tx: &mut Tx<'_>) -> Result<(), VaultError> {
    let placed = tx
        .keys()
        .hide(trees::PLACED, &Message::name(&message.key()))?;
    if tx.changes().load(trees::PLACED, &placed)?.is_none() {
        let number = free_from(message.mailbox, time_number(message), tx)?;
        let sealed = tx.seal_small(trees::PLACED, &placed, &number.to_be_bytes())?;
        tx.changes_mut().put(trees::PLACED, placed, sealed);
    }
    Ok(())
}

/// The first number of a second: a million messages have their places in each.
fn time_number(message: &Message) -> u64 {
    message.at.min(u64::MAX >> SECOND_BITS) << SECOND_BITS
}

/// A number behind the last one, and by the time of the message, seen from inside the commit.
fn next_number(message: &Message, tx: &Tx<'_>) -> Result<u64, VaultError> {
    let engine = tx.changes().engine();
    let tree = message.mailbox.places();
    let last = engine.page(tree, &[], None, Order::NewestFirst, 1)?;
    let stored = match last.first() {
        None => 0,
        Some((key, _)) => number_of(key)?.saturating_add(1),
    };
    // Also behind what was added in this very commit.
    let after = stored.max(tx.after_last_place(message.mailbox));
    free_from(message.mailbox, after.max(time_number(message)), tx)
}

/// The first number that is free: others may have been added in this very commit.
fn free_from(mailbox: MailBox, mut number: u64, tx: &Tx<'_>) -> Result<u64, VaultError> {
    while tx
        .changes()
        .load(mailbox.places(), &number.to_be_bytes())?
        .is_some()
    {
        number = number.checked_add(1).ok_or(VaultError::Corrupt("place"))?;
    }
    Ok(number)
}

fn number_of(key: &[u8]) -> Result<u64, VaultError> {
    key.try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| VaultError::Corrupt("place has a wrong size"))
}

/// A page of one list.
pub(crate) fn page(
    engine: &dyn Engine,
    keys: &Keys,
    mailbox: MailBox,
    page: &Page,
) -> Result<Listing<Head>, VaultError> {
    let tree = mailbox.places();
    let after = page.after.as_ref().map(|cursor| cursor.0.as_slice());
    let places = engine.page(tree, &[], after, page.order, page.limit)?;
    let heads = places
        .iter()
        .map(|(key, stored)| decode(tree, &keys.open(tree, SCHEMA, key, stored)?));
    Ok(Listing {
        rows: heads.collect::<Result<_, _>>()?,
        next: crate::page::next(&places, page.limit).map(Cursor),
        total: engine.count(tree, &[])?,
    })
}

/// The message that went in an envelope.
pub(crate) fn find_envelope(
    engine: &dyn Engine,
    keys: &Keys,
    envelope: &EnvelopeId,
) -> Result<Option<(MailBox, MessageId)>, VaultError> {
    let key = keys.hide(trees::ENVELOPES, envelope.as_ref())?;
    let Some(stored) = engine.load(trees::ENVELOPES, &key)? else {
        return Ok(None);
    };
    let broken = VaultError::DoesNotOpen(trees::ENVELOPES);
    let value = keys.open(trees::ENVELOPES, SCHEMA, &key, &stored)?;
    let (mailbox, rest) = value.split_first().ok_or(broken)?;
    let (id, _) = rest.split_first_chunk::<16>().ok_or(broken)?;
    let mailbox = match mailbox {
        0 => MailBox::Inbox,
        _ => MailBox::Sent,
    };
    Ok(Some((mailbox, MessageId::new(*id))))
}

/// The message of a place.
pub(crate) fn message_at(
    tree: &'static str,
    opened: &[u8],
) -> Result<(MailBox, MessageId), VaultError> {
    let head: Head = decode(tree, opened)?;
    Ok((head.mailbox, head.id))
}
