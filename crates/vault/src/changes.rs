//! The changes of one commit, gathered before any is made; reads see them.

use std::collections::HashMap;

use crate::VaultError;
use crate::engine::{Change, Engine, Op};

/// The changes of one commit.
pub(crate) struct Changes<'a> {
    engine: &'a dyn Engine,
    ops: Vec<Op>,
    /// The last change of each row.
    latest: HashMap<(&'static str, Vec<u8>), usize>,
}

impl<'a> Changes<'a> {
    pub(crate) fn new(engine: &'a dyn Engine) -> Self {
        Self {
            engine,
            ops: Vec::new(),
            latest: HashMap::new(),
        }
    }

    pub(crate) fn engine(&self) -> &'a dyn Engine {
        self.engine
    }

    pub(crate) fn ops(&self) -> &[Op] {
        &self.ops
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
            None => self.engine.load(tree, key),
        }
    }
}
