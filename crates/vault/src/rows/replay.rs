//! A message that was already accepted.

use serde::{Deserialize, Serialize};
use waxwing_wire::ids::{AccountId, MessageId};

use super::Row;

/// A message that was already accepted (docs/protocol.md section 4): found by sender and message id,
/// kept until the envelope's expiry and a day. Written with
/// [`Tx::create`](crate::Tx::create), which fails when it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Who sent it.
    pub sender: AccountId,
    /// Which message.
    pub message: MessageId,
    /// Kept until then, Unix seconds.
    pub until: u64,
}

impl Row for Replay {
    type Key = (AccountId, MessageId);
    const TREE: &'static str = "replays";

    fn key(&self) -> Self::Key {
        (self.sender, self.message)
    }

    /// `H(sender || msg_id)` is hashed once more, under a key, like all names.
    fn name((sender, message): &Self::Key) -> Vec<u8> {
        [sender.as_ref(), message.as_ref()].concat()
    }
}
