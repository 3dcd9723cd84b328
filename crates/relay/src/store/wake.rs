//! Hints that something changed, so that a long poll need not ask again and again.
//!
//! Invariant: a [`Wake`] that was made before a read sees every change after that read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

/// What one can wait for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// An item was appended to this mailbox.
    Arrived(Bytes),
    /// An item of this mailbox was acknowledged or withdrawn.
    Settled(Bytes),
}

/// Waits for a change of one topic.
#[derive(Debug)]
pub struct Wake {
    receiver: watch::Receiver<u64>,
    topic: Topic,
    hub: Arc<Hub>,
}

impl Wake {
    /// Returns when something changed since this value was made or since the last return.
    pub async fn changed(&mut self) {
        // The hub keeps the sender as long as this receiver lives.
        if self.receiver.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        let mut topics = self.hub.lock();
        if topics
            .get(&self.topic)
            .is_some_and(|sender| sender.receiver_count() <= 1)
        {
            topics.remove(&self.topic);
        }
    }
}

/// Everyone who waits in this process.
#[derive(Debug, Default)]
pub(super) struct Hub(Mutex<HashMap<Topic, watch::Sender<u64>>>);

impl Hub {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Topic, watch::Sender<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscribe(self: &Arc<Self>, topic: Topic) -> Wake {
        let receiver = self
            .lock()
            .entry(topic.clone())
            .or_insert_with(|| watch::channel(0).0)
            .subscribe();
        Wake {
            receiver,
            topic,
            hub: Arc::clone(self),
        }
    }

    pub(super) fn announce(&self, topic: &Topic) {
        if let Some(sender) = self.lock().get(topic) {
            sender.send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_between_subscribing_and_waiting_is_seen() {
        let hub = Arc::new(Hub::default());
        let topic = Topic::Arrived(Bytes::from_static(b"a"));
        let mut wake = hub.subscribe(topic.clone());
        hub.announce(&topic);
        wake.changed().await;
        assert_eq!(hub.lock().len(), 1);
        drop(wake);
        assert!(hub.lock().is_empty(), "nobody waits, nothing is kept");
    }
}
