//! sled 0.34.7, used safely (docs/protocol.md, "sled 0.34.7, used safely").
//!
//! * `flush()` alone is `sync_file_range`: it neither flushes the disk's cache nor the file's size.
//!   [`sync`](Engine::sync) therefore flushes, then fsyncs `db` and the directory.
//! * A torn snapshot makes sled refuse to open for ever although its log is whole:
//!   [`SledEngine::open`] removes `snap.*.generating`, and on corruption moves `snap.*` aside and
//!   lets sled rebuild from the log. Nothing is deleted.
//! * A write that failed for want of room is sled's last: it refuses everything until it is opened
//!   anew. So nothing is written while the disk has less than [`RESERVE_BYTES`].
//! * sled keeps a page of more than 128 KiB in a file of its own (`blobs/`) that it never fsyncs. A
//!   leaf holds up to 16 rows, so rows are cut at 6 KiB and no page ever grows that large. The
//!   pieces live in a sister tree and are written in the same transaction.
//! * sled counts rows by reading all of them. How many rows each tree has stands in a tree of its own
//!   and is written in the same transaction; a tree without a count is counted once.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sled::transaction::{ConflictableTransactionError, TransactionError, Transactional as _};
use sled::{Batch, Db, Tree};

use super::{Change, Engine, Op, Order, Raw};
use crate::VaultError;

const PIECE: usize = 6 << 10;
/// A page of a list is a few neighbouring leaves, and rows with hashed keys are read one at a time:
/// a larger cache makes neither faster. sled heeds it late, after some 16,000 reads.
const CACHE_BYTES: u64 = 16 << 20;
/// Tree name → number of its rows.
const COUNTS: &str = "counts";
/// A disk with less room is full. More than sled writes at once.
const RESERVE_BYTES: u64 = 16 << 20;
/// How long sled may take to let go of its file after it was closed in the same process.
const REOPEN_PATIENCE: Duration = Duration::from_secs(5);
const INLINE: u8 = 0;
const IN_PIECES: u8 = 1;

/// The store on disk.
pub(crate) struct SledEngine {
    db: Db,
    path: PathBuf,
    /// Readers share it and a writer has it alone: a row in pieces is read as a whole.
    gate: RwLock<()>,
    /// The number of rows per tree, as far as it was read.
    counts: Mutex<HashMap<&'static str, u64>>,
}

impl SledEngine {
    /// Opens or makes the store in `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, VaultError> {
        remove_half_snapshots(path)?;
        let db = match open_patiently(path) {
            Err(sled::Error::Corruption { .. }) => {
                move_snapshots_aside(path)?;
                open_patiently(path)
            }
            other => other,
        }?;
        Ok(Self {
            db,
            path: path.to_owned(),
            gate: RwLock::default(),
            counts: Mutex::default(),
        })
    }

    fn tree(&self, name: &str) -> Result<Tree, VaultError> {
        Ok(self.db.open_tree(name)?)
    }

    fn pieces(&self, name: &str) -> Result<Tree, VaultError> {
        self.tree(&format!("{name}+"))
    }

    fn count_all(
        &self,
        tree: &'static str,
        known: &mut HashMap<&'static str, u64>,
    ) -> Result<u64, VaultError> {
        if let Some(count) = known.get(tree) {
            return Ok(*count);
        }
        let stored = self.tree(COUNTS)?.get(tree)?;
        let stored = stored.and_then(|bytes| bytes.as_ref().try_into().ok());
        let count = match stored.map(u64::from_be_bytes) {
            Some(count) => count,
            None => count_rows(self.tree(tree)?.iter())?,
        };
        known.insert(tree, count);
        Ok(count)
    }

    /// Puts a row together from what its tree holds.
    fn whole(&self, tree: &str, key: &[u8], stored: &[u8]) -> Result<Vec<u8>, VaultError> {
        let corrupt = VaultError::Corrupt("row has a wrong shape");
        match stored.split_first().ok_or(corrupt)? {
            (&INLINE, value) => Ok(value.to_vec()),
            (&IN_PIECES, _) => {
                let count = piece_count(stored).ok_or(corrupt)?;
                let pieces = self.pieces(tree)?;
                let mut value = Vec::with_capacity(count as usize * PIECE);
                for number in 0..count {
                    let piece = pieces.get(piece_key(key, number))?.ok_or(corrupt)?;
                    value.extend_from_slice(&piece);
                }
                Ok(value)
            }
            _ => Err(corrupt),
        }
    }
}

