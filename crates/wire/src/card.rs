//! Cards: what an account says about itself, signed by its identity key.
//!
//! A card lists the account's devices with their keys and mailboxes. [`Card`] is what was read;
//! [`VerifiedCard`] is the proof that its signature holds, and [`CardProof`] how far the proof
//! reaches. Whether a card may replace the one known before is decided in [`crate::pin`].
//! Carries out docs/protocol.md section 2.

use crate::cbor::{self, Fields, ShapeError, Value};
use crate::cose::{Sign1, Sign2, Signed};
use crate::cose_key::{DevicePublic, IdentityPublic, SignatureInvalid, Suite, TransportPublic};
use crate::ids::{AccountId, DeviceId, Digest, MailboxId};
use crate::limits::{CLOCK_SKEW, MAX_CARD_BYTES, MAX_CARD_LIFE, MAX_DEVICES};

/// `external_aad` of every card signature.
pub const CARD_LABEL: &[u8] = b"waxwing/card/v1";

/// Why a card is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// It is not a card.
    #[error("not a card: {0}")]
    Shape(#[from] ShapeError),
    /// A signature does not verify.
    #[error("the card's signature does not verify")]
    Signature,
    /// A first card must have the key that the account id names, and the very first version 1.
    #[error("not a valid first card")]
    Genesis,
    /// It does not follow the card before: version, predecessor hash or account do not fit.
    #[error("the card does not follow the one before")]
    NotSuccessor,
    /// Another identity key, without a signature by the old one.
    #[error("the identity key changed without the old key's signature")]
    IdentityReset,
    /// Its time is over.
    #[error("the card has expired")]
    Expired,
    /// It claims to be issued in the future.
    #[error("the card is not valid yet")]
    NotYetValid,
    /// It allows a weaker suite than the card before.
    #[error("the card lowers the minimum suite")]
    WeakerSuite,
}

impl From<SignatureInvalid> for CardError {
    fn from(_: SignatureInvalid) -> Self {
        Self::Signature
    }
}

/// One device as its account's card describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceEntry {
    /// The device.
    pub device_id: DeviceId,
    /// Checks its messages, prekeys and retry statements (DSK).
    pub signing: DevicePublic,
    /// When it was added, Unix seconds.
    pub added_at: u64,
    /// Capability bits; 0 today.
    pub caps: u64,
    /// Checks its requests to the relay (TSK).
    pub transport: TransportPublic,
    /// Where its envelopes go.
    pub mailbox: MailboxId,
}

/// What a card says (docs/protocol.md section 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardBody {
    /// The account.
    pub account_id: AccountId,
    /// 1 for the first card, then one more each time.
    pub version: u64,
    /// `H(previous card bytes)`; `None` only in the first.
    pub prev: Option<Digest>,
    /// The identity key (AIK) in force from this card on.
    pub identity: IdentityPublic,
    /// The devices, 1 to [`MAX_DEVICES`], with distinct ids and mailboxes.
    pub devices: Vec<DeviceEntry>,
    /// Unix seconds.
    pub issued_at: u64,
    /// Unix seconds; at most [`MAX_CARD_LIFE`] after `issued_at`.
    pub expires_at: u64,
    /// The weakest suite that may be used towards this account.
    pub min_suite: Suite,
}

impl CardBody {
    /// The deterministic CBOR that is signed.
    pub fn encode(&self) -> Vec<u8> {
        let devices = self
            .devices
            .iter()
            .map(|device| {
                cbor::map([
                    (1, cbor::bytes(device.device_id)),
                    (2, device.signing.to_cose_key()),
                    (3, Value::from(device.added_at)),
                    (4, Value::from(device.caps)),
                    (5, device.transport.to_cose_key()),
                    (6, cbor::bytes(device.mailbox)),
                ])
            })
            .collect();
        cbor::encode(&cbor::map([
            (1, cbor::bytes(self.account_id)),
            (2, Value::from(self.version)),
            (3, cbor::or_null(self.prev.map(cbor::bytes))),
            (4, self.identity.to_cose_key()),
            (5, Value::Array(devices)),
            (6, Value::from(self.issued_at)),
            (7, Value::from(self.expires_at)),
            (8, Value::from(self.min_suite.number())),
        ]))
    }

