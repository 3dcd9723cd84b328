//! Prekey records: HPKE public keys that a device publishes, each signed by itself.
//!
//! One signature per key, because the relay hands them out one by one. A [`VerifiedPrekey`] is the
//! only thing a message can be sealed to. Carries out docs/protocol.md section 2.

use crate::card::VerifiedCard;
use crate::cbor::{self, Fields, ShapeError, Value};
use crate::cose::Sign1;
use crate::cose_key::{HpkePublic, SignatureInvalid};
use crate::ids::{AccountId, DeviceId, Digest, KeyId, MailboxId};
use crate::limits::MAX_PREKEY_BYTES;

/// `external_aad` of a prekey signature.
pub const PREKEY_LABEL: &[u8] = b"waxwing/prekey/v1";

/// Why a prekey is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrekeyError {
    /// It is not a prekey record.
    #[error("not a prekey record: {0}")]
    Shape(#[from] ShapeError),
    /// Its signature does not verify.
    #[error("the prekey's signature does not verify")]
    Signature,
    /// It is of another account, or of a device that the card does not list.
    #[error("the prekey does not belong to that device")]
    WrongDevice,
    /// Its time is over.
    #[error("the prekey has expired")]
    Expired,
    /// Its suite is weaker than the card allows.
    #[error("the prekey's suite is weaker than the card allows")]
    WeakerSuite,
}

impl From<SignatureInvalid> for PrekeyError {
    fn from(_: SignatureInvalid) -> Self {
        Self::Signature
    }
}

/// Whether a prekey may be used once or until it is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrekeyKind {
    /// Signed prekey: the last resort, replaced every 7 days, kept until the key of its week is
    /// destroyed, 67 days after the week.
    Signed,
    /// One-time prekey.
    OneTime,
}

impl PrekeyKind {
    /// 0 or 1, as in the record.
    pub const fn number(self) -> u64 {
        match self {
            Self::Signed => 0,
            Self::OneTime => 1,
        }
    }

    /// From 0 or 1.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Signed),
            1 => Some(Self::OneTime),
            _ => None,
        }
    }
}

/// What a prekey record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrekeyBody {
    /// The account.
    pub account_id: AccountId,
    /// The device.
    pub device_id: DeviceId,
    /// Once, or until replaced.
    pub kind: PrekeyKind,
    /// The HPKE key, which says its suite.
    pub key: HpkePublic,
    /// Unix seconds after which nobody may seal to it.
    pub not_after: u64,
    /// `H(card)` under which it was made: a sender who holds an older card learns of it.
    pub card_hash: Digest,
}

impl PrekeyBody {
    /// The deterministic CBOR that is signed.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(&cbor::map([
            (1, cbor::bytes(self.account_id)),
            (2, cbor::bytes(self.device_id)),
            (3, Value::from(self.kind.number())),
            (4, self.key.to_cose_key()),
            (5, Value::from(self.not_after)),
            (6, cbor::bytes(self.card_hash)),
        ]))
    }

    fn decode(bytes: &[u8]) -> Result<Self, ShapeError> {
        let mut fields = Fields::open(cbor::decode(bytes, MAX_PREKEY_BYTES)?, "prekey")?;
        let body = Self {
            account_id: fields.id(1, "account_id")?,
            device_id: fields.id(2, "device_id")?,
            kind: PrekeyKind::from_number(fields.uint(3, "kind")?)
                .ok_or(ShapeError::Wrong("kind"))?,
            key: HpkePublic::from_cose_key(fields.need(4, "key")?)?,
            not_after: fields.uint(5, "not_after")?,
            card_hash: fields.id(6, "card hash")?,
        };
        fields.finish()?;
        Ok(body)
    }
}

/// A prekey record as it was read, signature not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prekey {
    bytes: Vec<u8>,
    signed: Sign1,
    body: PrekeyBody,
}

impl Prekey {
    /// Reads a record strictly; checks no signature and no time.
    ///
    /// # Errors
    /// [`ShapeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ShapeError> {
        let signed = Sign1::decode(bytes, MAX_PREKEY_BYTES)?;
        let body = PrekeyBody::decode(&signed.payload)?;
        Ok(Self {
            bytes: bytes.to_vec(),
            signed,
            body,
        })
    }

    /// The record as it travels.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// `H(record)`: binds the recipient entry of an envelope to this record, and makes publishing
    /// idempotent at the relay.
    pub fn hash(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// What it claims, unproven.
    pub fn body(&self) -> &PrekeyBody {
        &self.body
    }

    /// Proves that the device listed in `card` signed it, that its time is not over at `now` (Unix
    /// seconds), and that its suite is not weaker than the card allows.
    ///
    /// # Errors
    /// [`PrekeyError`].
    pub fn verify(self, card: &VerifiedCard, now: u64) -> Result<VerifiedPrekey, PrekeyError> {
        let known = card.body();
        let device = known
            .device(&self.body.device_id)
            .filter(|_| known.account_id == self.body.account_id)
            .ok_or(PrekeyError::WrongDevice)?;
        self.signed.verify(&device.signing, PREKEY_LABEL)?;
        if now >= self.body.not_after {
            return Err(PrekeyError::Expired);
        }
        if self.body.key.suite() < known.min_suite {
            return Err(PrekeyError::WeakerSuite);
        }
        let mailbox = device.mailbox;
        let card_is_current = self.body.card_hash == card.hash();
        Ok(VerifiedPrekey {
            hash: self.hash(),
            body: self.body,
            mailbox,
            card_version: known.version,
            card_is_current,
        })
    }
}

/// The proof that a device in a verified card published this key; made only by
/// [`Prekey::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPrekey {
    body: PrekeyBody,
    hash: Digest,
    mailbox: MailboxId,
    card_version: u64,
    card_is_current: bool,
}

impl VerifiedPrekey {
    /// What the record says.
    pub fn body(&self) -> &PrekeyBody {
        &self.body
    }

    /// `H(record)`.
    pub fn hash(&self) -> Digest {
        self.hash
    }

    /// The key's id.
    pub fn kid(&self) -> KeyId {
        self.body.key.kid()
    }

    /// The device's mailbox, from the card.
    pub fn mailbox(&self) -> MailboxId {
        self.mailbox
    }

    /// Version of the card that vouches for it.
    pub fn card_version(&self) -> u64 {
        self.card_version
    }

    /// Whether the device made it under that very card. When not, one of the two is older: ask the
    /// directory for the card again.
    pub fn card_is_current(&self) -> bool {
        self.card_is_current
    }
}
