//! The JSON bodies of the relay's HTTP interface `/v1`, shared by relay and client.
//!
//! Ids are lower-case hex, bytes base64url without padding, times Unix seconds, sizes bytes. With
//! the feature `openapi` every shape also describes itself for `/openapi.json`.

use serde::{Deserialize, Serialize};

use crate::address::Name;
use crate::b64::B64;
use crate::ids::{AccountId, AttachmentId, DeviceId, Digest, EnvelopeId, MailboxId};

/// Media type of a card.
pub const MEDIA_CARD: &str = "application/cose";
/// Media type of a revocation.
pub const MEDIA_REVOCATION: &str = "application/cose";
/// Media type of a submission.
pub const MEDIA_SUBMISSION: &str = "application/cbor";
/// Media type of a link's messages.
pub const MEDIA_LINK: &str = "application/cbor";
/// Media type of an upload's piece.
pub const MEDIA_PARTIAL_UPLOAD: &str = "application/partial-upload";

macro_rules! shape {
    ($(#[$doc:meta])* pub struct $name:ident { $($body:tt)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name { $($body)* }
    };
}

shape! {
    /// `GET /v1/relay`: what the relay is and allows.
    pub struct RelayInfo {
        /// The name after `@` in addresses.
        pub name: String,
        /// Software version.
        pub version: String,
        /// The relay's clock.
        pub time: u64,
        /// Its limits.
        pub limits: Limits,
    }
}

shape! {
    /// What a relay accepts.
    pub struct Limits {
        /// Largest envelope.
        pub envelope_bytes: u64,
        /// Largest attachment.
        pub attachment_bytes: u64,
        /// Largest piece of an upload, and its alignment.
        pub chunk_bytes: u64,
        /// Longest life of an envelope or attachment.
        pub ttl_seconds: u64,
        /// Most envelopes waiting in a mailbox.
        pub mailbox_envelopes: u64,
        /// Most bytes waiting in a mailbox.
        pub mailbox_bytes: u64,
        /// Most attachment bytes of one account.
        pub account_attachment_bytes: u64,
    }
}

shape! {
    /// `PUT` and `GET /v1/names/{name}`: who has a name.
    pub struct NameRecord {
        /// The account.
        pub account_id: AccountId,
    }
}

shape! {
    /// `GET /v1/accounts/{account}/revocation`: every revocation of the account, oldest first.
    pub struct Revocations {
        /// Signed revocations. Each ends the one key that it names.
        pub statements: Vec<B64>,
    }
}

shape! {
    /// `GET /v1/accounts/{account}/rotations`: the query.
    pub struct RotationsQuery {
        /// Only cards with a higher version than this.
        #[serde(default)]
        pub after: u64,
    }
}

shape! {
    /// `GET /v1/accounts/{account}/rotations`: cards that changed the account's key, oldest first.
    pub struct Rotations {
        /// Cards with two signatures. At most 16: who has got so many asks on after the last one.
        pub cards: Vec<B64>,
    }
}

shape! {
    /// `GET /v1/accounts/{account}/devices`: the account's devices, as its own devices may know.
    pub struct DevicesSeen {
        /// In the order of the card.
        pub devices: Vec<DeviceSeen>,
    }
}

shape! {
    /// One device of the account that asks.
    pub struct DeviceSeen {
        /// The device.
        pub device_id: DeviceId,
        /// When it last asked for anything since the relay was started.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub last_seen: Option<u64>,
    }
}

shape! {
    /// `POST /v1/prekeys`: prekey records of the signing device.
    pub struct PublishPrekeys {
        /// Signed prekey records; each suite's newest is handed out.
        #[serde(default)]
        pub signed: Vec<B64>,
        /// One-time prekey records.
        #[serde(default)]
        pub one_time: Vec<B64>,
    }
}

shape! {
    /// `POST` and `GET /v1/prekeys`: how many prekeys of the signing device wait at the relay.
    pub struct PrekeyStock {
        /// One-time prekeys not handed out yet.
        pub one_time_waiting: u64,
        /// `not_after` of the newest signed prekey.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub signed_until: Option<u64>,
    }
}

shape! {
    /// `POST /v1/accounts/{account}/prekeys/claim`: asks for a bundle.
    pub struct ClaimPrekeys {
        /// The suite wanted, 1 or 2.
        pub suite: u64,
    }
}

shape! {
    /// A claimed bundle: the current card and each of its devices' prekeys.
    pub struct PrekeyBundle {
        /// The current card.
        pub card: B64,
        /// One item per device of the card.
        pub devices: Vec<DevicePrekeys>,
    }
}

shape! {
    /// One device's prekeys in a bundle.
    pub struct DevicePrekeys {
        /// The device.
        pub device_id: DeviceId,
        /// Its newest signed prekey.
        pub signed: Option<B64>,
        /// A one-time prekey, handed out to nobody else.
        pub one_time: Option<B64>,
    }
}

shape! {
    /// `POST /v1/envelopes`: the answer.
    pub struct Accepted {
        /// To how many mailboxes.
        pub accepted: u64,
    }
}

shape! {
    /// `GET /v1/mailbox`: the query.
    pub struct MailboxQuery {
        /// Only what came after this sequence number.
        #[serde(default)]
        pub after: u64,
        /// At most so many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub limit: Option<u64>,
        /// Wait so many seconds (at most 30) when there is nothing.
        #[serde(default)]
        pub wait: u64,
    }
}

shape! {
    /// `GET /v1/mailbox`: the answer.
    pub struct MailboxPage {
        /// In rising order of `seq`.
        pub items: Vec<MailboxItem>,
        /// The highest sequence number of the page, or `after` when it is empty.
        pub last_seq: u64,
    }
}

shape! {
    /// One waiting envelope.
    pub struct MailboxItem {
        /// Its sequence number in this mailbox; gaps are allowed.
        pub seq: u64,
        /// When the relay took it.
        pub received_at: u64,
        /// The envelope.
        pub envelope: B64,
    }
}

shape! {
    /// `GET /v1/links/{link}/{slot}`: the query.
    pub struct LinkQuery {
        /// Wait so many seconds (at most 30) when it is not written yet.
        #[serde(default)]
        pub wait: u64,
    }
}

shape! {
    /// `POST /v1/mailbox/ack`: these are durable on the device's own disk.
    pub struct Ack {
        /// Sequence numbers.
        #[serde(default)]
        pub seqs: Vec<u64>,
        /// Those that cannot be opened, with the signed statement for the sender.
        #[serde(default)]
        pub retries: Vec<AckRetry>,
    }
}

shape! {
    /// An envelope that the device cannot open.
    pub struct AckRetry {
        /// Sequence number.
        pub seq: u64,
        /// The signed retry statement.
        pub statement: B64,
    }
}

shape! {
    /// `POST /v1/mailbox/ack`: the answer.
    pub struct Acked {
        /// How many were removed.
        pub removed: u64,
    }
}

/// Where an envelope is, as the relay knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum EnvelopeState {
    /// Waiting in the mailbox.
    AtRelay,
    /// Durable on the recipient's device.
    Fetched,
    /// The recipient's device cannot open it; seal again.
    Retry,
    /// Its time was over before it was fetched.
    Expired,
    /// The sender took it back.
    Recalled,
    /// The relay does not know it (any more).
    Unknown,
}

