//! Drop boxes: what anybody seals to a device without an account (docs/protocol.md section 18).
//!
//! The envelope is that of section 3 with another HPKE info. The plaintext is not signed, so **nobody
//! vouches for who wrote it**: a [`Drop`] is a type of its own, and no [`crate::message::Message`].

use core::fmt;

use rand_core::CryptoRng;
use waxwing_wire::cbor::{self, Fields, ShapeError, Value};
use waxwing_wire::cose_key::Suite;
use waxwing_wire::drop::{DropRecord, is_plain};
use waxwing_wire::envelope::{Entry, Envelope, Header, Submission};
use waxwing_wire::ids::{AccountId, DropId, EnvelopeId, MessageId};
use waxwing_wire::limits::{MAX_ATTACHMENTS, MAX_DROP_REACH_BYTES, MAX_ENVELOPE_BYTES};
use zeroize::Zeroizing;

use crate::envelope::{
    OVERHEAD, OpenError, SealError, encrypt, generate_content_key, hpke_info, open_content,
};
use crate::hpke_suite::{self, Secret};
use crate::message::{Attachment, decode_attachments};
use crate::prekey::{PrekeyFailed, wipe};
use crate::replay;

const LABEL: &str = "waxwing/drop/v1";

/// The secret half of a drop box, with its record. Never printed; zeroized on drop.
pub struct DropKey {
    record: DropRecord,
    secret: Secret,
}

/// What a visitor wrote: `{1: msg_id, 2: sent_at, 3: text, ?4: reach, 5: [attachment ...]}`.
pub struct Drop {
    /// Random.
    pub msg_id: MessageId,
    /// The visitor's clock, Unix seconds.
    pub sent_at: u64,
    /// May be empty.
    pub text: Zeroizing<String>,
    /// How to reach the visitor, in the visitor's own words.
    pub reach: Option<Zeroizing<String>>,
    /// Files that go with it.
    pub attachments: Vec<Attachment>,
}

/// A drop that was opened, and what its replay row says. Refuse it when that row is there.
pub struct OpenedDrop {
    /// The drop.
    pub drop: Drop,
    /// The envelope.
    pub env_id: EnvelopeId,
    /// In the place of a sender in the replay table: the drop id, filled up with zeros.
    pub replay_sender: AccountId,
    /// Unix seconds until which the replay row is kept.
    pub replay_until: u64,
}

// None of these prints what people wrote.
impl fmt::Debug for DropKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DropKey({})", self.record.id)
    }
}

impl fmt::Debug for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Drop({})", self.msg_id)
    }
}

impl fmt::Debug for OpenedDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenedDrop({})", self.env_id)
    }
}

impl DropKey {
    /// Makes a box. Announce its record only after this is durable.
    ///
    /// # Errors
    /// [`PrekeyFailed`]; in practice never.
    pub fn generate<R: CryptoRng + ?Sized>(
        id: DropId,
        name: String,
        rng: &mut R,
    ) -> Result<Self, PrekeyFailed> {
        let (secret, key) = hpke_suite::generate(Suite::S1, rng)?;
        let record = DropRecord { id, key, name };
        Ok(Self { record, secret })
    }

    /// What visitors are shown.
    pub fn record(&self) -> &DropRecord {
        &self.record
    }

    /// The secret, to be sealed into the vault beside the record.
    pub fn expose(&self) -> &[u8; 32] {
        &self.secret
    }

    /// From the record and the secret that [`DropKey::expose`] gave.
    pub fn from_exposed(record: DropRecord, secret: &[u8; 32]) -> Self {
        let secret = Zeroizing::new(*secret);
        Self { record, secret }
    }

    /// Opens a drop that was fetched at `now` (Unix seconds). Nobody vouches for who wrote it.
    ///
    /// # Errors
    /// [`OpenError::Refused`], or [`OpenError::Expired`] once everything else was right.
    pub fn open(&self, envelope: Envelope, now: u64) -> Result<OpenedDrop, OpenError> {
        let Envelope {
            header,
            to,
            content,
            entry,
        } = envelope;
        // The suite is the stored key's; what the wire names must merely equal it.
        let (key, kid) = (&self.record.key, self.record.key.kid());
        if to != self.record.id.mailbox() || entry.kid != kid || entry.suite != key.suite() {
            return Err(OpenError::Refused);
        }
        let info = info(&self.record, &header);
        let plain = open_content(&self.secret, &info, &entry, content, &header)?;
        let drop = Drop::decode(&plain).map_err(|_| OpenError::Refused)?;
        header.check_life(now).map_err(|_| OpenError::Expired)?;
        Ok(OpenedDrop {
            drop,
            env_id: header.env_id,
            replay_sender: replay_sender(&self.record.id),
            replay_until: replay::keep_until(header.expires_at),
        })
    }
}

/// What stands in the replay table in the place of a sender: the drop id, filled up with zeros.
fn replay_sender(id: &DropId) -> AccountId {
    let mut bytes = [0; AccountId::LEN];
    bytes[..DropId::LEN].copy_from_slice(id.as_bytes());
    AccountId::new(bytes)
}

/// HPKE's `info` of a drop.
fn info(record: &DropRecord, header: &Header) -> Vec<u8> {
    let extra = cbor::encode(&Value::Array(vec![
        Value::from(LABEL),
        cbor::bytes(header.hash()),
        cbor::bytes(record.hash()),
    ]));
    let (suite, kid) = (record.key.suite(), record.key.kid());
    hpke_info(&Entry::protected(suite, &kid), extra)
}

