//! Fills the next store: page by page, then note by note, and the outbox when nobody else writes.
//!
//! How far the pages are stands in the next store and is written with their rows; that a note was
//! followed is told to the old store only when its row is on the disk. And what was read of the old
//! store is on the disk there before it is written to the next: else a crash could take back a commit
//! that the next store already has. So a crash repeats a little, leaves nothing out, and leaves
//! nothing in that never was.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use waxwing_crypto::vault_header::Keyring;

use super::mirror::{Mirror, OldRow};
use super::trees::{FOLLOWED, LAST};
use super::{RekeyProgress, files, journal};
use crate::carriage::{encode, lane_key};
use crate::engine::{Change, Engine, Op, Order, SledEngine};
use crate::folder::Folder;
use crate::keys::{Keys, Opened, decode};
use crate::rows::{Contact, LaneId, MailBox, Message, Outgoing, PrekeySecret, Row};
use crate::shared::{Current, Shared};
use crate::steps::{Step, reached};
use crate::trees::{ENVELOPES, JOURNAL, OUTBOX, REKEY};
use crate::{VaultError, lists, store};

/// Rows that are read and written at a time. The largest have 256 KiB.
pub(super) const PAGE: usize = 64;

/// Notes that are followed at a time: many for one sync, so that it keeps up with who writes.
const NOTES: usize = 256;

const MARK: &[u8] = b"mark";
const PROGRESS: &[u8] = b"progress";

/// The next store, being filled.
pub(crate) struct Under {
    pub(super) next: Arc<Current>,
    pub(super) keys: Arc<Keys>,
    pub(super) mark: Mark,
    pub(super) files: files::Copying,
    /// Rounds of following since all pages are copied, in this process.
    pub(super) rounds: u32,
}

/// How far the pages are.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The tree being copied, by its place in [`FOLLOWED`]; behind the last when all are.
    tree: usize,
    /// The last row of it that is copied.
    after: Option<ByteBuf>,
    /// Rows copied in all.
    copied: u64,
    /// Met index rows of envelopes that do not name them.
    pub(super) is_old_index: bool,
}

impl Mark {
    pub(super) fn is_done(&self) -> bool {
        self.tree >= FOLLOWED.len()
    }
}

impl Under {
    /// Opens what is there of the next store.
    pub(super) fn open(folder: &Folder, number: u32, keys: Keys) -> Result<Self, VaultError> {
        let engine = SledEngine::open(&folder.store(number))?;
        let files = folder.files(number);
        files.unlock(keys.root().files_key());
        let next = Arc::new(Current::new(Box::new(engine), files));
        let keys = Arc::new(keys);
        let mark = next.engine.load(REKEY, MARK)?;
        let mark = mark.map_or(Ok(Mark::default()), |mark| decode(REKEY, &mark))?;
        Ok(Self {
            next,
            keys,
            mark,
            files: files::Copying::default(),
            rounds: 0,
        })
    }

    /// Follows a changed keyring.
    pub(crate) fn follow_keyring(&self, keyring: &Keyring) {
        self.keys.follow(keyring);
    }

    /// Copies the next page of rows.
    pub(super) fn copy(&mut self, old: &Opened, rng: &mut dyn CryptoRng) -> Result<(), VaultError> {
        let Some(tree) = FOLLOWED.get(self.mark.tree).copied() else {
            return Ok(());
        };
        let engine = old.current.engine.as_ref();
        let after = self.mark.after.as_ref().map(|after| after.as_slice());
        let rows = engine.page(tree, &[], after, Order::OldestFirst, PAGE)?;
        let mut mirror = Mirror::new(engine, &old.keys, &self.keys, rng);
        for (key, value) in &rows {
            mirror.row(OldRow {
                tree,
                key,
                now: Some(value),
                before: None,
            })?;
        }
        let mut mark = self.mark.clone();
        mark.is_old_index |= mirror.is_old_index;
        mark.copied += rows.len() as u64;
        if rows.len() < PAGE {
            (mark.tree, mark.after) = (mark.tree + 1, None);
        } else {
            mark.after = rows.into_iter().next_back().map(|(key, _)| key.into());
        }
        let mut ops = mirror.into_ops();
        ops.push(put(MARK, encode(&mark)?));
        engine.sync()?;
        self.next.engine.apply(&ops)?;
        reached(Step::RowsCopied);
        self.next.engine.sync()?;
        reached(Step::RowsSynced);
        self.mark = mark;
        // For who asks while the vault is locked; the mark alone decides where to go on.
        let copied = self.mark.copied;
        engine.apply(&[put(PROGRESS, encode(&copied)?)])
    }

