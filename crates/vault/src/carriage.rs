//! What leaves and arrives while the vault is locked: ciphertext, routing and counts, no names and no
//! text.
//!
//! A [`Carriage`] is a handle of the profile, the same for the locked and the open vault: clone it
//! freely. Ordered storage only; that a lane is strict (only its head is sent) is the client's rule.
//! All calls block on the disk.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use waxwing_wire::ids::{EnvelopeId, MailboxId};

use crate::changes::Changes;
use crate::engine::{Op, all_rows};
use crate::keys::decode;
use crate::rows::LaneId;
use crate::rows::{Incoming, Outgoing, OutgoingId, OwedAck, Place, Relay, Watch};
use crate::shared::Shared;
use crate::trees::{FETCHED, INCOMING, OUTBOX, OWED, PLAIN, SUBMISSIONS, WATCH};
use crate::{Files, Order, VaultError};

const CURSOR: &str = "mailbox-cursor";
const RELAYS: &str = "relays";

/// The rows that are readable while locked.
#[derive(Clone)]
pub struct Carriage {
    shared: Arc<Shared>,
}

impl Carriage {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The first submission of every lane: what may be sent now.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn heads(&self) -> Result<Vec<Outgoing>, VaultError> {
        let current = self.shared.current();
        let engine = current.engine.as_ref();
        let mut heads = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = engine.page(OUTBOX, &[], after.as_deref(), Order::OldestFirst, 1)?;
            let Some((_, value)) = rows.first() else {
                return Ok(heads);
            };
            let head: Outgoing = decode(OUTBOX, value)?;
            after = Some(lane_key(&head.lane, u64::MAX));
            heads.push(head);
        }
    }

    /// The first submission of one lane.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn head(&self, lane: &LaneId) -> Result<Option<Outgoing>, VaultError> {
        let current = self.shared.current();
        let lane = current.lane(lane);
        let engine = current.engine.as_ref();
        let rows = engine.page(OUTBOX, lane.as_bytes(), None, Order::OldestFirst, 1)?;
        rows.first()
            .map(|(_, value)| decode(OUTBOX, value))
            .transpose()
    }

    /// Everything in the outbox, lane by lane, in order.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn outbox(&self) -> Result<Vec<Outgoing>, VaultError> {
        self.all(OUTBOX)
    }

    /// Everything in one lane, in order.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn in_lane(&self, lane: &LaneId) -> Result<Vec<Outgoing>, VaultError> {
        let current = self.shared.current();
        let lane = current.lane(lane);
        let engine = current.engine.as_ref();
        let rows = engine.page(
            OUTBOX,
            lane.as_bytes(),
            None,
            Order::OldestFirst,
            usize::MAX,
        )?;
        rows.iter()
            .map(|(_, value)| decode(OUTBOX, value))
            .collect()
    }

    /// The bytes of one submission, as they go to the relay.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn submission(&self, id: &OutgoingId) -> Result<Option<Vec<u8>>, VaultError> {
        self.shared
            .current()
            .engine
            .load(SUBMISSIONS, id.as_bytes())
    }

    /// How many submissions wait.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn outbox_count(&self) -> Result<u64, VaultError> {
        self.shared.current().engine.count(OUTBOX, &[])
    }

    /// Envelopes fetched and not yet opened, those of each relay in its order.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn incoming(&self) -> Result<Vec<Incoming>, VaultError> {
        self.all(INCOMING)
    }

    /// The bytes of one fetched envelope.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn fetched(&self, place: Place) -> Result<Option<Vec<u8>>, VaultError> {
        self.shared
            .current()
            .engine
            .load(FETCHED, &place_key(place))
    }

    /// How many fetched envelopes are not yet opened.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn incoming_count(&self) -> Result<u64, VaultError> {
        self.shared.current().engine.count(INCOMING, &[])
    }

    /// The relays that this device uses or used, in the order of their numbers.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn relays(&self) -> Result<Vec<Relay>, VaultError> {
        Ok(self.plain(RELAYS)?.unwrap_or_default())
    }

    /// The highest sequence of a relay that was ever kept; where to fetch on. 0 before the first.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn cursor(&self, relay: u32) -> Result<u64, VaultError> {
        Ok(self.plain(&cursor_name(relay))?.unwrap_or(0))
    }

    /// Acknowledgements that their relays have not yet got.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn owed_acks(&self) -> Result<Vec<OwedAck>, VaultError> {
        self.all(OWED)
    }

    /// Deliveries that are watched, in no particular order.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn watched(&self) -> Result<Vec<Watch>, VaultError> {
        self.all(WATCH)
    }

    /// An open value by name: for what must be known before unlocking and is no secret. Never a
    /// name, a text or a key.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn plain<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, VaultError> {
        let stored = self.shared.current().engine.load(PLAIN, name.as_bytes())?;
        stored.map(|value| decode(PLAIN, &value)).transpose()
    }

    /// The sealed attachments of this profile.
    ///
    /// # Errors
    /// [`VaultError`] when the folder cannot be made.
    pub fn files(&self) -> Result<Files, VaultError> {
        Files::new(Arc::clone(&self.shared))
    }

    /// Bytes that the store takes on disk.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn size_on_disk(&self) -> Result<u64, VaultError> {
        self.shared.current().engine.size_on_disk()
    }

    /// Makes changes of these rows, all or none, and returns when they survive a power cut. Never
    /// call `commit` inside `work`.
    ///
    /// # Errors
    /// As [`Store::commit`](crate::Store::commit).
    pub fn commit<T, E: From<VaultError>>(
        &self,
        work: impl FnOnce(&mut CarriageTx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.shared.commit(|current| {
            let mut tx = CarriageTx::new(Changes::new(current));
            let out = work(&mut tx)?;
            Ok((out, tx.into_ops()))
        })
    }

    fn all<T: DeserializeOwned>(&self, tree: &'static str) -> Result<Vec<T>, VaultError> {
        let rows = all_rows(self.shared.current().engine.as_ref(), tree)?;
        rows.iter().map(|(_, value)| decode(tree, value)).collect()
    }
}

