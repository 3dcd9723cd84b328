//! The sealed rows of an open vault, and the commits that change them.
//!
//! A [`Store`] is a handle: clone it freely, send it anywhere. When the vault is locked, the keys are
//! dropped and every handle answers [`VaultError::Locked`].
//! Carries out docs/protocol.md section 6 (records) and section 4 (replay table).
//!
//! Invariants:
//! * a row is sealed with AES-256-GCM under its tree's key, bound to its tree, key and schema;
//! * a row key on disk is a keyed hash or a running number: neither shows a person or a message;
//! * a commit is atomic over all its rows, and durable when it returns.
//!
//! All calls block on the disk; call them from a thread that may.

use std::sync::Arc;

use rand_core::CryptoRng;
use waxwing_wire::ids::{AccountId, Digest, EnvelopeId, MessageId};

use crate::carriage::{Carriage, CarriageTx};
use crate::changes::Changes;
use crate::engine::{Change, Op};
use crate::keys::{KeyCell, Keys, Opened, decode, encode};
use crate::rows::{
    Activity, ActivityKind, Head, LaneId, MailBox, Message, PrekeySecret, Replay, Row,
};
use crate::shared::{Current, Shared};
use crate::{Cursor, Listing, Page, VaultError, lists, trees};

/// The sealed rows of an open vault.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    cell: KeyCell,
}

impl Store {
    pub(crate) fn new(shared: Arc<Shared>, cell: KeyCell) -> Self {
        Self { shared, cell }
    }

    /// One row; `None` when there is none, or its epoch was destroyed.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn load<T: Row>(&self, key: &T::Key) -> Result<Option<T>, VaultError> {
        let Opened { keys, current } = self.cell.opened()?;
        let key = row_key::<T>(&keys, key)?;
        let stored = current.engine.load(T::TREE, &key)?;
        stored.map_or(Ok(None), |stored| open(&keys, &key, &stored))
    }

    /// All rows of a kind, in no particular order: for kinds of which there are few.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn all<T: Row>(&self) -> Result<Vec<T>, VaultError> {
        let Opened { keys, current } = self.cell.opened()?;
        let rows = crate::engine::all_rows(current.engine.as_ref(), T::TREE)?;
        rows.iter()
            .filter_map(|(key, stored)| open(&keys, key, stored).transpose())
            .collect()
    }

    /// Number of rows of a kind.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn count<T: Row>(&self) -> Result<u64, VaultError> {
        self.cell.opened()?.current.engine.count(T::TREE, &[])
    }

    /// A page of one list of messages, in the order in which they came to stand in it.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn messages(&self, mailbox: MailBox, page: &Page) -> Result<Listing<Head>, VaultError> {
        let Opened { keys, current } = self.cell.opened()?;
        lists::page(current.engine.as_ref(), &keys, mailbox, page)
    }

    /// How many received messages the person has not looked at.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn unopened(&self) -> Result<u64, VaultError> {
        self.cell
            .opened()?
            .current
            .engine
            .count(trees::UNOPENED, &[])
    }

    /// The sent message that went in an envelope, also in an earlier envelope of it.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn find_envelope(
        &self,
        envelope: &EnvelopeId,
    ) -> Result<Option<(MailBox, MessageId)>, VaultError> {
        let Opened { keys, current } = self.cell.opened()?;
        lists::find_envelope(current.engine.as_ref(), &keys, envelope)
    }

    /// Whether a message was accepted before (docs/protocol.md section 4).
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn replay_seen(&self, sender: AccountId, message: MessageId) -> Result<bool, VaultError> {
        Ok(self.load::<Replay>(&(sender, message))?.is_some())
    }

    /// A page of the list of what was done.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn activity(&self, page: &Page) -> Result<Listing<Activity>, VaultError> {
        let Opened { keys, current } = self.cell.opened()?;
        let engine = current.engine.as_ref();
        let after = page.after.as_ref().map(|cursor| cursor.0.as_slice());
        let rows = engine.page(Activity::TREE, &[], after, page.order, page.limit)?;
        let next = crate::page::next(&rows, page.limit);
        let rows = rows
            .iter()
            .filter_map(|(key, stored)| open(&keys, key, stored).transpose())
            .collect::<Result<_, _>>()?;
        Ok(Listing {
            rows,
            next: next.map(Cursor),
            total: engine.count(Activity::TREE, &[])?,
        })
    }

    /// Checks that no line of the activity list was altered, taken out or put in; answers how many
    /// there are. Lines cut off at the end are not noticed.
    ///
    /// # Errors
    /// [`VaultError::Corrupt`] when the chain is broken.
    pub fn check_activity(&self) -> Result<u64, VaultError> {
        let mut lines: Vec<Activity> = self.all()?;
        lines.sort_by_key(|line| line.number);
        let mut previous = Digest::new([0; 32]);
        for (place, line) in (0u64..).zip(&lines) {
            if line.number != place || line.previous != previous {
                return Err(VaultError::Corrupt("activity chain is broken"));
            }
            previous = Digest::of(&encode(line)?);
        }
        Ok(lines.len() as u64)
    }

    /// The lane of a recipient: a keyed hash, so that the outbox on disk does not name him.
    ///
    /// # Errors
    /// [`VaultError::Locked`].
    pub fn lane(&self, recipient: &AccountId) -> Result<LaneId, VaultError> {
        lane(&self.cell.opened()?.keys, recipient)
    }

    /// Whether a lane is this recipient's, also under the name that it had before a re-key.
    ///
    /// # Errors
    /// [`VaultError::Locked`].
    pub fn is_lane_of(&self, id: &LaneId, recipient: &AccountId) -> Result<bool, VaultError> {
        let Opened { keys, current } = self.cell.opened()?;
        Ok(lane(&keys, recipient)? == current.lane(id))
    }

    /// The rows that are readable while locked.
    pub fn carriage(&self) -> Carriage {
        Carriage::new(Arc::clone(&self.shared))
    }

    /// Makes changes of any rows, all or none, and returns when they survive a power cut. Reads of
    /// `tx` see the changes already asked for. One commit is gathered at a time: never call `commit`
    /// inside `work`, and do slow work before.
    ///
    /// # Errors
    /// What `work` returns, then nothing is changed; [`VaultError`] of the disk, then the changes may
    /// or may not be there, but all or none.
    pub fn commit<R, T, E>(
        &self,
        mut rng: &mut R,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E>
    where
        R: CryptoRng + ?Sized,
        E: From<VaultError>,
    {
        self.shared.commit(|current| {
            let keys = self.cell.opened()?.keys;
            let mut tx = Tx::new(&keys, &mut rng, current);
            let out = work(&mut tx)?;
            Ok((out, tx.into_ops()))
        })
    }
}