    /// Copies a part of the files; answers whether there was anything to do.
    pub(super) fn copy_files(
        &mut self,
        old: &Opened,
        rng: &mut dyn CryptoRng,
    ) -> Result<bool, VaultError> {
        self.files.step(&old.current.files, &self.next.files, rng)
    }

    /// Follows the oldest noted changes; answers whether there are many more.
    pub(super) fn follow(
        &mut self,
        old: &Opened,
        rng: &mut dyn CryptoRng,
    ) -> Result<bool, VaultError> {
        let engine = old.current.engine.as_ref();
        let notes = journal::oldest(engine, NOTES)?;
        if notes.is_empty() {
            return Ok(false);
        }
        // Of a row that changed often the last note says all: what it is now stands in the store.
        let mut last = BTreeMap::new();
        for (_, note) in &notes {
            last.insert(note.row()?, note.before());
        }
        let mut mirror = Mirror::new(engine, &old.keys, &self.keys, rng);
        for ((tree, key), before) in last {
            let now = engine.load(tree, key)?;
            let now = now.as_deref();
            mirror.row(OldRow {
                tree,
                key,
                now,
                before,
            })?;
        }
        let are_many = notes.len() == NOTES;
        let is_old_index = mirror.is_old_index;
        let mut ops = mirror.into_ops();
        if is_old_index && !self.mark.is_old_index {
            self.mark.is_old_index = true;
            ops.push(put(MARK, encode(&self.mark)?));
        }
        engine.sync()?;
        self.next.engine.apply(&ops)?;
        self.next.engine.sync()?;
        reached(Step::NotesFollowed);
        let followed: Vec<Op> = notes
            .into_iter()
            .map(|(key, _)| Op {
                tree: JOURNAL,
                key,
                change: Change::Delete,
            })
            .collect();
        engine.apply(&followed)?;
        reached(Step::NotesRemoved);
        Ok(are_many)
    }

