//! Retry statements: a recipient's device says, signed, that it cannot open an envelope.
//!
//! The relay passes them to the sender, who checks them against the recipient's card and seals
//! again to a fresh prekey (new `env_id`, same `msg_id`). Carries out docs/protocol.md section 3,
//! "Unknown kid".

use crate::card::VerifiedCard;
use crate::cbor::{self, Fields, ShapeError, Value};
use crate::cose::Sign1;
use crate::cose_key::SignatureInvalid;
use crate::ids::{DeviceId, EnvelopeId, MailboxId};
use crate::limits::MAX_RETRY_BYTES;

/// `external_aad` of a retry statement.
pub const RETRY_LABEL: &[u8] = b"waxwing/retry/v1";

/// Why a retry statement is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetryError {
    /// It is not a retry statement.
    #[error("not a retry statement: {0}")]
    Shape(#[from] ShapeError),
    /// No device with that mailbox is in the card.
    #[error("the mailbox is not in the card")]
    WrongDevice,
    /// Its signature does not verify.
    #[error("the retry statement's signature does not verify")]
    Signature,
}

impl From<SignatureInvalid> for RetryError {
    fn from(_: SignatureInvalid) -> Self {
        Self::Signature
    }
}

/// Why the device asks for another sealing. Deliberately one reason only: anything finer would tell
/// a forger how far a forgery got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryReason {
    /// The envelope names a prekey that the device does not hold (any more).
    UnknownPrekey,
}

impl RetryReason {
    const fn number(self) -> u64 {
        match self {
            Self::UnknownPrekey => 1,
        }
    }

    const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::UnknownPrekey),
            _ => None,
        }
    }
}

/// What a retry statement says: `{1: env_id, 2: to, 3: reason, 4: at}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBody {
    /// The envelope.
    pub env_id: EnvelopeId,
    /// The mailbox it came to.
    pub to: MailboxId,
    /// Why.
    pub reason: RetryReason,
    /// Unix seconds.
    pub at: u64,
}

impl RetryBody {
    /// The deterministic CBOR that is signed.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(&cbor::map([
            (1, cbor::bytes(self.env_id)),
            (2, cbor::bytes(self.to)),
            (3, Value::from(self.reason.number())),
            (4, Value::from(self.at)),
        ]))
    }
}

/// A retry statement as it was read, signature not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    signed: Sign1,
    body: RetryBody,
}

impl Retry {
    /// Reads a statement strictly; checks no signature.
    ///
    /// # Errors
    /// [`ShapeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ShapeError> {
        let signed = Sign1::decode(bytes, MAX_RETRY_BYTES)?;
        let mut fields = Fields::open(cbor::decode(&signed.payload, MAX_RETRY_BYTES)?, "retry")?;
        let body = RetryBody {
            env_id: fields.id(1, "env_id")?,
            to: fields.id(2, "to")?,
            reason: RetryReason::from_number(fields.uint(3, "reason")?)
                .ok_or(ShapeError::Wrong("reason"))?,
            at: fields.uint(4, "at")?,
        };
        fields.finish()?;
        Ok(Self { signed, body })
    }

    /// What it claims, unproven.
    pub fn body(&self) -> &RetryBody {
        &self.body
    }

    /// Proves that the device which owns the named mailbox in `card` signed it.
    ///
    /// # Errors
    /// [`RetryError`].
    pub fn verify(self, card: &VerifiedCard) -> Result<VerifiedRetry, RetryError> {
        let device = card
            .body()
            .devices
            .iter()
            .find(|device| device.mailbox == self.body.to)
            .ok_or(RetryError::WrongDevice)?;
        self.signed.verify(&device.signing, RETRY_LABEL)?;
        Ok(VerifiedRetry {
            body: self.body,
            device_id: device.device_id,
        })
    }
}

/// The proof that the mailbox's device made the statement; made only by [`Retry::verify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedRetry {
    body: RetryBody,
    device_id: DeviceId,
}

impl VerifiedRetry {
    /// What it says.
    pub fn body(&self) -> &RetryBody {
        &self.body
    }

    /// The device that cannot open the envelope.
    pub fn device_id(&self) -> DeviceId {
        self.device_id
    }
}