impl Engine for SledEngine {
    fn load(&self, tree: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, VaultError> {
        let _reading = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        self.tree(tree)?
            .get(key)?
            .map(|stored| self.whole(tree, key, &stored))
            .transpose()
    }

    fn page(
        &self,
        tree: &'static str,
        prefix: &[u8],
        after: Option<&[u8]>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Raw>, VaultError> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let _reading = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let handle = self.tree(tree)?;
        let after = after.map(<[u8]>::to_vec);
        let end = end_of_prefix(prefix).map_or(Unbounded, Excluded);
        let start = Included(prefix.to_vec());
        let rows: Box<dyn Iterator<Item = sled::Result<(sled::IVec, sled::IVec)>>> = match order {
            Order::OldestFirst => Box::new(handle.range((after.map_or(start, Excluded), end))),
            Order::NewestFirst => {
                Box::new(handle.range((start, after.map_or(end, Excluded))).rev())
            }
        };
        rows.take(limit)
            .map(|row| {
                let (key, stored) = row?;
                let value = self.whole(tree, &key, &stored)?;
                Ok((key.to_vec(), value))
            })
            .collect()
    }

    fn count(&self, tree: &'static str, prefix: &[u8]) -> Result<u64, VaultError> {
        let _reading = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        if !prefix.is_empty() {
            return count_rows(self.tree(tree)?.scan_prefix(prefix));
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        self.count_all(tree, &mut counts)
    }

    fn apply(&self, ops: &[Op]) -> Result<(), VaultError> {
        if fs4::available_space(&self.path)? < RESERVE_BYTES {
            return Err(VaultError::DiskFull);
        }
        let _writing = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batches: BTreeMap<String, Batch> = BTreeMap::new();
        let mut grown: HashMap<&'static str, i64> = HashMap::new();
        for (row, changes) in by_row(ops) {
            let old = self.tree(row.0)?.get(row.1)?;
            let mut exists = old.is_some();
            for change in &changes {
                if matches!(change, Change::Create(_)) && exists {
                    return Err(VaultError::Exists(row.0));
                }
                exists = !matches!(change, Change::Delete);
            }
            *grown.entry(row.0).or_default() += i64::from(exists) - i64::from(old.is_some());
            if let Some(change) = changes.last() {
                stage(&mut batches, row, old.as_deref(), change);
            }
        }
        grown.retain(|_, by| *by != 0);
        let mut after = HashMap::with_capacity(grown.len());
        for (tree, by) in grown {
            let count = self.count_all(tree, &mut counts)?.saturating_add_signed(by);
            let batch = batches.entry(COUNTS.to_owned()).or_default();
            batch.insert(tree, count.to_be_bytes().to_vec());
            after.insert(tree, count);
        }
        // Made or not: the disk knows.
        self.write(&batches).inspect_err(|_| counts.clear())?;
        counts.extend(after);
        Ok(())
    }

    fn sync(&self) -> Result<(), VaultError> {
        self.db.flush()?;
        // sync_all and not sync_data: the log grows, and its size must survive too.
        File::open(self.path.join("db"))?.sync_all()?;
        crate::folder::sync_dir(&self.path)?;
        Ok(())
    }

    fn is_empty(&self) -> Result<bool, VaultError> {
        for name in self.db.tree_names() {
            if name != COUNTS && !self.db.open_tree(name)?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn size_on_disk(&self) -> Result<u64, VaultError> {
        Ok(self.db.size_on_disk()?)
    }
}

impl SledEngine {
    fn write(&self, batches: &BTreeMap<String, Batch>) -> Result<(), VaultError> {
        let mut trees = Vec::with_capacity(batches.len());
        for name in batches.keys() {
            trees.push(self.tree(name)?);
        }
        let batches: Vec<&Batch> = batches.values().collect();
        if trees.is_empty() {
            return Ok(());
        }
        // The closure is pure: sled runs it again when it meets a conflict.
        trees
            .as_slice()
            .transaction(|views| {
                for (view, batch) in views.iter().zip(&batches) {
                    view.apply_batch(batch)?;
                }
                Ok::<_, ConflictableTransactionError<()>>(())
            })
            .map_err(|error| match error {
                TransactionError::Storage(error) => error.into(),
                TransactionError::Abort(()) => VaultError::Corrupt("transaction was aborted"),
            })
    }
}

/// The changes of each row, in order.
fn by_row(ops: &[Op]) -> BTreeMap<(&'static str, &[u8]), Vec<&Change>> {
    let mut rows: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for op in ops {
        rows.entry((op.tree, op.key.as_slice()))
            .or_default()
            .push(&op.change);
    }
    rows
}

/// Adds one row's last change to the batches, with the pieces that come and go.
fn stage(
    batches: &mut BTreeMap<String, Batch>,
    (tree, key): (&'static str, &[u8]),
    old: Option<&[u8]>,
    change: &Change,
) {
    let old_pieces = old.and_then(piece_count).unwrap_or(0);
    if old_pieces > 0 {
        let sister = batches.entry(format!("{tree}+")).or_default();
        for number in 0..old_pieces {
            sister.remove(piece_key(key, number));
        }
    }
    match change {
        Change::Delete => batches.entry(tree.to_owned()).or_default().remove(key),
        Change::Put(value) | Change::Create(value) if value.len() <= PIECE => {
            let stored = [&[INLINE], value.as_slice()].concat();
            batches
                .entry(tree.to_owned())
                .or_default()
                .insert(key, stored);
        }
        Change::Put(value) | Change::Create(value) => {
            let sister = batches.entry(format!("{tree}+")).or_default();
            let mut count = 0u32;
            for piece in value.chunks(PIECE) {
                sister.insert(piece_key(key, count), piece);
                count += 1;
            }
            let stored = [[IN_PIECES].as_slice(), &count.to_be_bytes()].concat();
            batches
                .entry(tree.to_owned())
                .or_default()
                .insert(key, stored);
        }
    }
}

fn piece_key(key: &[u8], number: u32) -> Vec<u8> {
    [key, &number.to_be_bytes()].concat()
}

fn piece_count(stored: &[u8]) -> Option<u32> {
    let (tag, count) = stored.split_first()?;
    (*tag == IN_PIECES).then_some(())?;
    count.try_into().ok().map(u32::from_be_bytes)
}

fn count_rows(rows: sled::Iter) -> Result<u64, VaultError> {
    let mut count = 0;
    for row in rows.keys() {
        row?;
        count += 1;
    }
    Ok(count)
}

/// The smallest key above all keys with this prefix; `None` when there is no such bound.
fn end_of_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

fn open_patiently(path: &Path) -> sled::Result<Db> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(None);
    let start = Instant::now();
    loop {
        match config.open() {
            // Our own lock file says that no other process is here: sled's background threads of a
            // store that this process just closed have not let go of the file yet.
            Err(sled::Error::Io(error))
                if error.to_string().contains("could not acquire lock")
                    && start.elapsed() < REOPEN_PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

fn snapshots(path: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn remove_half_snapshots(path: &Path) -> io::Result<()> {
    for snapshot in snapshots(path)? {
        if snapshot.extension().is_some_and(|e| e == "generating") {
            fs::remove_file(snapshot)?;
        }
    }
    Ok(())
}

fn move_snapshots_aside(path: &Path) -> io::Result<()> {
    for snapshot in snapshots(path)? {
        let name = snapshot.file_name().unwrap_or_default().to_string_lossy();
        let free = (0..=u32::MAX)
            .map(|n| path.join(format!("aside-{n}.{name}")))
            .find(|aside| !aside.exists());
        if let Some(aside) = free {
            fs::rename(&snapshot, aside)?;
        }
    }
    crate::folder::sync_dir(path)
}

impl From<sled::Error> for VaultError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => error.into(),
            sled::Error::Corruption { .. } => Self::Corrupt("store"),
            sled::Error::CollectionNotFound(_) => Self::Corrupt("store lacks a tree"),
            sled::Error::Unsupported(_) | sled::Error::ReportableBug(_) => {
                Self::Corrupt("store refused")
            }
        }
    }
}

#[cfg(test)]
#[path = "sled_tests.rs"]
#[allow(clippy::cast_possible_truncation)]
mod tests;
