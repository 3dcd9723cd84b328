//! How far the replacement of this account's keys is, and who has heard of it.

use serde::{Deserialize, Serialize};
use waxwing_wire::ids::{AccountId, EnvelopeId, MailboxId};

use super::{Delivery, Row};

/// The replacement of this account's keys that was asked for last. One row; it stays when it is over,
/// for the list of who has picked it up. The new keys themselves stand in the keyring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Renewal {
    /// With or without the old key's word.
    pub kind: RenewalKind,
    /// How far it is.
    pub state: RenewalState,
    /// When it came so far.
    pub since: u64,
    /// The card under the new keys, exact bytes, once it was signed.
    #[serde(with = "serde_bytes", default)]
    pub card: Option<Vec<u8>>,
    /// Envelopes that lay at a relay, signed by the old key, when the new one took its place: each is
    /// taken back and sealed again.
    #[serde(default)]
    pub to_seal_again: Vec<Waiting>,
    /// Accounts whose lanes in the outbox hold messages signed by the old key.
    #[serde(default)]
    pub lanes: Vec<AccountId>,
    /// Who is told of the new key, and how far that is.
    #[serde(default)]
    pub told: Vec<Told>,
    /// Another device of the account made the new account key and gave it to this one, whose own keys
    /// stay: nothing is sealed again here, and nobody told.
    #[serde(default)]
    pub is_followed: bool,
}

/// Whether the old key vouches for the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RenewalKind {
    /// Both keys sign the new card.
    Rotate,
    /// The old key is revoked, and the new one stands alone.
    Reset,
}

/// How far a replacement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RenewalState {
    /// It begins when the re-key that leaves this store is finished.
    AfterRekey {
        /// The number of the store that is left.
        store: u32,
    },
    /// It goes on whenever the relay is there.
    Wanted,
    /// The new keys are this account's.
    Done,
    /// Another device of this account replaced the key first: what was made here was dropped.
    Lost,
}

/// An envelope that lay at a relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The envelope.
    pub envelope: EnvelopeId,
    /// The recipient's mailbox.
    pub to: MailboxId,
}

/// One person who is told of a new key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Who.
    pub account: AccountId,
    /// The notice on its way to each of their devices; empty before it is sealed.
    pub deliveries: Vec<Delivery>,
}

impl Row for Renewal {
    type Key = ();
    const TREE: &'static str = "renewal";

    fn key(&self) {}

    fn name((): &()) -> Vec<u8> {
        b"renewal".to_vec()
    }
}
