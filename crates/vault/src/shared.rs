//! What the locked and the open vault have in common: the folder, the store that counts, and durable
//! commits.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use crate::VaultError;
use crate::engine::{Engine, Op};
use crate::files::AtRest;
use crate::folder::Folder;
use crate::rekey::Journal;
use crate::rows::LaneId;

/// One profile of this process.
pub(crate) struct Shared {
    pub(crate) folder: Folder,
    /// Exchanged as a whole when a re-key is finished; who is reading finishes with the old one.
    current: RwLock<Arc<Current>>,
    /// One commit is gathered at a time, so that what it read still holds when it is applied.
    writer: Mutex<Journal>,
    /// One file at a time gets its name or is removed, and not while a re-key is finished.
    placing: Mutex<()>,
    /// One fetched file at a time is made whole.
    arrival: Mutex<()>,
}

/// A store and what belongs to it alone.
pub(crate) struct Current {
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) files: AtRest,
    durable: GroupCommit,
    /// What lanes were called before this process finished a re-key: rows that were read then are
    /// still asked about under that name.
    lanes: HashMap<LaneId, LaneId>,
    /// Behind the engine, which is dropped first.
    grave: Grave,
}

impl Current {
    pub(crate) fn new(engine: Box<dyn Engine>, files: AtRest) -> Self {
        Self {
            engine,
            files,
            durable: GroupCommit::default(),
            lanes: HashMap::new(),
            grave: Grave::default(),
        }
    }

    /// The present name of a lane.
    pub(crate) fn lane(&self, lane: &LaneId) -> LaneId {
        *self.lanes.get(lane).unwrap_or(lane)
    }

    /// Takes over from `before`, whose lanes `renamed` gives their present names.
    pub(crate) fn follow(&mut self, before: &Self, renamed: HashMap<LaneId, LaneId>) {
        let present = |lane: &LaneId| *renamed.get(lane).unwrap_or(lane);
        self.lanes = before
            .lanes
            .iter()
            .map(|(old, lane)| (*old, present(lane)))
            .collect();
        self.lanes.extend(renamed);
    }

    /// Removes the folder of this store when its last reader is gone.
    pub(crate) fn bury(&self, folder: PathBuf) {
        // Only the first call counts, and there is only one.
        let _ = self.grave.0.set(folder);
    }
}

/// The folder of a store that does not count any more.
#[derive(Default)]
struct Grave(OnceLock<PathBuf>);

impl Drop for Grave {
    fn drop(&mut self) {
        if let Some(folder) = self.0.get() {
            // What stays is removed at the next unlock.
            let _ = crate::folder::remove_store(folder);
            crate::steps::reached(crate::steps::Step::OldStoreRemoved);
        }
    }
}

impl Shared {
    pub(crate) fn new(folder: Folder, current: Current, journal: Journal) -> Self {
        Self {
            folder,
            current: RwLock::new(Arc::new(current)),
            writer: Mutex::new(journal),
            placing: Mutex::default(),
            arrival: Mutex::default(),
        }
    }

    /// The store that counts.
    pub(crate) fn current(&self) -> Arc<Current> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    /// The writer's place: nobody commits while it is held.
    pub(crate) fn writer(&self) -> MutexGuard<'_, Journal> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// While it is held no file of the store that counts comes or goes. Taken behind the writer's
    /// place by who takes both.
    pub(crate) fn placing(&self) -> MutexGuard<'_, ()> {
        self.placing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of who makes a fetched file whole. Taken before [`placing`](Self::placing).
    pub(crate) fn arrival(&self) -> MutexGuard<'_, ()> {
        self.arrival.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes another store the one that counts. Whoever calls this holds the writer's place.
    pub(crate) fn exchange(&self, _writer: &mut Journal, next: Arc<Current>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// Gathers changes, makes all of them or none, and returns when they survive a power cut.
    pub(crate) fn commit<T, E: From<VaultError>>(
        &self,
        work: impl FnOnce(&Current) -> Result<(T, Vec<Op>), E>,
    ) -> Result<T, E> {
        let (out, ticket, current) = {
            let mut journal = self.writer();
            let current = self.current();
            let (out, mut ops) = work(&current)?;
            if ops.is_empty() {
                return Ok(out);
            }
            journal.note(current.engine.as_ref(), &mut ops)?;
            current.engine.apply(&ops)?;
            (out, current.durable.applied(), current)
        };
        current.durable.wait(ticket, current.engine.as_ref())?;
        Ok(out)
    }
}

/// Lets commits that wait at the same time share one fsync.
#[derive(Default)]
struct GroupCommit {
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Default)]
struct Progress {
    applied: u64,
    durable: u64,
    syncing: bool,
}

impl GroupCommit {
    /// A ticket for what was just applied.
    fn applied(&self) -> u64 {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.applied += 1;
        progress.applied
    }

    /// Returns when everything up to `ticket` is durable: one of those who wait syncs for all.
    fn wait(&self, ticket: u64, engine: &dyn Engine) -> Result<(), VaultError> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        while progress.durable < ticket {
            if progress.syncing {
                progress = self
                    .changed
                    .wait(progress)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            progress.syncing = true;
            let upto = progress.applied;
            drop(progress);
            let synced = engine.sync();
            progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.syncing = false;
            if synced.is_ok() {
                progress.durable = progress.durable.max(upto);
            }
            self.changed.notify_all();
            synced?;
        }
        Ok(())
    }
}
