//! A person we can write to: the pinned card, what was compared, and spare prekeys per device.

use serde::{Deserialize, Serialize};
use waxwing_wire::ids::{AccountId, DeviceId, Digest};

use super::Row;

/// A person we can write to (docs/protocol.md section 2, "Rules for a client").
/// Found by account; the row's key on disk is a keyed hash of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// Who it is, for ever.
    pub account: AccountId,
    /// The name that the owner of this vault gave; never contains trust state.
    pub petname: String,
    /// `name@relay-name` where the card was found.
    pub address: String,
    /// The pinned card, exact bytes of its `COSE_Sign1` or `COSE_Sign`.
    #[serde(with = "serde_bytes")]
    pub card: Vec<u8>,
    /// `H(card)` of the pinned card.
    pub card_digest: Digest,
    /// The highest card version ever seen; a lower one is a rollback.
    pub card_version: u64,
    /// The strongest `min_suite` ever pinned; a card with a lower one is refused.
    pub min_suite: i64,
    /// What happened to this key, oldest first.
    pub evidence: Vec<Evidence>,
    /// When the owner compared the key code of the *current* key, if he did.
    pub compared_at: Option<u64>,
    /// Sending is held until the owner decides about a changed key.
    pub held: bool,
    /// Known because he wrote first, or removed since: pinned, but not in the list of contacts.
    #[serde(default)]
    pub stranger: bool,
    /// When the contact was added.
    pub added_at: u64,
    /// Prekeys claimed ahead, so that sealing never waits for the network.
    pub spares: Vec<DeviceSpares>,
    /// The card before the pinned one, when that one replaced a device's signing key.
    #[serde(default)]
    pub former: Option<FormerCard>,
    /// The highest version of this account's own card that a message from them named.
    #[serde(default)]
    pub knows_own: u64,
    /// When a relay last showed a card of theirs, whatever came of it.
    #[serde(default)]
    pub looked_at: u64,
}

/// A card whose signing keys were replaced. What was fetched before still opens under it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FormerCard {
    /// The card, exact bytes.
    #[serde(with = "serde_bytes")]
    pub card: Vec<u8>,
    /// When the card after it was taken; 0 when nothing of its keys is believed any more.
    pub replaced_at: u64,
}

/// Prekeys of one device of a contact, claimed ahead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceSpares {
    /// The device.
    pub device: DeviceId,
    /// Its signed prekey record, exact bytes; the one to use when no one-time prekey is at hand.
    #[serde(with = "serde_bytes")]
    pub signed: Option<Vec<u8>>,
    /// One one-time prekey record, exact bytes; taken out when used.
    #[serde(with = "serde_bytes")]
    pub one_time: Option<Vec<u8>>,
    /// When they were claimed.
    pub claimed_at: u64,
}

/// One thing that happened to a contact's key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// When it was seen here.
    pub at: u64,
    /// What it was.
    pub kind: EvidenceKind,
    /// `H(card)` of the card concerned.
    pub card_digest: Digest,
    /// The card itself where it is evidence of misbehaviour (rollback, fork), else `None`.
    #[serde(with = "serde_bytes", default)]
    pub card: Option<Vec<u8>>,
}

/// What happened to a contact's key. The two kinds of change are two different sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EvidenceKind {
    /// First card seen and pinned.
    FirstSeen,
    /// First card seen and pinned, under a key that is not the account's first: the change was not
    /// seen here.
    FirstSeenRotated,
    /// A newer card with the same identity key (devices, expiry).
    CardUpdated,
    /// The identity key changed and the previous key signed the new one.
    RotatedWithProof,
    /// The identity key changed without proof from the previous key.
    ResetWithoutProof,
    /// The owner compared the key code and it agreed.
    Compared,
    /// The owner compared the key code and it differed.
    ComparedDiffers,
    /// The owner accepted a changed key.
    Accepted,
    /// The relay showed an older card than the pinned one.
    Rollback,
    /// The relay showed another card under the pinned version.
    Fork,
    /// The relay showed a card that allows a weaker suite than the pinned one.
    WeakerSuite,
    /// The identity key revoked itself; the statement stands in the place of the card.
    Revoked,
}

impl Row for Contact {
    type Key = AccountId;
    const TREE: &'static str = "contacts";

    fn key(&self) -> AccountId {
        self.account
    }

    fn name(key: &AccountId) -> Vec<u8> {
        key.as_bytes().to_vec()
    }
}
