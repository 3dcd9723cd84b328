//! What the vault needs from a key-value store: seven methods of our own, so that another engine can
//! take sled's place. The engine sees row keys that say nothing and values that are sealed (or are
//! ciphertext and routing, for the carriage); the record format is ours, not the engine's.

mod sled_engine;

pub(crate) use sled_engine::SledEngine;

use crate::VaultError;

/// A row as the engine sees it: key and value.
pub(crate) type Raw = (Vec<u8>, Vec<u8>);

/// One change of an atomic set of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Op {
    /// Name of the tree.
    pub(crate) tree: &'static str,
    /// Row key.
    pub(crate) key: Vec<u8>,
    /// What to do.
    pub(crate) change: Change,
}

/// What to do with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Write it, whether it exists or not.
    Put(Vec<u8>),
    /// Write it; the whole set fails when it exists.
    Create(Vec<u8>),
    /// Remove it, if it exists.
    Delete,
}

/// Which way to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// From the smallest key.
    #[default]
    OldestFirst,
    /// From the largest key.
    NewestFirst,
}

/// A store of byte rows in named trees. Blocking; call it from a thread that may block.
pub(crate) trait Engine: Send + Sync {
    /// The value of a row.
    fn load(&self, tree: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, VaultError>;

    /// At most `limit` rows whose key starts with `prefix`, in `order`, strictly beyond `after` when
    /// given.
    fn page(
        &self,
        tree: &'static str,
        prefix: &[u8],
        after: Option<&[u8]>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Raw>, VaultError>;

    /// Number of rows whose key starts with `prefix`; constant time for an empty prefix.
    fn count(&self, tree: &'static str, prefix: &[u8]) -> Result<u64, VaultError>;

    /// Makes all changes or none, also across a crash; later changes of one row win. Visible at
    /// once, durable only after [`sync`](Self::sync).
    ///
    /// # Errors
    /// [`VaultError::Exists`] when a [`Change::Create`] met a row.
    fn apply(&self, ops: &[Op]) -> Result<(), VaultError>;

    /// Makes everything applied so far survive a power cut.
    fn sync(&self) -> Result<(), VaultError>;

    /// There is not a single row in any tree.
    fn is_empty(&self) -> Result<bool, VaultError>;

    /// Bytes on disk.
    fn size_on_disk(&self) -> Result<u64, VaultError>;
}

/// All rows of a tree, in key order.
pub(crate) fn all_rows(engine: &dyn Engine, tree: &'static str) -> Result<Vec<Raw>, VaultError> {
    engine.page(tree, &[], None, Order::OldestFirst, usize::MAX)
}