impl core::fmt::Debug for Store {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Store")
    }
}

/// One commit being gathered.
pub struct Tx<'a> {
    keys: &'a Keys,
    rng: &'a mut dyn CryptoRng,
    carriage: CarriageTx<'a>,
    activity_tail: Option<(u64, Digest)>,
    /// The number after the last place that this commit gave at the end of each list.
    after_last: [u64; 2],
}

impl<'a> Tx<'a> {
    pub(crate) fn new(keys: &'a Keys, rng: &'a mut dyn CryptoRng, current: &'a Current) -> Self {
        Self {
            keys,
            rng,
            carriage: CarriageTx::new(Changes::new(current)),
            activity_tail: None,
            after_last: [0; 2],
        }
    }

    pub(crate) fn into_ops(self) -> Vec<Op> {
        self.carriage.into_ops()
    }

    /// One row as it will be after this commit.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn load<T: Row>(&self, key: &T::Key) -> Result<Option<T>, VaultError> {
        let key = row_key::<T>(self.keys, key)?;
        let stored = self.carriage.changes().load(T::TREE, &key)?;
        stored.map_or(Ok(None), |stored| open(self.keys, &key, &stored))
    }

    /// Writes a row, new or not.
    ///
    /// # Errors
    /// [`VaultError::EpochGone`] for a prekey of a destroyed epoch.
    pub fn put<T: Row>(&mut self, row: &T) -> Result<(), VaultError> {
        row.before_put(self)?;
        let (key, sealed) = self.seal(row)?;
        self.carriage.changes_mut().put(T::TREE, key, sealed);
        Ok(())
    }

    /// Writes a message among those that are here, by [`Message::at`]: for what comes late from another
    /// device of the account. One that is here keeps its place.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_by_time(&mut self, message: &Message) -> Result<(), VaultError> {
        lists::place_by_time(message, self)?;
        self.put(message)
    }

    /// Writes a row that must be new; the whole commit fails with [`VaultError::Exists`] when it is
    /// not. For [`Replay`] rows.
    ///
    /// # Errors
    /// As [`put`](Self::put), and [`VaultError::Exists`] at once when it is known already.
    pub fn create<T: Row>(&mut self, row: &T) -> Result<(), VaultError> {
        row.before_put(self)?;
        let (key, sealed) = self.seal(row)?;
        if self.carriage.changes().load(T::TREE, &key)?.is_some() {
            return Err(VaultError::Exists(T::TREE));
        }
        self.carriage
            .changes_mut()
            .push(T::TREE, key, Change::Create(sealed));
        Ok(())
    }

    /// Removes a row, if it is there.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn delete<T: Row>(&mut self, key: &T::Key) -> Result<(), VaultError> {
        T::before_delete(key, self)?;
        let key = row_key::<T>(self.keys, key)?;
        self.carriage.changes_mut().delete(T::TREE, key);
        Ok(())
    }

    /// Adds a line to the list of what was done.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn record(&mut self, at: u64, kind: ActivityKind, about: &str) -> Result<(), VaultError> {
        let (number, previous) = self.activity_tail()?;
        let line = Activity {
            number,
            at,
            kind,
            about: about.to_owned(),
            previous,
        };
        self.activity_tail = Some((number + 1, Digest::of(&encode(&line)?)));
        let key = Activity::name(&number);
        let sealed = self.seal_small(Activity::TREE, &key, &encode(&line)?)?;
        self.carriage
            .changes_mut()
            .push(Activity::TREE, key, Change::Create(sealed));
        Ok(())
    }

    /// Removes replay rows that are no longer needed at `now`; answers how many.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn purge_replays(&mut self, now: u64) -> Result<usize, VaultError> {
        self.purge::<Replay>(|row| row.is_none_or(|row| row.until < now))
    }

    /// Removes rows of prekeys whose epoch was destroyed; answers how many.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn purge_destroyed_prekeys(&mut self) -> Result<usize, VaultError> {
        self.purge::<PrekeySecret>(|row| row.is_none())
    }

    /// The lane of a recipient, as [`Store::lane`].
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn lane(&self, recipient: &AccountId) -> Result<LaneId, VaultError> {
        lane(self.keys, recipient)
    }

    /// Changes of the rows that are readable while locked, in the same commit.
    pub fn carriage(&mut self) -> &mut CarriageTx<'a> {
        &mut self.carriage
    }

    pub(crate) fn keys(&self) -> &'a Keys {
        self.keys
    }

    pub(crate) fn changes(&self) -> &Changes<'a> {
        self.carriage.changes()
    }

    pub(crate) fn changes_mut(&mut self) -> &mut Changes<'a> {
        self.carriage.changes_mut()
    }

    pub(crate) fn after_last_place(&self, list: MailBox) -> u64 {
        let [inbox, sent] = self.after_last;
        match list {
            MailBox::Inbox => inbox,
            MailBox::Sent => sent,
        }
    }

    pub(crate) fn placed_at(&mut self, list: MailBox, number: u64) {
        let [inbox, sent] = &mut self.after_last;
        let after = match list {
            MailBox::Inbox => inbox,
            MailBox::Sent => sent,
        };
        *after = number.saturating_add(1);
    }

    /// Seals an index value for its place.
    pub(crate) fn seal_small(
        &mut self,
        tree: &'static str,
        key: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        self.keys.seal(tree, 1, key, plain, self.rng)
    }

    fn seal<T: Row>(&mut self, row: &T) -> Result<(Vec<u8>, Vec<u8>), VaultError> {
        let key = row_key::<T>(self.keys, &row.key())?;
        let plain = encode(row)?;
        let sealed = match row.epoch() {
            Some(epoch) => {
                let place = (T::TREE, T::SCHEMA, key.as_slice());
                self.keys.seal_in_epoch(epoch, place, &plain, self.rng)?
            }
            None => self.keys.seal(T::TREE, T::SCHEMA, &key, &plain, self.rng)?,
        };
        Ok((key, sealed))
    }

    fn purge<T: Row>(&mut self, gone: impl Fn(Option<&T>) -> bool) -> Result<usize, VaultError> {
        let rows = crate::engine::all_rows(self.changes().engine(), T::TREE)?;
        let mut purged = 0;
        for (key, stored) in rows {
            if gone(open::<T>(self.keys, &key, &stored)?.as_ref()) {
                self.changes_mut().delete(T::TREE, key);
                purged += 1;
            }
        }
        Ok(purged)
    }

    fn activity_tail(&self) -> Result<(u64, Digest), VaultError> {
        if let Some(tail) = self.activity_tail {
            return Ok(tail);
        }
        let engine = self.changes().engine();
        let last = engine.page(Activity::TREE, &[], None, crate::Order::NewestFirst, 1)?;
        match last.first() {
            None => Ok((0, Digest::new([0; 32]))),
            Some((key, stored)) => {
                let line: Activity =
                    open(self.keys, key, stored)?.ok_or(VaultError::DoesNotOpen(Activity::TREE))?;
                Ok((line.number + 1, Digest::of(&encode(&line)?)))
            }
        }
    }
}

