//! What waits to be carried: ciphertext and routing only, readable while the vault is locked.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use waxwing_wire::ids::{AttachmentId, Digest, EnvelopeId, MailboxId};

use super::DeliveryState;

/// A relay that this device uses or used. Its place in the list, from 0, is its number in the rows
/// of what comes and goes through it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relay {
    /// How the client finds it; no secret.
    pub at: String,
    /// When this device moved away; `None` for the present one.
    pub left_at: Option<u64>,
}

/// One envelope in this device's mailbox at one relay: every relay counts from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which relay.
    pub relay: u32,
    /// The relay's sequence number.
    pub seq: u64,
}

/// One strict lane of the outbox: all that goes to one recipient, in order. A keyed hash of the
/// recipient, see [`Store::lane`](crate::Store::lane).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LaneId([u8; 16]);

impl LaneId {
    /// From its bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Names one submission in the outbox; random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OutgoingId([u8; 16]);

impl OutgoingId {
    /// A fresh one.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// From its bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// One submission on its way to the relay. Its bytes are kept apart, see
/// [`Carriage::submission`](crate::Carriage::submission).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Its name here.
    pub id: OutgoingId,
    /// The lane it waits in.
    pub lane: LaneId,
    /// Its place in the lane; set when it is appended.
    pub position: u64,
    /// The envelope.
    pub envelope: EnvelopeId,
    /// The mailboxes that it goes to: the recipient's devices.
    pub to: Vec<MailboxId>,
    /// The relay that `uploads` tell of.
    #[serde(default)]
    pub relay: u32,
    /// Attachments that must be at the relay before it.
    pub uploads: Vec<Upload>,
    /// Length of the submission in bytes.
    pub length: u64,
    /// How far it is.
    pub state: OutgoingState,
    /// Why it waits or needs the person: a code of the client, such as a problem slug.
    pub reason: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// Not before then, Unix seconds; 0 is at once.
    pub next_try: u64,
    /// When it was sealed.
    pub queued_at: u64,
    /// When it is of no use any more (bound into the envelope).
    pub expires_at: u64,
    /// Not what a person waits for (the app's own word, a copy for the account's other devices): carried
    /// like it, and not shown or counted.
    #[serde(default)]
    pub is_notice: bool,
}

/// How far a submission is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OutgoingState {
    /// Waits for its turn.
    Queued,
    /// Attachments or the submission are under way.
    Sending,
    /// Failed for now; tried again at `next_try`.
    WillRetry,
    /// Failed for good; blocks its lane until the person decides.
    NeedsYou,
    /// Held until the person decides about a changed key.
    Held,
}

/// One attachment of a submission and how much of it the relay has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// The attachment; its sealed file is found by it in [`Files`](crate::Files).
    pub id: AttachmentId,
    /// Length of the ciphertext in bytes.
    pub length: u64,
    /// SHA-256 of the ciphertext.
    pub sha256: Digest,
    /// Bytes that the relay confirmed.
    pub sent: u64,
    /// The relay knows of it.
    pub announced: bool,
    /// The relay has all of it and checked the digest.
    pub complete: bool,
}

/// One envelope fetched and not yet opened. Its bytes are kept apart, see
/// [`Carriage::fetched`](crate::Carriage::fetched).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incoming {
    /// The relay it came from.
    #[serde(default)]
    pub relay: u32,
    /// Relay's sequence number in this device's mailbox.
    pub seq: u64,
    /// When the relay received it, by the relay's clock.
    pub received_at: u64,
    /// When it was fetched.
    pub fetched_at: u64,
    /// Length in bytes.
    pub length: u64,
    /// Why it could not be opened, a code of the client; `None` is not tried yet.
    pub reason: Option<String>,
    /// How often opening was tried.
    pub attempts: u32,
}

impl Incoming {
    /// Where it came from.
    pub const fn place(&self) -> Place {
        Place {
            relay: self.relay,
            seq: self.seq,
        }
    }
}

/// An acknowledgement that the relay has not yet got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwedAck {
    /// The relay that it is owed to.
    #[serde(default)]
    pub relay: u32,
    /// Which envelope, by the relay's sequence.
    pub seq: u64,
    /// Signed retry statement when it could not be opened, exact bytes.
    #[serde(with = "serde_bytes")]
    pub retry: Option<Vec<u8>>,
}

impl OwedAck {
    /// The acknowledgement of an envelope that was kept.
    pub const fn plain(place: Place) -> Self {
        Self {
            relay: place.relay,
            seq: place.seq,
            retry: None,
        }
    }

    /// Which envelope it is about.
    pub const fn place(&self) -> Place {
        Place {
            relay: self.relay,
            seq: self.seq,
        }
    }
}

/// One delivery whose progress the relay is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The envelope.
    pub envelope: EnvelopeId,
    /// The recipient's mailbox.
    pub to: MailboxId,
    /// The relay that has it.
    #[serde(default)]
    pub relay: u32,
    /// Last state known.
    pub state: DeliveryState,
    /// Since when.
    pub since: u64,
    /// The change is not yet written into the message (the vault was locked).
    pub unapplied: bool,
    /// The recipient's signed retry statement, exact bytes, kept to be checked when unlocked.
    #[serde(with = "serde_bytes")]
    pub statement: Option<Vec<u8>>,
    /// Of no interest after then.
    pub until: u64,
}
