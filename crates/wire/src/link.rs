//! What crosses the relay while a new device is linked to an account: the new device's offer and the
//! old one's hello. The answer that follows is ciphertext alone.
//!
//! Nothing here is signed or secret. That the offer is the one meant is known by its hash, which
//! comes in the link text past the relay; the rest is HPKE (docs/protocol.md section 8).

use crate::card::DeviceEntry;
use crate::cbor::{self, Fields, ShapeError, Value};
use crate::cose_key::{DevicePublic, HpkePublic, Suite, TransportPublic};
use crate::ids::{DeviceId, Digest, MailboxId};
use crate::limits::MAX_LINK_BYTES;

const VERSION: u64 = 1;

/// Which of a link's three messages; each is written once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkSlot {
    /// The new device's keys.
    Offer,
    /// The old device was given the link text.
    Hello,
    /// What makes the new device one of the account's.
    Grant,
}

impl LinkSlot {
    /// All, in their order.
    pub const ALL: [Self; 3] = [Self::Offer, Self::Hello, Self::Grant];

    /// Its name in a path.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Hello => "hello",
            Self::Grant => "grant",
        }
    }
}

impl core::str::FromStr for LinkSlot {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let mut all = Self::ALL.into_iter();
        all.find(|slot| slot.as_str() == text)
            .ok_or(ShapeError::Wrong("slot"))
    }
}

/// A new device's public keys: `{1: 1, 2: HPKE key as COSE_Key (S2), 3: device_id,
/// 4: DSK COSE_Key, 5: TSK COSE_Key, 6: mailbox}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What the old device seals to; of suite S2, used for this link alone.
    pub key: HpkePublic,
    /// The new device.
    pub device_id: DeviceId,
    /// Will check its messages, prekeys and retry statements (DSK).
    pub signing: DevicePublic,
    /// Will check its requests to the relay (TSK).
    pub transport: TransportPublic,
    /// Where its envelopes will go.
    pub mailbox: MailboxId,
}

impl Offer {
    /// The deterministic CBOR whose hash stands in the link text.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(&cbor::map([
            (1, Value::from(VERSION)),
            (2, self.key.to_cose_key()),
            (3, cbor::bytes(self.device_id)),
            (4, self.signing.to_cose_key()),
            (5, self.transport.to_cose_key()),
            (6, cbor::bytes(self.mailbox)),
        ]))
    }

    /// Reads an offer strictly.
    ///
    /// # Errors
    /// [`ShapeError`], also for a key of another suite than S2.
    pub fn decode(bytes: &[u8]) -> Result<Self, ShapeError> {
        let mut fields = open(bytes, "offer")?;
        let offer = Self {
            key: HpkePublic::from_cose_key(fields.need(2, "link key")?)?,
            device_id: fields.id(3, "device_id")?,
            signing: DevicePublic::from_cose_key(fields.need(4, "device key")?)?,
            transport: TransportPublic::from_cose_key(fields.need(5, "transport key")?)?,
            mailbox: fields.id(6, "mailbox")?,
        };
        fields.finish()?;
        if offer.key.suite() == Suite::S2 {
            Ok(offer)
        } else {
            Err(ShapeError::Wrong("link key"))
        }
    }

    /// `H(offer)`.
    pub fn hash(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// The device's entry for the account's card. `added_at`: Unix seconds.
    pub fn entry(&self, added_at: u64) -> DeviceEntry {
        DeviceEntry {
            device_id: self.device_id,
            signing: self.signing.clone(),
            added_at,
            caps: 0,
            transport: self.transport.clone(),
            mailbox: self.mailbox,
        }
    }
}

/// The old device's first word, without a secret: `{1: 1, 2: ek, 3: HPKE ciphertext of nothing}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The encapsulated key.
    pub ek: Vec<u8>,
    /// Proves that who wrote it has the link text.
    pub sealed: Vec<u8>,
}

impl Hello {
    /// As it travels.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(&cbor::map([
            (1, Value::from(VERSION)),
            (2, cbor::bytes(&self.ek)),
            (3, cbor::bytes(&self.sealed)),
        ]))
    }

    /// Reads a hello strictly.
    ///
    /// # Errors
    /// [`ShapeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ShapeError> {
        let mut fields = open(bytes, "hello")?;
        let hello = Self {
            ek: fields.bytes(2, "ek")?,
            sealed: fields.bytes(3, "sealed")?,
        };
        fields.finish()?;
        Ok(hello)
    }
}

/// Opens a map of this version of linking.
fn open(bytes: &[u8], what: &'static str) -> Result<Fields, ShapeError> {
    let mut fields = Fields::open(cbor::decode(bytes, MAX_LINK_BYTES)?, what)?;
    if fields.uint(1, "version")? == VERSION {
        Ok(fields)
    } else {
        Err(ShapeError::Wrong("version"))
    }
}