    /// Reads the signed bytes.
    ///
    /// # Errors
    /// [`ShapeError`], also for a life over 90 days, repeated devices or mailboxes, or a version
    /// and predecessor that contradict each other.
    pub fn decode(bytes: &[u8]) -> Result<Self, ShapeError> {
        let mut fields = Fields::open(cbor::decode(bytes, MAX_CARD_BYTES)?, "card")?;
        let body = Self {
            account_id: fields.id(1, "account_id")?,
            version: fields.uint(2, "version")?,
            prev: match fields.need(3, "prev")? {
                Value::Null => None,
                value => Some(cbor::as_id(&value, "prev")?),
            },
            identity: IdentityPublic::from_cose_key(fields.need(4, "identity key")?)?,
            devices: fields
                .array(5, "devices")?
                .into_iter()
                .map(DeviceEntry::from_value)
                .collect::<Result<_, _>>()?,
            issued_at: fields.uint(6, "issued_at")?,
            expires_at: fields.uint(7, "expires_at")?,
            min_suite: Suite::from_number(fields.uint(8, "min_suite")?)
                .ok_or(ShapeError::Wrong("min_suite"))?,
        };
        fields.finish()?;
        body.check()?;
        Ok(body)
    }

    fn check(&self) -> Result<(), ShapeError> {
        if self.version == 0 || (self.version == 1) != self.prev.is_none() {
            return Err(ShapeError::Wrong("version"));
        }
        let life = self.expires_at.checked_sub(self.issued_at);
        if !life.is_some_and(|life| life > 0 && life <= MAX_CARD_LIFE) {
            return Err(ShapeError::Wrong("expires_at"));
        }
        if self.devices.is_empty() || self.devices.len() > MAX_DEVICES {
            return Err(ShapeError::Wrong("devices"));
        }
        for (at, device) in self.devices.iter().enumerate() {
            let repeated = self.devices[..at].iter().any(|other| {
                other.device_id == device.device_id
                    || other.mailbox == device.mailbox
                    || other.signing == device.signing
                    || other.transport == device.transport
            });
            if repeated || device.signing.as_bytes() == device.transport.as_bytes() {
                return Err(ShapeError::Wrong("devices"));
            }
        }
        Ok(())
    }

    /// The entry of a device.
    pub fn device(&self, device_id: &DeviceId) -> Option<&DeviceEntry> {
        self.devices
            .iter()
            .find(|device| device.device_id == *device_id)
    }

    /// Whether the identity key is the one that the account id was derived from.
    pub fn is_anchored(&self) -> bool {
        AccountId::derive(self.identity.as_bytes()) == self.account_id
    }

    /// Checks the card's time against a clock, with [`CLOCK_SKEW`] of tolerance.
    ///
    /// # Errors
    /// [`CardError::Expired`] or [`CardError::NotYetValid`].
    pub fn check_time(&self, now: u64) -> Result<(), CardError> {
        if now >= self.expires_at {
            Err(CardError::Expired)
        } else if self.issued_at > now.saturating_add(CLOCK_SKEW) {
            Err(CardError::NotYetValid)
        } else {
            Ok(())
        }
    }
}

impl DeviceEntry {
    fn from_value(value: Value) -> Result<Self, ShapeError> {
        let mut fields = Fields::open(value, "device")?;
        let entry = Self {
            device_id: fields.id(1, "device_id")?,
            signing: DevicePublic::from_cose_key(fields.need(2, "device key")?)?,
            added_at: fields.uint(3, "added_at")?,
            caps: fields.uint(4, "caps")?,
            transport: TransportPublic::from_cose_key(fields.need(5, "transport key")?)?,
            mailbox: fields.id(6, "mailbox")?,
        };
        fields.finish()?;
        Ok(entry)
    }
}

