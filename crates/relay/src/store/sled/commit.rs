//! The one writer: groups up to [`GROUP`] writes, applies them, makes them durable, answers.
//!
//! Invariants: an operation is answered only after the group it belongs to was flushed and
//! synced; its wakes go out after that too; a failed sync fails the whole group, and every
//! write after it, because nobody knows what the disk has.

use std::sync::Arc;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::super::{StoreError, Topic};
use super::Shared;
use super::rows::{decode, encode, engine};

/// The greatest number of operations in one group.
const GROUP: usize = 512;

/// How often the free room of the disk is asked for.
const ROOM_EVERY: Duration = Duration::from_secs(2);

type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Is given `None` when nothing may be applied any more.
type Job = Box<dyn FnOnce(Option<&mut Txn<'_>>) -> Answer + Send>;

/// One operation while it is being applied: it reads the tree and collects one batch.
pub(in super::super) struct Txn<'a> {
    tree: &'a ::sled::Tree,
    batch: ::sled::Batch,
    wrote: bool,
    applied: bool,
    wakes: Vec<Topic>,
    /// Unix seconds.
    pub(super) now: u64,
    room: bool,
}

impl<'a> Txn<'a> {
    fn new(shared: &'a Shared, room: bool) -> Self {
        Self {
            tree: &shared.db,
            batch: ::sled::Batch::default(),
            wrote: false,
            applied: false,
            wakes: Vec::new(),
            now: shared.now(),
            room,
        }
    }

    /// Runs one operation: all of it is applied, or nothing.
    fn run<T>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let out = operation(self).and_then(|value| {
            if self.wrote {
                self.tree
                    .apply_batch(std::mem::take(&mut self.batch))
                    .map_err(engine)?;
                self.applied = true;
            }
            Ok(value)
        });
        if out.is_err() {
            self.wakes.clear();
        }
        out
    }

    pub(super) fn tree(&self) -> &::sled::Tree {
        self.tree
    }

    /// What the row was before this operation.
    pub(super) fn row<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.tree
            .get(key)
            .map_err(engine)?
            .map(|value| decode(&value))
            .transpose()
    }

    pub(super) fn put<T: Serialize>(&mut self, key: &[u8], value: &T) -> Result<(), StoreError> {
        let value = encode(value)?;
        self.put_raw(key, &value);
        Ok(())
    }

    pub(super) fn put_raw(&mut self, key: &[u8], value: &[u8]) {
        self.wrote = true;
        self.batch.insert(key, value);
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        self.wrote = true;
        self.batch.remove(key);
    }

    /// Announces `topic` when the operation is durable.
    pub(super) fn wake(&mut self, topic: Topic) {
        self.wakes.push(topic);
    }

    /// Refuses operations that add, when the disk is nearly full.
    pub(super) fn need_room(&self) -> Result<(), StoreError> {
        if self.room {
            Ok(())
        } else {
            Err(StoreError::DiskFull)
        }
    }
}

/// The way to the writer thread.
pub(super) struct Writer {
    jobs: Mutex<Option<mpsc::SyncSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(shared: Arc<Shared>) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::sync_channel(16 * GROUP);
        let thread = std::thread::Builder::new()
            .name("relay-writer".into())
            .spawn(move || run(&shared, &queue))?;
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Runs `operation` in the writer and answers when its effect is durable. An `Err` of the
    /// operation leaves no effect.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Txn<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |txn| {
            let out = txn.map_or(Err(StoreError::Unavailable), |txn| txn.run(operation));
            Box::new(move |durable| {
                // Nobody waits when the caller has gone; the write stands all the same.
                let _ = answer.send(durable.and(out));
            })
        });
        let jobs = self
            .jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        // A full queue means thousands of writers wait already: refusing beats blocking.
        jobs.ok_or(StoreError::Unavailable)?
            .try_send(job)
            .map_err(|_| StoreError::Unavailable)?;
        answered.await.map_err(|_| StoreError::Unavailable)?
    }

    /// Finishes the queue and ends the thread.
    pub(super) fn finish(&self) {
        drop(
            self.jobs
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the writer had panicked");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.finish();
    }
}

fn run(shared: &Shared, queue: &mpsc::Receiver<Job>) {
    let mut room = true;
    let mut asked: Option<Instant> = None;
    let mut broken = false;
    while let Ok(first) = queue.recv() {
        if asked.is_none_or(|at| at.elapsed() > ROOM_EVERY) {
            asked = Some(Instant::now());
            // A file system that cannot tell is taken to have room: writing will say.
            room = fs4::available_space(&shared.folder)
                .map_or(true, |free| free >= shared.reserve_bytes);
        }
        if broken {
            first(None)(Err(StoreError::Unavailable));
            continue;
        }
        let gate = shared.gate.blocking_write();
        let begun = Instant::now();
        let mut answers = Vec::with_capacity(GROUP);
        let mut wakes = Vec::new();
        let mut wrote = false;
        let mut next = Some(first);
        while let Some(job) = next.take() {
            let mut txn = Txn::new(shared, room);
            answers.push(job(Some(&mut txn)));
            wrote |= txn.applied;
            wakes.append(&mut txn.wakes);
            if answers.len() < GROUP {
                next = queue.try_recv().ok();
            }
        }
        let applied = begun.elapsed();
        let durable = if wrote { sync(shared) } else { Ok(()) };
        drop(gate);
        tracing::trace!(group = answers.len(), ?applied, whole = ?begun.elapsed(), "written");
        broken = durable.is_err();
        for answer in answers {
            answer(durable.clone());
        }
        if durable.is_ok() {
            for topic in &wakes {
                shared.hub.announce(topic);
            }
        }
    }
    if !broken && sync(shared).is_err() {
        tracing::error!("the last flush failed");
    }
}

/// Makes everything that was applied safe against power loss.
fn sync(shared: &Shared) -> Result<(), StoreError> {
    shared.db.flush().map_err(engine)?;
    shared.log.sync_data().map_err(|error| {
        tracing::error!(error = %error, "the sync failed");
        StoreError::Unavailable
    })
}