impl core::fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Tx")
    }
}

fn row_key<T: Row>(keys: &Keys, key: &T::Key) -> Result<Vec<u8>, VaultError> {
    let name = T::name(key);
    // Lines of the activity list stand in order; their number says nothing.
    if T::TREE == Activity::TREE {
        return Ok(name);
    }
    keys.hide(T::TREE, &name)
}

pub(crate) fn lane(keys: &Keys, recipient: &AccountId) -> Result<LaneId, VaultError> {
    let hidden = keys.hide(trees::LANES, recipient.as_bytes())?;
    let (id, _) = hidden
        .split_first_chunk()
        .ok_or(VaultError::Corrupt("lane id"))?;
    Ok(LaneId::new(*id))
}

/// Opens a row; `None` when its epoch was destroyed.
fn open<T: Row>(keys: &Keys, key: &[u8], stored: &[u8]) -> Result<Option<T>, VaultError> {
    let opened = if T::IN_EPOCHS {
        keys.open_in_epoch((T::TREE, T::SCHEMA, key), stored)
    } else {
        keys.open(T::TREE, T::SCHEMA, key, stored)
    };
    match opened {
        Err(VaultError::EpochGone) => Ok(None),
        Err(error) => Err(error),
        Ok(plain) => decode(T::TREE, &plain).map(Some),
    }
}
