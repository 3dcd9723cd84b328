//! Drop boxes: what a box says of itself, and which submissions are for it (docs/protocol.md section 18).
//!
//! The record is not signed. Its hash stands in the box's link, and who seals believes no other.

use crate::cbor::{self, Fields, ShapeError, Value};
use crate::cose_key::{HpkePublic, Suite};
use crate::envelope::{Envelope, Submission};
use crate::ids::{Digest, DropId};
use crate::limits::{MAX_DROP_NAME_BYTES, MAX_DROP_RECORD_BYTES};

const VERSION: u64 = 1;

/// A drop box as visitors know it: `{1: 1, 2: drop id, 3: COSE_Key (S1), 4: name}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropRecord {
    /// The box.
    pub id: DropId,
    /// What drops are sealed to; of suite S1, which browsers have.
    pub key: HpkePublic,
    /// What visitors see, at most [`MAX_DROP_NAME_BYTES`]; may be empty.
    pub name: String,
}

impl DropRecord {
    /// The deterministic CBOR whose hash stands in the link.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(&cbor::map([
            (1, Value::from(VERSION)),
            (2, cbor::bytes(self.id)),
            (3, self.key.to_cose_key()),
            (4, Value::from(self.name.as_str())),
        ]))
    }

    /// Reads a record strictly.
    ///
    /// # Errors
    /// [`ShapeError`], also for a key of another suite than S1 and for a name that is too long or has
    /// control characters.
    pub fn decode(bytes: &[u8]) -> Result<Self, ShapeError> {
        let value = cbor::decode(bytes, MAX_DROP_RECORD_BYTES)?;
        let mut fields = Fields::open(value, "drop record")?;
        if fields.uint(1, "version")? != VERSION {
            return Err(ShapeError::Wrong("version"));
        }
        let record = Self {
            id: fields.id(2, "drop id")?,
            key: HpkePublic::from_cose_key(fields.need(3, "drop key")?)?,
            name: fields.text(4, "name")?,
        };
        fields.finish()?;
        if record.key.suite() != Suite::S1 {
            return Err(ShapeError::Wrong("drop key"));
        }
        if !is_plain(&record.name, MAX_DROP_NAME_BYTES) {
            return Err(ShapeError::Wrong("name"));
        }
        // Its hash is that of the bytes, so there is nothing to pass over.
        if record.encode() == bytes {
            Ok(record)
        } else {
            Err(ShapeError::Wrong("drop record"))
        }
    }

    /// `H(record)`: in the link, and in the HPKE info of every drop.
    pub fn hash(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// The envelope of a submission that is a drop for this box.
    ///
    /// # Errors
    /// [`ShapeError::Wrong`] for several entries, another `to`, another suite, another key.
    pub fn envelope(&self, drop: &Submission) -> Result<Envelope, ShapeError> {
        let mut envelopes = drop.envelopes();
        match (envelopes.next(), envelopes.next()) {
            (Some(envelope), None)
                if envelope.to == self.id.mailbox()
                    && envelope.entry.suite == self.key.suite()
                    && envelope.entry.kid == self.key.kid() =>
            {
                Ok(envelope)
            }
            _ => Err(ShapeError::Wrong("entries")),
        }
    }
}

/// Whether a text has at most `most` bytes and no control characters.
pub fn is_plain(text: &str, most: usize) -> bool {
    text.len() <= most && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record(suite: Suite, name: &str) -> DropRecord {
        DropRecord {
            id: DropId::new([7; 16]),
            key: HpkePublic::new(suite, vec![9; suite.public_len()]).unwrap(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_record_has_one_form() {
        let whole = record(Suite::S1, "Newsroom");
        assert_eq!(DropRecord::decode(&whole.encode()), Ok(whole.clone()));
        let mut longer = whole.encode();
        longer.push(0);
        assert!(DropRecord::decode(&longer).is_err());
        assert!(record(Suite::S1, &"ä".repeat(40)).encode().len() <= MAX_DROP_RECORD_BYTES);
    }

    #[test]
    fn another_suite_and_a_name_of_other_bytes_are_refused() {
        let name = |name: &str| DropRecord::decode(&record(Suite::S1, name).encode());
        assert!(name("").is_ok());
        assert!(name(&"a".repeat(81)).is_err());
        assert!(name("two\nlines").is_err());
        let other = record(Suite::S2, "Newsroom").encode();
        assert!(DropRecord::decode(&other).is_err());
    }
}