shape! {
    /// `POST /v1/status`: asks for the state of envelopes.
    pub struct StatusQuery {
        /// Wait so many seconds (at most 30) until one differs from what is known.
        #[serde(default)]
        pub wait: u64,
        /// The envelopes.
        pub items: Vec<StatusAsk>,
    }
}

shape! {
    /// One envelope asked about.
    pub struct StatusAsk {
        /// The envelope.
        pub env_id: EnvelopeId,
        /// The mailbox.
        pub to: MailboxId,
        /// What the client knows.
        pub known: EnvelopeState,
    }
}

shape! {
    /// `POST /v1/status`: the answer, in the order asked.
    pub struct StatusPage {
        /// The states.
        pub items: Vec<StatusItem>,
    }
}

shape! {
    /// One envelope's state.
    pub struct StatusItem {
        /// The envelope.
        pub env_id: EnvelopeId,
        /// The mailbox.
        pub to: MailboxId,
        /// Its state.
        pub state: EnvelopeState,
        /// The signed retry statement, with state `retry`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub statement: Option<B64>,
    }
}

shape! {
    /// `DELETE /v1/envelopes/{env_id}/{to}`: the answer.
    pub struct Recalled {
        /// The state after the call: `recalled`, or what it was already.
        pub state: EnvelopeState,
    }
}

shape! {
    /// `POST /v1/attachments`: announces an upload.
    pub struct CreateAttachment {
        /// The attachment.
        pub id: AttachmentId,
        /// Length of the ciphertext.
        pub length: u64,
        /// SHA-256 of the ciphertext.
        pub sha256: Digest,
        /// When the relay may drop it.
        pub expires_at: u64,
    }
}

shape! {
    /// `POST /v1/attachments`: the answer.
    pub struct AttachmentState {
        /// The attachment.
        pub id: AttachmentId,
        /// Length of the ciphertext.
        pub length: u64,
        /// How much of it is there.
        pub offset: u64,
        /// Whether all is there and the digest was right.
        pub complete: bool,
    }
}

shape! {
    /// A name and the account that has it, as a contact search answers.
    pub struct NamedAccount {
        /// The name.
        pub name: Name,
        /// The account.
        pub account_id: AccountId,
    }
}

shape! {
    /// `PUT /v1/drops/{drop}`: announces a drop box of the signing device.
    pub struct PutDrop {
        /// Its record.
        pub record: B64,
        /// When it ends.
        pub expires_at: u64,
        /// Whether it takes one drop alone.
        pub once: bool,
    }
}

shape! {
    /// `GET /v1/drops/{drop}`: a drop box, for who writes to it.
    pub struct DropInfo {
        /// Its record. To be believed only when its hash is the one in the box's link.
        pub record: B64,
        /// When it ends.
        pub expires_at: u64,
        /// Whether it takes one drop alone.
        pub once: bool,
        /// The relay's clock.
        pub time: u64,
        /// What the box takes.
        pub limits: DropLimits,
    }
}

shape! {
    /// What a drop box takes.
    pub struct DropLimits {
        /// Largest envelope.
        pub envelope_bytes: u64,
        /// Largest file, and most bytes of files in the box.
        pub attachment_bytes: u64,
        /// Most files of one drop.
        pub attachments: u64,
        /// Largest piece of an upload.
        pub chunk_bytes: u64,
        /// Longest life of a drop.
        pub ttl_seconds: u64,
    }
}

shape! {
    /// `POST /v1/drops/{drop}/envelopes`: the relay has the drop.
    pub struct DropReceipt {
        /// The drop.
        pub env_id: EnvelopeId,
        /// When the relay answered.
        pub received_at: u64,
    }
}