    /// Copies the outbox under the lanes' next names, which it answers. Nobody else may write.
    pub(super) fn copy_outbox(
        &mut self,
        old: &Opened,
        rng: &mut dyn CryptoRng,
    ) -> Result<HashMap<LaneId, LaneId>, VaultError> {
        let engine = old.current.engine.as_ref();
        // Of a try that was cut off.
        LAST.iter()
            .try_for_each(|tree| clear(self.next.engine.as_ref(), tree))?;
        let mut lanes = self.lanes_of_contacts(old)?;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = engine.page(OUTBOX, &[], after.as_deref(), Order::OldestFirst, PAGE)?;
            let mut mirror = Mirror::new(engine, &old.keys, &self.keys, rng);
            let mut moved = Vec::with_capacity(rows.len());
            for (_, value) in &rows {
                let mut row: Outgoing = decode(OUTBOX, value)?;
                mirror.old_index(row.envelope.as_ref())?;
                row.lane = match lanes.entry(row.lane) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(unknown) => *unknown.insert(self.lane_by_message(old, &row)?),
                };
                moved.push(Op {
                    tree: OUTBOX,
                    key: lane_key(&row.lane, row.position),
                    change: Change::Put(encode(&row)?),
                });
            }
            moved.extend(mirror.into_ops());
            self.next.engine.apply(&moved)?;
            match rows.into_iter().next_back() {
                Some((key, _)) => after = Some(key),
                None => return Ok(lanes),
            }
        }
    }

    fn lanes_of_contacts(&self, old: &Opened) -> Result<HashMap<LaneId, LaneId>, VaultError> {
        let engine = old.current.engine.as_ref();
        let mut lanes = HashMap::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = engine.page(
                Contact::TREE,
                &[],
                after.as_deref(),
                Order::OldestFirst,
                PAGE,
            )?;
            for (key, stored) in &rows {
                let plain = old.keys.open(Contact::TREE, Contact::SCHEMA, key, stored)?;
                let contact: Contact = decode(Contact::TREE, &plain)?;
                lanes.insert(
                    store::lane(&old.keys, &contact.account)?,
                    store::lane(&self.keys, &contact.account)?,
                );
            }
            match rows.into_iter().next_back() {
                Some((key, _)) => after = Some(key),
                None => return Ok(lanes),
            }
        }
    }

    /// The next name of the lane of somebody who is no contact, by the message that waits in it. A
    /// lane that nobody knows keeps its name: it stays a lane, and its order stays.
    fn lane_by_message(&self, old: &Opened, row: &Outgoing) -> Result<LaneId, VaultError> {
        let engine = old.current.engine.as_ref();
        let found = lists::find_envelope(engine, &old.keys, &row.envelope)?;
        if let Some((MailBox::Sent, id)) = found {
            let name = Message::name(&(MailBox::Sent, id));
            let key = old.keys.hide(Message::TREE, &name)?;
            if let Some(stored) = engine.load(Message::TREE, &key)? {
                let plain = old
                    .keys
                    .open(Message::TREE, Message::SCHEMA, &key, &stored)?;
                let message: Message = decode(Message::TREE, &plain)?;
                for party in &message.recipients {
                    if store::lane(&old.keys, &party.account)? == row.lane {
                        return store::lane(&self.keys, &party.account);
                    }
                }
            }
        }
        Ok(row.lane)
    }

    /// Removes what cannot be opened any more: prekeys whose week's key was destroyed meanwhile.
    pub(super) fn drop_destroyed(&self) -> Result<(), VaultError> {
        let rows = crate::engine::all_rows(self.next.engine.as_ref(), PrekeySecret::TREE)?;
        let gone: Vec<Op> = rows
            .into_iter()
            .filter(|(_, stored)| !self.keys.has_epoch_of(stored))
            .map(|(key, _)| Op {
                tree: PrekeySecret::TREE,
                key,
                change: Change::Delete,
            })
            .collect();
        self.next.engine.apply(&gone)
    }
}

/// How far a re-key to the store `next` is, as the old store and both folders tell it.
pub(super) fn progress(shared: &Shared, next: u32) -> Result<RekeyProgress, VaultError> {
    let current = shared.current();
    let engine = current.engine.as_ref();
    let copied = engine.load(REKEY, PROGRESS)?;
    let copied = copied.map_or(Ok(0), |copied| decode(REKEY, &copied))?;
    let mut total = 0;
    for tree in FOLLOWED {
        total += engine.count(tree, &[])?;
    }
    let (bytes_copied, bytes_total) = files::progress(&current.files, &shared.folder.files(next))?;
    Ok(RekeyProgress {
        copied,
        total,
        bytes_copied,
        bytes_total,
    })
}

/// Removes the traces of a re-key from a store.
pub(super) fn clear_traces(engine: &dyn Engine) -> Result<(), VaultError> {
    clear(engine, JOURNAL)?;
    clear(engine, REKEY)
}

fn clear(engine: &dyn Engine, tree: &'static str) -> Result<(), VaultError> {
    loop {
        let rows = engine.page(tree, &[], None, Order::OldestFirst, PAGE)?;
        if rows.is_empty() {
            return Ok(());
        }
        let gone: Vec<Op> = rows
            .into_iter()
            .map(|(key, _)| Op {
                tree,
                key,
                change: Change::Delete,
            })
            .collect();
        engine.apply(&gone)?;
    }
}

fn put(key: &[u8], value: Vec<u8>) -> Op {
    Op {
        tree: REKEY,
        key: key.to_vec(),
        change: Change::Put(value),
    }
}

/// Whether the next store may lack rows of this tree without anything being lost.
pub(super) fn may_lack(tree: &str, mark: &Mark) -> bool {
    tree == ENVELOPES && mark.is_old_index
}