/// A card as it was read: signed bytes and what they say, signatures not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    bytes: Vec<u8>,
    signed: Signed,
    body: CardBody,
}

impl Card {
    /// Reads a card strictly; checks no signature and no time.
    ///
    /// # Errors
    /// [`ShapeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ShapeError> {
        let signed = Signed::decode(bytes, MAX_CARD_BYTES)?;
        let body = CardBody::decode(signed.payload())?;
        Ok(Self {
            bytes: bytes.to_vec(),
            signed,
            body,
        })
    }

    /// The card as it travels.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// `H(card)`.
    pub fn hash(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// What it claims, unproven.
    pub fn body(&self) -> &CardBody {
        &self.body
    }

    /// Whether it carries a rotation's two signatures.
    pub fn is_rotation(&self) -> bool {
        matches!(self.signed, Signed::Two(_))
    }

    /// Proves that it is an account's valid first card: version 1, account id derived from its
    /// identity key, one signature by that key, time in force.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn verify_genesis(self, now: u64) -> Result<VerifiedCard, CardError> {
        let Signed::One(signed) = &self.signed else {
            return Err(CardError::Genesis);
        };
        if self.body.version != 1 || !self.body.is_anchored() {
            return Err(CardError::Genesis);
        }
        signed.verify(&self.body.identity, CARD_LABEL)?;
        self.body.check_time(now)?;
        Ok(self.proven(CardProof::Genesis))
    }

    /// Proves that it may be the first card of its account at a relay, whatever its version: who
    /// moves there brings the present card. The account id must be derived from its identity key,
    /// so that nobody else can take the account's place.
    ///
    /// # Errors
    /// [`CardError`]; [`CardError::Genesis`] when the account id does not vouch for the key.
    pub fn verify_arrival(self, now: u64) -> Result<VerifiedCard, CardError> {
        if !self.body.is_anchored() {
            return Err(CardError::Genesis);
        }
        self.body.check_time(now)?;
        self.verify_self()
    }

    /// Proves that it directly follows `previous`: version one higher, and as [`Card::verify_later`].
    ///
    /// # Errors
    /// [`CardError`]; [`CardError::IdentityReset`] when the key changed without the old signature.
    pub fn verify_successor(
        self,
        previous: &VerifiedCard,
        now: u64,
    ) -> Result<VerifiedCard, CardError> {
        if previous.body().version.checked_add(1) != Some(self.body.version) {
            return Err(CardError::NotSuccessor);
        }
        self.verify_later(previous, now)
    }

    /// Proves that it comes after `previous`, directly or with cards between that were not seen:
    /// same account, higher version (`prev` is the hash of `previous` when it is the next one),
    /// minimum suite not lower, and signed by the same identity key or, as a rotation, by the old
    /// and the new one. What [`crate::pin::Pin::judge`] accepts.
    ///
    /// # Errors
    /// [`CardError`]; [`CardError::IdentityReset`] when the key changed without the old signature.
    pub fn verify_later(
        self,
        previous: &VerifiedCard,
        now: u64,
    ) -> Result<VerifiedCard, CardError> {
        self.check_later(previous)?;
        let proof = self.verify_chain(&previous.body().identity)?;
        self.body.check_time(now)?;
        Ok(self.proven(proof))
    }

    /// Proves that it directly follows `previous` with another identity key, signed by that key alone:
    /// the one card that a relay takes after the key of `previous` was revoked. Nothing of it proves
    /// that the account's owner made it; who takes it knows that from elsewhere.
    ///
    /// # Errors
    /// [`CardError`]; [`CardError::NotSuccessor`] also for a rotation and for the same key.
    pub fn verify_reset(
        self,
        previous: &VerifiedCard,
        now: u64,
    ) -> Result<VerifiedCard, CardError> {
        let before = previous.body();
        if before.version.checked_add(1) != Some(self.body.version)
            || self.body.identity == before.identity
            || self.is_rotation()
        {
            return Err(CardError::NotSuccessor);
        }
        self.check_later(previous)?;
        self.body.check_time(now)?;
        self.verify_self()
    }

    /// Account, order and minimum suite; no signature.
    fn check_later(&self, previous: &VerifiedCard) -> Result<(), CardError> {
        let before = previous.body();
        let is_next = before.version.checked_add(1) == Some(self.body.version);
        if self.body.account_id != before.account_id
            || self.body.version <= before.version
            || (is_next && self.body.prev != Some(previous.hash()))
        {
            return Err(CardError::NotSuccessor);
        }
        if self.body.min_suite < before.min_suite {
            return Err(CardError::WeakerSuite);
        }
        Ok(())
    }

    /// Proves only that it is signed by the identity key inside it: enough for a card loaded from
    /// this computer's own disk, or for one met for the first time after others were missed. Does
    /// not look at the time. Read [`VerifiedCard::proof`] and [`crate::pin`] before trusting it.
    ///
    /// # Errors
    /// [`CardError::Signature`].
    pub fn verify_self(self) -> Result<VerifiedCard, CardError> {
        match &self.signed {
            Signed::One(one) => one.verify(&self.body.identity, CARD_LABEL)?,
            Signed::Two(two) => two.verify_new(&self.body.identity, CARD_LABEL)?,
        }
        let anchored = self.body.is_anchored();
        Ok(self.proven(CardProof::SelfSigned { anchored }))
    }

    /// Checks the signatures as seen from a known identity key.
    pub(crate) fn verify_chain(&self, known: &IdentityPublic) -> Result<CardProof, CardError> {
        match &self.signed {
            Signed::One(one) if self.body.identity == *known => {
                one.verify(known, CARD_LABEL)?;
                Ok(CardProof::SameIdentity)
            }
            Signed::Two(two) if self.body.identity != *known => {
                two.verify_new(&self.body.identity, CARD_LABEL)?;
                // A valid new signature without the old one is a reset, not noise.
                two.verify(known, &self.body.identity, CARD_LABEL)
                    .map_err(|_| CardError::IdentityReset)?;
                Ok(CardProof::Rotation)
            }
            Signed::One(one) => {
                one.verify(&self.body.identity, CARD_LABEL)?;
                Err(CardError::IdentityReset)
            }
            // Seen from the rotation's new key: it was already the known one.
            Signed::Two(two) => {
                two.verify_new(known, CARD_LABEL)?;
                Ok(CardProof::SameIdentity)
            }
        }
    }

    pub(crate) fn proven(self, proof: CardProof) -> VerifiedCard {
        VerifiedCard { card: self, proof }
    }
}

