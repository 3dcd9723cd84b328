//! Sealing and opening envelopes: signed, padded, encrypted once, the key wrapped per device.
//!
//! Sign-then-encrypt with recipients and header inside the signature; a fresh content key for every
//! sealing, committed to; HPKE info that names the recipient, its device, its prekey record and its
//! mailbox. Carries out docs/protocol.md section 3.
//!
//! Opening goes in typed steps, in the order of the protocol, so that no step can be left out:
//! [`Received::decode`] → (look the prekey up by [`Received::kid`]) → [`Received::open`] →
//! (look the sender's pinned card up by [`Unsealed::claimed_sender`]) → [`Unsealed::authenticate`]
//! → [`Opened`].

mod open;
mod seal;

pub(crate) use open::open_content;
pub(crate) use seal::{OVERHEAD, encrypt, generate_content_key};

pub use open::{ClaimedSender, OpenError, Opened, OwnDevice, Received, Unsealed};
pub use seal::{SealError, Sealed, seal};

use hkdf::Hkdf;
use sha2::Sha256;
use waxwing_wire::cbor::{self, Value};
use waxwing_wire::ids::{AccountId, DeviceId, Digest, MailboxId};

use crate::hpke_suite::Secret;

const COMMIT_LABEL: &[u8] = b"waxwing/cek-commit/v1";
const RECIPIENT_LABEL: &str = "waxwing/rcpt/v1";

/// `commit = HKDF-SHA256-Expand(CEK, "waxwing/cek-commit/v1", 32)` (RFC 5869 section 2.3): AES-GCM
/// alone would let a sender show two recipients two texts under one ciphertext.
///
/// Fails only if a key of 32 bytes were too short to expand, which it is not; a failure must never
/// become a constant commitment.
fn commitment(content_key: &Secret) -> Result<Digest, CommitmentFailed> {
    let mut commit = [0u8; 32];
    Hkdf::<Sha256>::from_prk(content_key.as_slice())
        .map_err(|_| CommitmentFailed)?
        .expand(COMMIT_LABEL, &mut commit)
        .map_err(|_| CommitmentFailed)?;
    Ok(Digest::new(commit))
}

/// Never in practice; see [`commitment`].
#[derive(Debug, Clone, Copy)]
struct CommitmentFailed;

/// HPKE's `info`: `Recipient_structure` of draft-ietf-cose-hpke, `["HPKE Recipient", 3,
/// recipient_protected, extra]`, where 3 is the content algorithm A256GCM.
pub(crate) fn hpke_info(recipient_protected: &[u8], extra: Vec<u8>) -> Vec<u8> {
    cbor::encode(&Value::Array(vec![
        Value::from("HPKE Recipient"),
        Value::from(waxwing_wire::envelope::ALG_A256GCM),
        cbor::bytes(recipient_protected),
        Value::Bytes(extra),
    ]))
}

/// Everything that a recipient entry is bound to.
struct RecipientContext<'a> {
    header_hash: &'a Digest,
    account_id: &'a AccountId,
    device_id: &'a DeviceId,
    prekey_record: &'a Digest,
    to: &'a MailboxId,
}

impl RecipientContext<'_> {
    fn info(&self, recipient_protected: &[u8]) -> Vec<u8> {
        hpke_info(recipient_protected, self.extra())
    }

    fn extra(&self) -> Vec<u8> {
        cbor::encode(&Value::Array(vec![
            Value::from(RECIPIENT_LABEL),
            cbor::bytes(self.header_hash),
            cbor::bytes(self.account_id),
            cbor::bytes(self.device_id),
            cbor::bytes(self.prekey_record),
            cbor::bytes(self.to),
        ]))
    }
}