/// Seals a drop to a box whose record was checked against its link.
///
/// # Errors
/// [`SealError`].
pub fn seal<R: CryptoRng + ?Sized>(
    drop: &Drop,
    record: &DropRecord,
    header: Header,
    rng: &mut R,
) -> Result<Submission, SealError> {
    let plain = drop.encode();
    if drop.attachments.len() > MAX_ATTACHMENTS || plain.len() > MAX_ENVELOPE_BYTES - OVERHEAD {
        return Err(SealError::TooLarge);
    }
    // A drop that its owner could not read must not leave: the same reader judges it here.
    Drop::decode(&plain).map_err(|_| SealError::Invalid)?;
    let content_key = generate_content_key(rng);
    let content = encrypt(&plain, &content_key, &header, rng)?;
    let wrapped = hpke_suite::wrap(&record.key, &info(record, &header), &content_key, rng)
        .map_err(|_| SealError::BadPrekey)?;
    let entry = Entry {
        suite: record.key.suite(),
        kid: record.key.kid(),
        ek: wrapped.ek,
        ciphertext: wrapped.ciphertext,
    };
    Ok(Submission {
        header,
        content,
        entries: vec![(record.id.mailbox(), entry)],
    })
}

impl Drop {
    /// The deterministic CBOR that is padded and encrypted.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut entries = vec![
            (1, cbor::bytes(self.msg_id)),
            (2, Value::from(self.sent_at)),
            (3, Value::from(self.text.as_str())),
            (
                5,
                Value::Array(self.attachments.iter().map(Attachment::to_value).collect()),
            ),
        ];
        if let Some(reach) = &self.reach {
            entries.push((4, Value::from(reach.as_str())));
        }
        let mut value = cbor::map(entries);
        let encoded = Zeroizing::new(cbor::encode(&value));
        wipe(&mut value);
        encoded
    }

    /// Reads a payload strictly.
    ///
    /// # Errors
    /// [`ShapeError`], also for file names with a path.
    pub fn decode(payload: &[u8]) -> Result<Self, ShapeError> {
        let value = cbor::decode(payload, MAX_ENVELOPE_BYTES)?;
        let mut fields = Fields::open(value, "drop")?;
        let drop = Self {
            msg_id: fields.id(1, "msg_id")?,
            sent_at: fields.uint(2, "sent_at")?,
            text: Zeroizing::new(fields.text(3, "text")?),
            reach: match fields.take(4) {
                None => None,
                Some(value) => {
                    let reach = value.into_text().map_err(|_| ShapeError::Wrong("reach"))?;
                    Some(Zeroizing::new(reach))
                }
            },
            attachments: decode_attachments(fields.array(5, "attachments")?)?,
        };
        fields.finish()?;
        let reach = drop.reach.as_deref().map(String::as_str);
        if reach.is_some_and(|reach| reach.is_empty() || !is_plain(reach, MAX_DROP_REACH_BYTES)) {
            return Err(ShapeError::Wrong("reach"));
        }
        Ok(drop)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn header() -> Header {
        Header {
            env_id: EnvelopeId::new([5; 16]),
            expires_at: NOW + 1000,
        }
    }

    fn written(reach: Option<&str>) -> Drop {
        Drop {
            msg_id: MessageId::new([6; 16]),
            sent_at: NOW,
            text: Zeroizing::new("Under the third stone.".to_owned()),
            reach: reach.map(|reach| Zeroizing::new(reach.to_owned())),
            attachments: Vec::new(),
        }
    }

    fn drop_box(id: u8) -> DropKey {
        let name = "Newsroom".to_owned();
        DropKey::generate(DropId::new([id; 16]), name, &mut rand::rng()).unwrap()
    }

    fn sealed(to: &DropRecord) -> Envelope {
        let sealed = seal(&written(Some("by post")), to, header(), &mut rand::rng()).unwrap();
        to.envelope(&sealed).unwrap()
    }

    #[test]
    fn what_is_dropped_opens_with_the_boxs_key_alone() {
        let (own, other) = (drop_box(1), drop_box(1));
        let envelope = sealed(own.record());
        let opened = own.open(envelope.clone(), NOW).unwrap();
        assert_eq!(*opened.drop.text, "Under the third stone.");
        assert_eq!(opened.drop.reach.unwrap().as_str(), "by post");
        assert_eq!(opened.replay_sender.as_bytes()[..16], [1; 16]);
        assert!(matches!(
            other.open(envelope.clone(), NOW),
            Err(OpenError::Refused)
        ));
        let again = DropKey::from_exposed(own.record().clone(), own.expose());
        assert!(again.open(envelope, NOW).is_ok());
    }

    #[test]
    fn a_drop_is_bound_to_record_header_and_time() {
        let own = drop_box(1);
        let envelope = sealed(own.record());
        let renamed = DropRecord {
            name: "Another room".to_owned(),
            ..own.record().clone()
        };
        let renamed = DropKey::from_exposed(renamed, own.expose());
        assert!(renamed.open(envelope.clone(), NOW).is_err());
        let mut later = envelope.clone();
        later.header.expires_at += 1;
        assert!(own.open(later, NOW).is_err());
        let over = own.open(envelope, NOW + 1000);
        assert!(matches!(over, Err(OpenError::Expired)));
    }

    #[test]
    fn a_payload_has_one_form() {
        let whole = written(Some("by post")).encode();
        assert_eq!(Drop::decode(&whole).unwrap().encode(), whole);
        assert!(Drop::decode(&written(None).encode()).is_ok());
        for reach in ["", "two\nlines", &"a".repeat(201)] {
            assert!(Drop::decode(&written(Some(reach)).encode()).is_err());
        }
    }
}
