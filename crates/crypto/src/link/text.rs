//! The text that a new device shows, to be read or pasted by the old one.

use core::str::FromStr;

use waxwing_wire::b64;
use waxwing_wire::cbor::{self, Fields, ShapeError, Value};
use waxwing_wire::ids::{Digest, LinkId};
use zeroize::Zeroizing;

use super::LinkError;
use crate::hpke_suite::Secret;
use crate::prekey::wipe;

const SCHEME: &str = "waxwing-link:";
const VERSION: u64 = 1;
/// Longest address of a relay, longest name of a device, and longest text, in bytes.
const MAX_RELAY: usize = 256;
const MAX_NAME: usize = 64;
const MAX_BYTES: usize = 512;

/// `waxwing-link:` and base64url of `{1: 1, 2: relay, 3: rendezvous, 4: H(offer), 5: psk, 6: name}`.
/// Who has it can be linked in its stead for five minutes, if the person also types his check code.
pub struct LinkText {
    pub(super) relay: String,
    pub(super) rendezvous: LinkId,
    pub(super) offer: Digest,
    pub(super) psk: Secret,
    pub(super) name: String,
}

impl LinkText {
    /// The relay where the two devices meet, as the new one calls it.
    pub fn relay(&self) -> &str {
        &self.relay
    }

    /// Where they meet there.
    pub fn rendezvous(&self) -> LinkId {
        self.rendezvous
    }

    /// What the new device calls itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text, secret included.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut value = cbor::map([
            (1, Value::from(VERSION)),
            (2, Value::from(self.relay.as_str())),
            (3, cbor::bytes(self.rendezvous)),
            (4, cbor::bytes(self.offer)),
            (5, cbor::bytes(self.psk.as_slice())),
            (6, Value::from(self.name.as_str())),
        ]);
        let encoded = Zeroizing::new(cbor::encode(&value));
        wipe(&mut value);
        let coded = Zeroizing::new(b64::encode(&encoded));
        let mut text = Zeroizing::new(String::with_capacity(SCHEME.len() + coded.len()));
        text.push_str(SCHEME);
        text.push_str(&coded);
        text
    }
}

impl FromStr for LinkText {
    type Err = LinkError;

    /// Reads a text that was typed, pasted or scanned; white space around and inside, as a line
    /// break leaves it, does not matter.
    fn from_str(text: &str) -> Result<Self, LinkError> {
        let mut compact = Zeroizing::new(String::with_capacity(text.len()));
        compact.extend(text.chars().filter(|c| !c.is_whitespace()));
        let coded = compact.strip_prefix(SCHEME).ok_or(LinkError::Text)?;
        let bytes = Zeroizing::new(b64::decode(coded).ok_or(LinkError::Text)?);
        read(&bytes).map_err(|_| LinkError::Text)
    }
}

fn read(bytes: &[u8]) -> Result<LinkText, ShapeError> {
    let mut fields = Fields::open(cbor::decode(bytes, MAX_BYTES)?, "link text")?;
    let psk = Zeroizing::new(fields.bytes(5, "psk")?);
    let version = fields.uint(1, "version")?;
    let text = LinkText {
        relay: fields.text(2, "relay")?,
        rendezvous: fields.id(3, "rendezvous")?,
        offer: fields.id(4, "offer")?,
        psk: <[u8; 32]>::try_from(psk.as_slice())
            .map(Zeroizing::new)
            .map_err(|_| ShapeError::Wrong("psk"))?,
        name: fields.text(6, "name")?,
    };
    fields.finish()?;
    let long = text.relay.len() > MAX_RELAY || text.name.len() > MAX_NAME;
    let strange = text
        .relay
        .chars()
        .chain(text.name.chars())
        .any(char::is_control);
    if version != VERSION || long || strange || text.name.trim().is_empty() {
        return Err(ShapeError::Wrong("link text"));
    }
    Ok(text)
}
