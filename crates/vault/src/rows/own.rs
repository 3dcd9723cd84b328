//! What this account says of itself, and its place in each conversation.

use serde::{Deserialize, Serialize};
use waxwing_wire::ids::{AccountId, ConversationId, DeviceId, Digest};

use super::Row;

/// This account's own card and how far the relay knows it. One row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnCard {
    /// The name that others see, part of the address.
    pub name: String,
    /// The newest card, exact bytes.
    #[serde(with = "serde_bytes")]
    pub card: Vec<u8>,
    /// Its version.
    pub version: u64,
    /// The version that the relay has confirmed, if any.
    pub published: Option<u64>,
    /// When the relay confirmed it.
    pub published_at: Option<u64>,
    /// `H(card)` of every own card that stood under a key before the present one, oldest first: a
    /// relay that shows one of them is behind, and does not lie.
    #[serde(default)]
    pub ancestors: Vec<Digest>,
    /// The revocation of the present key.
    #[serde(default)]
    pub revocation: Option<OwnRevocation>,
    /// When this device learned that another one took it out of the card.
    #[serde(default)]
    pub removed_at: Option<u64>,
}

/// That the present key was revoked by its owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnRevocation {
    /// The statement, exact bytes.
    #[serde(with = "serde_bytes")]
    pub statement: Vec<u8>,
    /// When the person revoked it.
    pub at: u64,
    /// The present relay has it.
    pub is_out: bool,
}

/// The last thing one device said in one conversation (payload fields 8 and 9): our own devices' to
/// continue from, other people's to notice gaps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    /// The conversation.
    pub conversation: ConversationId,
    /// The account that spoke.
    pub account: AccountId,
    /// The device that spoke.
    pub device: DeviceId,
    /// Its last counter.
    pub seq: u64,
    /// `H(payload)` of that message.
    pub last: Digest,
}

impl Row for OwnCard {
    type Key = ();
    const TREE: &'static str = "own";

    fn key(&self) {}

    fn name((): &()) -> Vec<u8> {
        b"card".to_vec()
    }
}

impl Row for Thread {
    type Key = (ConversationId, AccountId, DeviceId);
    const TREE: &'static str = "threads";

    fn key(&self) -> Self::Key {
        (self.conversation, self.account, self.device)
    }

    fn name((conversation, account, device): &Self::Key) -> Vec<u8> {
        [conversation.as_ref(), account.as_ref(), device.as_ref()].concat()
    }
}
