//! Files that are being sealed, sent or saved: how far, a way to stop, and how it ended.

use crate::app::held;
use crate::view::Reason;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;
use tokio_util::sync::CancellationToken;
use waxwing_wire::ids::AttachmentId;

/// What is under way: progress, and a way to stop it. In memory only.
#[derive(Default)]
pub(crate) struct Transfers(Mutex<HashMap<AttachmentId, Transfer>>);

pub(crate) struct Transfer {
    done: u64,
    total: u64,
    stop: CancellationToken,
    ended: Option<Ended>,
}

/// How a transfer ended, as long as this process lives.
#[derive(Clone)]
pub(crate) enum Ended {
    Failed(Reason),
    Saved(PathBuf),
}

impl Transfers {
    /// Begins one; a running one of the same file is stopped.
    pub(crate) fn begin(&self, file: AttachmentId, total: u64) -> CancellationToken {
        let stop = CancellationToken::new();
        let transfer = Transfer {
            done: 0,
            total,
            stop: stop.clone(),
            ended: None,
        };
        if let Some(before) = held(&self.0).insert(file, transfer) {
            before.stop.cancel();
        }
        stop
    }

    pub(crate) fn step(&self, file: &AttachmentId, done: u64, total: u64) {
        if let Some(transfer) = held(&self.0).get_mut(file) {
            (transfer.done, transfer.total) = (done, total);
        }
    }

    pub(crate) fn end(&self, file: &AttachmentId) {
        held(&self.0).remove(file);
    }

    pub(crate) fn end_with(&self, file: &AttachmentId, ended: Ended) {
        if let Some(transfer) = held(&self.0).get_mut(file) {
            transfer.ended = Some(ended);
        }
    }

    pub(crate) fn progress(&self, file: &AttachmentId) -> Option<(u64, u64)> {
        held(&self.0)
            .get(file)
            .filter(|transfer| transfer.ended.is_none())
            .map(|t| (t.done, t.total))
    }

    pub(crate) fn failure(&self, file: &AttachmentId) -> Option<Reason> {
        match held(&self.0).get(file)?.ended.clone()? {
            Ended::Failed(reason) => Some(reason),
            Ended::Saved(_) => None,
        }
    }

    pub(crate) fn saved(&self, file: &AttachmentId) -> Option<PathBuf> {
        match held(&self.0).get(file)?.ended.clone()? {
            Ended::Saved(path) => Some(path),
            Ended::Failed(_) => None,
        }
    }

    pub(crate) fn stop(&self, file: &AttachmentId) {
        if let Some(transfer) = held(&self.0).get(file) {
            transfer.stop.cancel();
        }
    }

    /// Stops everything, when the vault locks.
    pub(crate) fn cancel_all(&self) {
        for (_, transfer) in held(&self.0).drain() {
            transfer.stop.cancel();
        }
    }
}
