//! Linking a new device: the text that it shows, and the two sides of the conversation in which the
//! old device gives it the account. Carries out docs/protocol.md section 8.
//!
//! [`NewDevice`] and [`OldDevice`] speak HPKE in mode PSK: the text carries the hash of the new
//! device's offer and the psk past the relay, so a relay can neither read nor stand between. The
//! check code tells the person that these two devices speak with each other, before anything that is
//! secret was sent.

mod grant;
mod text;

use core::fmt;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq as _;
use waxwing_wire::cbor::{self, ShapeError, Value};
use waxwing_wire::cose_key::Suite;
use waxwing_wire::ids::{DeviceId, Digest, LinkId, MailboxId};
use waxwing_wire::link::{Hello, Offer};

pub use self::grant::Grant;
pub use self::text::LinkText;
use crate::hpke_suite::{self, HpkeFailed, Opener, Psk, Sealer, Secret};
use crate::keys::{DeviceKey, TransportKey};

const LINK_LABEL: &str = "waxwing/link/v1";
const CHECK_LABEL: &[u8] = b"waxwing/link/check/v1";
const CODES: u64 = 10_000;

/// Why linking cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// What was typed or pasted is no link text.
    #[error("not a link text")]
    Text,
    /// What came through the relay has not the shape that it should have.
    #[error("not a message of a link: {0}")]
    Shape(#[from] ShapeError),
    /// The relay shows another offer than the one that the text names.
    #[error("the offer is not the one of the link text")]
    OtherOffer,
    /// It was not sealed by who has the text, for this device and in this place.
    #[error("a message of the link does not open")]
    DoesNotOpen,
}

impl From<HpkeFailed> for LinkError {
    fn from(_: HpkeFailed) -> Self {
        Self::DoesNotOpen
    }
}

/// Four digits that the new device shows and the person types on the old one.
#[derive(Clone, PartialEq, Eq)]
pub struct CheckCode(String);

impl CheckCode {
    fn derive(exported: &Secret) -> Self {
        let mut number = [0; 8];
        number.copy_from_slice(&exported[..8]);
        Self(format!("{:04}", u64::from_be_bytes(number) % CODES))
    }

    /// Whether somebody typed it; spaces do not matter.
    pub fn is(&self, typed: &str) -> bool {
        let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        typed.as_bytes().ct_eq(self.0.as_bytes()).into()
    }
}

impl fmt::Display for CheckCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The new device while it waits to be linked.
pub struct NewDevice {
    rendezvous: LinkId,
    psk: Secret,
    secret: Secret,
    offer: Offer,
}

impl NewDevice {
    /// Makes a link's secrets and the offer of these keys.
    ///
    /// # Errors
    /// [`LinkError::DoesNotOpen`] when no key pair can be made.
    pub fn begin<R: CryptoRng + ?Sized>(
        device_id: DeviceId,
        mailbox: MailboxId,
        signing: &DeviceKey,
        transport: &TransportKey,
        rng: &mut R,
    ) -> Result<Self, LinkError> {
        let (secret, key) = hpke_suite::generate(Suite::S2, rng)?;
        let mut psk = Secret::default();
        rng.fill_bytes(psk.as_mut_slice());
        Ok(Self {
            rendezvous: LinkId::generate(rng),
            psk,
            secret,
            offer: Offer {
                key,
                device_id,
                signing: signing.public().clone(),
                transport: transport.public().clone(),
                mailbox,
            },
        })
    }

    /// Where the two devices meet.
    pub fn rendezvous(&self) -> LinkId {
        self.rendezvous
    }

    /// What the relay shows to the old device.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// What the person carries to the old device. `relay` is where they meet, `name` what this
    /// device calls itself.
    pub fn text(&self, relay: String, name: String) -> LinkText {
        LinkText {
            relay,
            rendezvous: self.rendezvous,
            offer: self.offer.hash(),
            psk: self.psk.clone(),
            name,
        }
    }

    /// Reads the old device's first word. Gives the code to show, and who waits for the grant.
    ///
    /// # Errors
    /// [`LinkError`] when it is not of who has the text.
    pub fn answer(&self, hello: &[u8]) -> Result<(CheckCode, Waiting), LinkError> {
        let hello = Hello::decode(hello)?;
        let info = info(self.rendezvous, self.offer.hash());
        let psk = Psk {
            secret: &self.psk,
            id: self.rendezvous.as_bytes(),
        };
        let mut opener = Opener::join(&self.secret, &hello.ek, &psk, &info)?;
        if !opener.open(&hello.sealed)?.is_empty() {
            return Err(LinkError::DoesNotOpen);
        }
        let code = CheckCode::derive(&opener.export(CHECK_LABEL)?);
        Ok((code, Waiting { opener }))
    }
}

/// The new device after the hello.
pub struct Waiting {
    opener: Opener,
}

impl Waiting {
    /// Opens the account that the old device gives.
    ///
    /// # Errors
    /// [`LinkError`]; nothing else opens afterwards.
    pub fn open(mut self, sealed: &[u8]) -> Result<Grant, LinkError> {
        Ok(Grant::from_exposed(&self.opener.open(sealed)?)?)
    }
}

/// The old device, which has been given the text.
pub struct OldDevice {
    speaker: Sealer,
    hello: Hello,
    code: CheckCode,
    offer: Offer,
}

impl OldDevice {
    /// Begins to speak with the device whose offer the relay shows.
    ///
    /// # Errors
    /// [`LinkError::OtherOffer`] when it is not the one that the text names, [`LinkError::Shape`].
    pub fn begin<R: CryptoRng + ?Sized>(
        text: &LinkText,
        offer: &[u8],
        rng: &mut R,
    ) -> Result<Self, LinkError> {
        if Digest::of(offer) != text.offer {
            return Err(LinkError::OtherOffer);
        }
        let offer = Offer::decode(offer)?;
        let psk = Psk {
            secret: &text.psk,
            id: text.rendezvous.as_bytes(),
        };
        let info = info(text.rendezvous, text.offer);
        let (ek, mut speaker) = Sealer::begin(&offer.key, &psk, &info, rng)?;
        let sealed = speaker.seal(&[])?;
        let code = CheckCode::derive(&speaker.export(CHECK_LABEL)?);
        Ok(Self {
            speaker,
            hello: Hello { ek, sealed },
            code,
            offer,
        })
    }

    /// The first word to the new device; no secret is in it.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// What the new device shows, if it is the one that made the text.
    pub fn code(&self) -> &CheckCode {
        &self.code
    }

    /// The new device's keys.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Seals the account for the new device; the last word.
    ///
    /// # Errors
    /// [`LinkError::DoesNotOpen`] when it cannot be sealed.
    pub fn grant(mut self, grant: &Grant) -> Result<Vec<u8>, LinkError> {
        Ok(self.speaker.seal(&grant.expose())?)
    }
}

/// `["waxwing/link/v1", rendezvous, H(offer)]`.
fn info(rendezvous: LinkId, offer: Digest) -> Vec<u8> {
    cbor::encode(&Value::Array(vec![
        Value::from(LINK_LABEL),
        cbor::bytes(rendezvous),
        cbor::bytes(offer),
    ]))
}

#[cfg(test)]
mod tests;
