//! What the locked and the open vault have in common: the folder, the store, and durable commits.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::VaultError;
use crate::changes::Changes;
use crate::engine::Engine;
use crate::folder::Folder;

/// One profile of this process.
pub(crate) struct Shared {
    pub(crate) folder: Folder,
    pub(crate) engine: Box<dyn Engine>,
    /// One commit is gathered at a time, so that what it read still holds when it is applied.
    writer: Mutex<()>,
    durable: GroupCommit,
}

impl Shared {
    pub(crate) fn new(folder: Folder, engine: Box<dyn Engine>) -> Self {
        Self {
            folder,
            engine,
            writer: Mutex::default(),
            durable: GroupCommit::default(),
        }
    }

    /// Gathers changes, makes all of them or none, and returns when they survive a power cut.
    pub(crate) fn commit<'a, T, E: From<VaultError>>(
        &'a self,
        work: impl FnOnce(Changes<'a>) -> Result<(T, Changes<'a>), E>,
    ) -> Result<T, E> {
        let (out, ticket) = {
            let _writing = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let (out, changes) = work(Changes::new(self.engine.as_ref()))?;
            if changes.ops().is_empty() {
                return Ok(out);
            }
            self.engine.apply(changes.ops())?;
            (out, self.durable.applied())
        };
        self.durable.wait(ticket, self.engine.as_ref())?;
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
