//! The changes of one commit, gathered before any is made; reads see them.

use std::collections::HashMap;

use crate::VaultError;
use crate::engine::{Change, Engine, Op};
use crate::rows::LaneId;
use crate::shared::Current;

/// The changes of one commit.
pub(crate) struct Changes<'a> {
    current: &'a Current,
    ops: Vec<Op>,
    /// The last change of each row.
    latest: HashMap<(&'static str, Vec<u8>), usize>,
}

impl<'a> Changes<'a> {
    pub(crate) fn new(current: &'a Current) -> Self {
        Self {
            current,
            ops: Vec::new(),
            latest: HashMap::new(),
        }
    }

    pub(crate) fn engine(&self) -> &'a dyn Engine {
        self.current.engine.as_ref()
    }

    pub(crate) fn into_ops(self) -> Vec<Op> {
        self.ops
    }

    /// The present name of a lane.
    pub(crate) fn lane(&self, lane: &LaneId) -> LaneId {
        self.current.lane(lane)
    }

    pub(crate) fn push(&mut self, tree: &'static str, key: Vec<u8>, change: Change) {
        self.latest.insert((tree, key.clone()), self.ops.len());
        self.ops.push(Op { tree, key, change });
    }

    pub(crate) fn put(&mut self, tree: &'static str, key: Vec<u8>, value: Vec<u8>) {
        self.push(tree, key, Change::Put(value));
    }

    pub(crate) fn delete(&mut self, tree: &'static str, key: Vec<u8>) {
        self.push(tree, key, Change::Delete);
    }

    /// The value of a row as it will be after this commit.
    pub(crate) fn load(
        &self,
        tree: &'static str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, VaultError> {
        match self.latest.get(&(tree, key.to_vec())) {
            Some(at) => Ok(match self.ops.get(*at).map(|op| &op.change) {
                Some(Change::Put(value) | Change::Create(value)) => Some(value.clone()),
                _ => None,
            }),
            None => self.engine().load(tree, key),
        }
    }
}