/// How far a card's proof reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardProof {
    /// The account's first card.
    Genesis,
    /// Signed by the identity key that was known before.
    SameIdentity,
    /// Identity key replaced, signed by the old and the new key.
    Rotation,
    /// Signed by the key inside it; `anchored` when the account id was derived from that key.
    SelfSigned {
        /// Whether the account id vouches for the key.
        anchored: bool,
    },
}

/// The proof that a card's signatures hold; made only by the `verify_` functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCard {
    card: Card,
    proof: CardProof,
}

impl VerifiedCard {
    /// What the card says.
    pub fn body(&self) -> &CardBody {
        &self.card.body
    }

    /// The card as it travels.
    pub fn as_bytes(&self) -> &[u8] {
        &self.card.bytes
    }

    /// `H(card)`.
    pub fn hash(&self) -> Digest {
        self.card.hash()
    }

    /// How it was proven.
    pub fn proof(&self) -> CardProof {
        self.proof
    }

    /// The card.
    pub fn card(&self) -> &Card {
        &self.card
    }
}

/// The bytes that an ordinary card's identity key signs.
pub fn bytes_to_sign(body: &[u8]) -> Vec<u8> {
    Sign1::signed_bytes(CARD_LABEL, body)
}

/// The bytes that both keys of a rotation sign.
pub fn bytes_to_sign_rotation(body: &[u8]) -> Vec<u8> {
    Sign2::signed_bytes(CARD_LABEL, body)
}