impl core::fmt::Debug for Carriage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Carriage")
    }
}

/// Changes of the carriage within one commit; also part of every
/// [`Tx`](crate::Tx), see [`Tx::carriage`](crate::Tx::carriage).
pub struct CarriageTx<'a> {
    changes: Changes<'a>,
    next_positions: HashMap<LaneId, u64>,
}

impl<'a> CarriageTx<'a> {
    pub(crate) fn new(changes: Changes<'a>) -> Self {
        Self {
            changes,
            next_positions: HashMap::new(),
        }
    }

    pub(crate) fn changes(&self) -> &Changes<'a> {
        &self.changes
    }

    pub(crate) fn changes_mut(&mut self) -> &mut Changes<'a> {
        &mut self.changes
    }

    pub(crate) fn into_ops(self) -> Vec<Op> {
        self.changes.into_ops()
    }

    /// The present name of a lane: a re-key renames them, and rows read before still have the old.
    pub fn lane_now(&self, lane: &LaneId) -> LaneId {
        self.changes.lane(lane)
    }

    /// Puts a submission at the end of its lane; sets and answers its position.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn append(&mut self, row: &mut Outgoing, submission: &[u8]) -> Result<u64, VaultError> {
        row.lane = self.changes.lane(&row.lane);
        row.position = self.next_position(&row.lane)?;
        row.length = submission.len() as u64;
        self.next_positions.insert(row.lane, row.position + 1);
        let key = lane_key(&row.lane, row.position);
        self.changes.put(OUTBOX, key, encode(row)?);
        let key = row.id.as_bytes().to_vec();
        self.changes.put(SUBMISSIONS, key, submission.to_vec());
        Ok(row.position)
    }

    /// A submission as it is now, for who read it before; none when it is not in the outbox any more.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn present(&self, row: &Outgoing) -> Result<Option<Outgoing>, VaultError> {
        let key = lane_key(&self.changes.lane(&row.lane), row.position);
        let there: Option<Outgoing> = self.load(OUTBOX, &key)?;
        Ok(there.filter(|there| there.id == row.id))
    }

    /// Writes the new state of a submission.
    ///
    /// # Errors
    /// [`VaultError::Missing`] when it is not in the outbox (any more).
    pub fn update(&mut self, row: &Outgoing) -> Result<(), VaultError> {
        if self.present(row)?.is_none() {
            return Err(VaultError::Missing(OUTBOX));
        }
        let lane = self.changes.lane(&row.lane);
        let row = Outgoing {
            lane,
            ..row.clone()
        };
        let key = lane_key(&lane, row.position);
        self.changes.put(OUTBOX, key, encode(&row)?);
        Ok(())
    }

    /// Takes a submission out of its lane: it arrived, expired or was recalled. Nothing happens when
    /// it is not there.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn remove(&mut self, row: &Outgoing) -> Result<(), VaultError> {
        let key = lane_key(&self.changes.lane(&row.lane), row.position);
        let there: Option<Outgoing> = self.load(OUTBOX, &key)?;
        if there.is_some_and(|there| there.id == row.id) {
            self.changes.delete(OUTBOX, key);
            self.changes.delete(SUBMISSIONS, row.id.as_bytes().to_vec());
        }
        Ok(())
    }

    /// Makes a relay the present one, and notes of every other that the device left it. Answers its
    /// number; a relay that was used before keeps its number, and with it its cursor.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn move_to(&mut self, at: &str, now: u64) -> Result<u32, VaultError> {
        let mut relays: Vec<Relay> = self.load(PLAIN, RELAYS.as_bytes())?.unwrap_or_default();
        let known = relays.iter().position(|relay| relay.at == at);
        let number = known.unwrap_or(relays.len());
        if known.is_none() {
            relays.push(Relay {
                at: at.to_owned(),
                left_at: None,
            });
        }
        for (place, relay) in relays.iter_mut().enumerate() {
            relay.left_at = (place != number).then(|| relay.left_at.unwrap_or(now));
        }
        self.put_plain(RELAYS, &relays)?;
        u32::try_from(number).map_err(|_| VaultError::Corrupt("relays"))
    }

    /// Keeps a fetched envelope, owes its relay the acknowledgement, and moves the cursor. One that
    /// was fetched before and is still there, or was acknowledged, is not doubled: answers whether it
    /// is new.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn keep(
        &mut self,
        place: Place,
        received_at: u64,
        fetched_at: u64,
        envelope: &[u8],
    ) -> Result<bool, VaultError> {
        let cursor_name = cursor_name(place.relay);
        let cursor: u64 = self.load(PLAIN, cursor_name.as_bytes())?.unwrap_or(0);
        self.owe(&OwedAck::plain(place))?;
        if place.seq <= cursor {
            return Ok(false);
        }
        let row = Incoming {
            relay: place.relay,
            seq: place.seq,
            received_at,
            fetched_at,
            length: envelope.len() as u64,
            reason: None,
            attempts: 0,
        };
        let key = place_key(place);
        self.changes.put(INCOMING, key.clone(), encode(&row)?);
        self.changes.put(FETCHED, key, envelope.to_vec());
        self.put_plain(&cursor_name, &place.seq)?;
        Ok(true)
    }

    /// Writes the new state of a fetched envelope.
    ///
    /// # Errors
    /// [`VaultError::Missing`] when it is not there (any more).
    pub fn update_incoming(&mut self, row: &Incoming) -> Result<(), VaultError> {
        let key = place_key(row.place());
        if self.changes.load(INCOMING, &key)?.is_none() {
            return Err(VaultError::Missing(INCOMING));
        }
        self.changes.put(INCOMING, key, encode(row)?);
        Ok(())
    }

    /// Removes a fetched envelope: it was opened, or given up.
    pub fn remove_incoming(&mut self, place: Place) {
        self.changes.delete(INCOMING, place_key(place));
        self.changes.delete(FETCHED, place_key(place));
    }

    /// Owes a relay an acknowledgement; replaces one of the same envelope.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn owe(&mut self, ack: &OwedAck) -> Result<(), VaultError> {
        let key = place_key(ack.place());
        self.changes.put(OWED, key, encode(ack)?);
        Ok(())
    }

    /// Their relay has these acknowledgements.
    pub fn paid(&mut self, places: &[Place]) {
        for place in places {
            self.changes.delete(OWED, place_key(*place));
        }
    }

    /// Watches a delivery, or writes its new state.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn watch(&mut self, row: &Watch) -> Result<(), VaultError> {
        let key = watch_key(&row.envelope, &row.to);
        self.changes.put(WATCH, key, encode(row)?);
        Ok(())
    }

    /// Stops watching a delivery.
    pub fn unwatch(&mut self, envelope: &EnvelopeId, to: &MailboxId) {
        self.changes.delete(WATCH, watch_key(envelope, to));
    }

    /// Writes an open value, see [`Carriage::plain`].
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn put_plain<T: Serialize>(&mut self, name: &str, value: &T) -> Result<(), VaultError> {
        let key = name.as_bytes().to_vec();
        self.changes.put(PLAIN, key, encode(value)?);
        Ok(())
    }

    fn next_position(&self, lane: &LaneId) -> Result<u64, VaultError> {
        if let Some(position) = self.next_positions.get(lane) {
            return Ok(*position);
        }
        let engine = self.changes.engine();
        let last = engine.page(OUTBOX, lane.as_bytes(), None, Order::NewestFirst, 1)?;
        match last.first() {
            None => Ok(0),
            Some((_, value)) => Ok(decode::<Outgoing>(OUTBOX, value)?.position + 1),
        }
    }

    fn load<T: DeserializeOwned>(
        &self,
        tree: &'static str,
        key: &[u8],
    ) -> Result<Option<T>, VaultError> {
        let stored = self.changes.load(tree, key)?;
        stored.map(|value| decode(tree, &value)).transpose()
    }
}

impl core::fmt::Debug for CarriageTx<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("CarriageTx")
    }
}

pub(crate) fn lane_key(lane: &LaneId, position: u64) -> Vec<u8> {
    [lane.as_bytes().as_slice(), &position.to_be_bytes()].concat()
}

/// The first relay's rows have the sequence alone as their key.
fn place_key(place: Place) -> Vec<u8> {
    let mut key = place.seq.to_be_bytes().to_vec();
    if place.relay > 0 {
        key.extend(place.relay.to_be_bytes());
    }
    key
}

fn cursor_name(relay: u32) -> String {
    if relay == 0 {
        CURSOR.to_owned()
    } else {
        format!("{CURSOR}/{relay}")
    }
}

fn watch_key(envelope: &EnvelopeId, to: &MailboxId) -> Vec<u8> {
    [envelope.as_ref(), to.as_ref()].concat()
}

pub(crate) fn encode<T: Serialize>(row: &T) -> Result<Vec<u8>, VaultError> {
    let mut out = Vec::new();
    ciborium::into_writer(row, &mut out)
        .map_err(|_| VaultError::Corrupt("row cannot be written"))?;
    Ok(out)
}
