//! The embedded engine: sled 0.34.7 in a folder, with blobs as files beside it.
//!
//! Why not sled alone: its `flush()` on Linux never calls fsync, so one writer thread groups
//! writes, flushes and then syncs sled's file itself ([`commit`]). Invariants:
//! - one process owns the folder (a lock on `lock`, held as long as the store lives);
//! - each operation is one sled batch, so a crash leaves all of it or nothing;
//! - readers wait for the group that is being written, so they never see what is not durable;
//! - values stay under 16 KiB a row ([`rows`]), which keeps sled's pages inside its log.

mod bags;
mod blobs;
mod commit;
mod expiry;
mod logs;
mod mailboxes;
mod open;
mod rows;
mod versioned;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedRwLockReadGuard, RwLock};

pub(super) use self::commit::Txn;
use self::commit::Writer;
pub use self::open::OpenStoreError;
use super::wake::Hub;
use super::{AnyStore, StoreError};
use crate::clock::Clock;

/// How the embedded store is opened.
#[derive(Clone)]
pub struct SledOptions {
    /// The folder; made when absent.
    pub folder: PathBuf,
    /// Memory for sled's page cache, in bytes.
    pub cache_bytes: u64,
    /// Writes are refused when the disk has fewer free bytes than this.
    pub reserve_bytes: u64,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl SledOptions {
    /// The usual values: 64 MiB of cache, 256 MiB of reserve.
    pub fn new(folder: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self {
            folder: folder.into(),
            cache_bytes: 64 << 20,
            reserve_bytes: 256 << 20,
            clock,
        }
    }
}

/// The embedded store. Clones share it.
#[derive(Clone)]
pub struct SledStore {
    shared: Arc<Shared>,
    writer: Arc<Writer>,
}

/// What the writer thread and the readers have in common.
pub(super) struct Shared {
    db: ::sled::Db,
    /// sled's log, opened a second time: only this makes a write safe against power loss.
    log: std::fs::File,
    folder: PathBuf,
    reserve_bytes: u64,
    clock: Arc<dyn Clock>,
    hub: Arc<Hub>,
    /// Held for writing while a group is applied and not yet durable.
    gate: Arc<RwLock<()>>,
    /// One upload at a time for each blob (by the first byte of its hashed id).
    uploads: Vec<Arc<Mutex<()>>>,
    /// Dropped last: another process may open the folder from then on.
    _lock: std::fs::File,
}

impl SledStore {
    /// Opens the folder, repairing what a crash may have left. Blocks; call it from a thread
    /// that may.
    ///
    /// # Errors
    /// When another process has the folder, it is of a later version, or the disk fails.
    pub fn open(options: &SledOptions) -> Result<Self, OpenStoreError> {
        let shared = Arc::new(open::open(options)?);
        let writer = Arc::new(Writer::start(Arc::clone(&shared)).map_err(OpenStoreError::Disk)?);
        Ok(Self { shared, writer })
    }

    /// As the relay holds it.
    pub fn into_any(self) -> AnyStore {
        Arc::new(self)
    }

    /// Waits until what is applied is durable, and keeps it so while the guard lives.
    async fn settled(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.shared.gate).read_owned().await
    }

    /// Reads off the async threads: sled may go to the disk for any row.
    async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let guard = self.settled().await;
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || {
            let out = read(&shared);
            drop(guard);
            out
        })
        .await
        .map_err(|_| StoreError::Unavailable)?
    }
}

impl Shared {
    fn now(&self) -> u64 {
        self.clock.now()
    }
}

#[async_trait::async_trait]
impl super::Upkeep for SledStore {
    async fn sweep(&self) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let step = self.writer.write(expiry::sweep_step).await?;
            for blob in &step.blobs {
                blobs::remove_file(&self.shared.folder, blob).await;
            }
            removed += step.removed;
            if step.finished {
                return Ok(removed);
            }
        }
    }

    async fn probe(&self) -> Result<(), StoreError> {
        use super::{Expect, Space, Versioned};
        self.save(Space::Probe, b"", Some(bytes::Bytes::new()), Expect::Any)
            .await
            .map(drop)
    }

    async fn close(&self) -> Result<(), StoreError> {
        let writer = Arc::clone(&self.writer);
        tokio::task::spawn_blocking(move || writer.finish())
            .await
            .map_err(|_| StoreError::Unavailable)
    }
}
