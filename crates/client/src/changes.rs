//! Telling what changed.

use crate::view::Change;
use tokio::sync::broadcast;

/// More than any window falls behind; one that does is told to read everything again.
const KEPT: usize = 1024;

/// Where changes are told.
#[derive(Clone)]
pub(crate) struct Teller(broadcast::Sender<Change>);

impl Teller {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(KEPT).0)
    }

    /// Tells everybody who listens. Nobody listening is no error.
    pub(crate) fn tell(&self, change: Change) {
        let _ = self.0.send(change);
    }

    pub(crate) fn listen(&self) -> Changes {
        Changes(self.0.subscribe())
    }
}

/// What changed, as it changes.
#[derive(Debug)]
pub struct Changes(broadcast::Receiver<Change>);

impl Changes {
    /// The next change; none when the app is gone. Who fell behind is told that the stage changed,
    /// which makes a window read everything again.
    pub async fn next(&mut self) -> Option<Change> {
        match self.0.recv().await {
            Ok(change) => Some(change),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Change::Stage),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
