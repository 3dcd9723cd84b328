//! What changed in the old store since its rows were copied.
//!
//! Every commit notes its rows in the same transaction, in order. A note tells which row; what the
//! row is now is read from the store itself. Only of a row that was removed does the note keep what
//! it was, sealed as it stood: its name, and with it its key in the next store, is in there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::trees::FOLLOWED;
use crate::carriage::encode;
use crate::engine::{Change, Engine, Op, Order};
use crate::keys::decode;
use crate::trees::JOURNAL;
use crate::{VaultError, engine::Raw};

/// Notes changes while a re-key is under way; part of the writer's place.
#[derive(Debug)]
pub(crate) struct Journal {
    is_on: bool,
    /// Number of the next note; read from the disk at the first.
    next: Option<u64>,
}

/// One changed row.
#[derive(Serialize, Deserialize)]
pub(super) struct Note {
    tree: String,
    key: ByteBuf,
    before: Option<ByteBuf>,
}

impl Note {
    /// Which row: its tree and its key there.
    pub(super) fn row(&self) -> Result<(&'static str, &[u8]), VaultError> {
        let tree = FOLLOWED.iter().find(|tree| **tree == self.tree);
        let tree = tree.ok_or(VaultError::Corrupt("note of an unknown tree"))?;
        Ok((tree, &self.key))
    }

    /// What a removed row was.
    pub(super) fn before(&self) -> Option<&[u8]> {
        self.before.as_ref().map(|before| before.as_slice())
    }
}

impl Journal {
    pub(crate) fn new(is_on: bool) -> Self {
        Self { is_on, next: None }
    }

    /// A re-key is under way.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    pub(super) fn start(&mut self) {
        self.is_on = true;
    }

    pub(super) fn stop(&mut self) {
        *self = Self::new(false);
    }

    /// Adds the notes of a commit to its changes.
    pub(crate) fn note(
        &mut self,
        engine: &dyn Engine,
        ops: &mut Vec<Op>,
    ) -> Result<(), VaultError> {
        if !self.is_on {
            return Ok(());
        }
        let last: BTreeMap<(&'static str, &[u8]), &Change> = ops
            .iter()
            .filter(|op| FOLLOWED.contains(&op.tree))
            .map(|op| ((op.tree, op.key.as_slice()), &op.change))
            .collect();
        let mut number = match self.next {
            Some(number) => number,
            None => match engine
                .page(JOURNAL, &[], None, Order::NewestFirst, 1)?
                .first()
            {
                Some((key, _)) => number_of(key)? + 1,
                None => 0,
            },
        };
        let mut notes = Vec::with_capacity(last.len());
        for ((tree, key), change) in last {
            let before = match change {
                Change::Delete => match engine.load(tree, key)? {
                    // Never was on the disk.
                    None => continue,
                    before => before.map(ByteBuf::from),
                },
                Change::Put(_) | Change::Create(_) => None,
            };
            let note = Note {
                tree: tree.to_owned(),
                key: ByteBuf::from(key),
                before,
            };
            notes.push(Op {
                tree: JOURNAL,
                key: number.to_be_bytes().to_vec(),
                change: Change::Put(encode(&note)?),
            });
            number += 1;
        }
        ops.extend(notes);
        // A number that is left out because the commit fails does no harm.
        self.next = Some(number);
        Ok(())
    }
}

/// The oldest notes, at most `limit`, with their keys.
pub(super) fn oldest(
    engine: &dyn Engine,
    limit: usize,
) -> Result<Vec<(Vec<u8>, Note)>, VaultError> {
    let notes = engine.page(JOURNAL, &[], None, Order::OldestFirst, limit)?;
    let read = |(key, value): Raw| Ok((key, decode(JOURNAL, &value)?));
    notes.into_iter().map(read).collect()
}

fn number_of(key: &[u8]) -> Result<u64, VaultError> {
    key.try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| VaultError::Corrupt("note has a wrong number"))
}
