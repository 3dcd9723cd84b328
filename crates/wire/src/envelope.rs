//! Envelopes: what the relay carries. Header, one encrypted content, one entry per device.
//!
//! The relay can read ids, expiry, sizes, and nothing else; there is no sender in it. A
//! [`Submission`] holds the content once with the entries of all devices of one account, and
//! [`Submission::envelopes`] gives each device its own entry only. Carries out docs/protocol.md
//! section 3; sealing and opening are in `waxwing-crypto`.

use crate::cbor::{self, Fields, ShapeError, Value};
use crate::cose_key::Suite;
use crate::ids::{Digest, EnvelopeId, KeyId, MailboxId};
use crate::limits::{CLOCK_SKEW, MAX_DEVICES, MAX_ENVELOPE_BYTES, MAX_SUBMISSION_BYTES, MAX_TTL};

/// COSE algorithm A256GCM: the one content algorithm.
pub const ALG_A256GCM: i64 = 3;
/// Header version.
pub const VERSION: u64 = 1;

const HEADER_LABEL: &str = "waxwing/env/v1";
const TAG_ENCRYPT: u64 = 96;
const ALG: i64 = 1;
const KID: i64 = 4;
const IV: i64 = 5;
/// Encapsulated key, draft-ietf-cose-hpke.
const EK: i64 = -4;
const COMMIT: &str = "cc";

/// Why an envelope or submission cannot be taken at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LifeError {
    /// It has expired.
    #[error("the envelope has expired")]
    Expired,
    /// It wants to live longer than 30 days.
    #[error("the envelope wants to be kept for more than 30 days")]
    TooLong,
}

/// The part of the header that every layer is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The envelope.
    pub env_id: EnvelopeId,
    /// Unix seconds.
    pub expires_at: u64,
}

impl Header {
    /// `hdr = det-CBOR(["waxwing/env/v1", env_id, expires_at])`: `external_aad` of the content.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(&Value::Array(vec![
            Value::from(HEADER_LABEL),
            cbor::bytes(self.env_id),
            Value::from(self.expires_at),
        ]))
    }

    /// `H(hdr)`: inside the recipient's HPKE info and the sender's signature.
    pub fn hash(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// Checks the expiry: in the future, and at most 30 days (and clock skew) ahead of `now`.
    ///
    /// # Errors
    /// [`LifeError`].
    pub fn check_life(&self, now: u64) -> Result<(), LifeError> {
        if self.expires_at <= now {
            Err(LifeError::Expired)
        } else if self.expires_at > now.saturating_add(MAX_TTL + CLOCK_SKEW) {
            Err(LifeError::TooLong)
        } else {
            Ok(())
        }
    }
}

/// Layer 0 of `COSE_Encrypt`: `[{1: 3, "cc": commit}, {5: iv}, ciphertext]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Commitment to the content key.
    pub commit: Digest,
    /// Nonce.
    pub iv: [u8; 12],
    /// AES-256-GCM ciphertext with its tag.
    pub ciphertext: Vec<u8>,
}

impl Content {
    /// The protected header: `{1: 3 (A256GCM), "cc": commit}`.
    pub fn protected(commit: &Digest) -> Vec<u8> {
        cbor::encode(&Value::Map(vec![
            (Value::from(ALG), Value::from(ALG_A256GCM)),
            (Value::from(COMMIT), cbor::bytes(commit)),
        ]))
    }

    /// The AEAD's additional data: `Enc_structure` `["Encrypt", protected, external_aad]` of RFC
    /// 9052 section 5.3 with the encoded [`Header`] as `external_aad`.
    pub fn enc_structure(commit: &Digest, header: &Header) -> Vec<u8> {
        cbor::encode(&Value::Array(vec![
            Value::from("Encrypt"),
            cbor::bytes(Self::protected(commit)),
            cbor::bytes(header.encode()),
        ]))
    }

    fn parts(&self) -> [Value; 3] {
        [
            cbor::bytes(Self::protected(&self.commit)),
            cbor::map([(IV, cbor::bytes(self.iv))]),
            cbor::bytes(&self.ciphertext),
        ]
    }

    fn from_parts(
        protected: Value,
        unprotected: Value,
        ciphertext: Value,
    ) -> Result<Self, ShapeError> {
        let protected = cbor::as_bytes(protected, "protected header")?;
        let mut fields = Fields::open(cbor::decode(&protected, 128)?, "protected header")?;
        if fields.uint(ALG, "alg")? != ALG_A256GCM.unsigned_abs() {
            return Err(ShapeError::Wrong("alg"));
        }
        let commit = fields
            .take_text(COMMIT)
            .ok_or(ShapeError::Missing("commitment"))?;
        let commit = cbor::as_id(&commit, "commitment")?;
        // Exactly these two: an extra header would be authenticated without being understood.
        if protected != Self::protected(&commit) {
            return Err(ShapeError::Wrong("protected header"));
        }
        let mut fields = Fields::open(unprotected, "unprotected header")?;
        let iv = fields.bytes(IV, "iv")?;
        fields.finish()?;
        Ok(Self {
            commit,
            iv: iv.try_into().map_err(|_| ShapeError::Wrong("iv"))?,
            ciphertext: cbor::as_bytes(ciphertext, "ciphertext")?,
        })
    }

    /// The content alone, as a submission carries it: an array of three.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(&Value::Array(self.parts().to_vec()))
    }

    /// Reads the content alone.
    ///
    /// # Errors
    /// [`ShapeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ShapeError> {
        let value = cbor::decode(bytes, MAX_ENVELOPE_BYTES)?;
        let [protected, unprotected, ciphertext] = cbor::as_tuple(value, "content")?;
        Self::from_parts(protected, unprotected, ciphertext)
    }
}

/// One `COSE_recipient`: `[{1: alg, 4: kid}, {-4: ek}, HPKE ciphertext of the content key]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The suite that `alg` names. A receiver takes the suite from its own key and only compares.
    pub suite: Suite,
    /// The prekey that it is sealed to.
    pub kid: KeyId,
    /// HPKE's encapsulated key.
    pub ek: Vec<u8>,
    /// HPKE ciphertext: 32-byte key and 16-byte tag.
    pub ciphertext: [u8; 48],
}

impl Entry {
    /// The protected header `{1: alg, 4: kid}`.
    pub fn protected(suite: Suite, kid: &KeyId) -> Vec<u8> {
        cbor::encode(&cbor::map([
            (ALG, Value::from(suite.alg())),
            (KID, cbor::bytes(kid)),
        ]))
    }

    fn to_value(&self) -> Value {
        Value::Array(vec![
            cbor::bytes(Self::protected(self.suite, &self.kid)),
            cbor::map([(EK, cbor::bytes(&self.ek))]),
            cbor::bytes(self.ciphertext),
        ])
    }

    fn from_value(value: Value) -> Result<Self, ShapeError> {
        let [protected, unprotected, ciphertext] = cbor::as_tuple(value, "recipient")?;
        let protected = cbor::as_bytes(protected, "recipient header")?;
        let mut fields = Fields::open(cbor::decode(&protected, 128)?, "recipient header")?;
        let suite = fields
            .need(ALG, "recipient alg")?
            .as_integer()
            .and_then(|alg| i64::try_from(alg).ok())
            .and_then(Suite::from_alg)
            .ok_or(ShapeError::Wrong("recipient alg"))?;
        let kid = fields.id(KID, "kid")?;
        if protected != Self::protected(suite, &kid) {
            return Err(ShapeError::Wrong("recipient header"));
        }
        let mut fields = Fields::open(unprotected, "recipient unprotected header")?;
        let ek = fields.bytes(EK, "ek")?;
        fields.finish()?;
        if ek.len() != suite.encapped_len() {
            return Err(ShapeError::Wrong("ek"));
        }
        Ok(Self {
            suite,
            kid,
            ek,
            ciphertext: cbor::as_bytes(ciphertext, "wrapped key")?
                .try_into()
                .map_err(|_| ShapeError::Wrong("wrapped key"))?,
        })
    }

    /// Encodes the entry alone.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(&self.to_value())
    }

    /// Reads an entry alone.
    ///
    /// # Errors
    /// [`ShapeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ShapeError> {
        Self::from_value(cbor::decode(bytes, 2048)?)
    }
}

/// An envelope for one device: `{1: 1, 2: env_id, 3: expires_at, 4: to, 5: bstr COSE_Encrypt}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Id and expiry.
    pub header: Header,
    /// The device's mailbox.
    pub to: MailboxId,
    /// The encrypted content.
    pub content: Content,
    /// The device's entry.
    pub entry: Entry,
}

impl Envelope {
    /// The `COSE_Encrypt` (tag 96) inside, with exactly one recipient.
    pub fn cose_encrypt(&self) -> Vec<u8> {
        let [protected, unprotected, ciphertext] = self.content.parts();
        cbor::encode(&Value::Tag(
            TAG_ENCRYPT,
            Box::new(Value::Array(vec![
                protected,
                unprotected,
                ciphertext,
                Value::Array(vec![self.entry.to_value()]),
            ])),
        ))
    }

    /// Encodes the envelope.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(&cbor::map([
            (1, Value::from(VERSION)),
            (2, cbor::bytes(self.header.env_id)),
            (3, Value::from(self.header.expires_at)),
            (4, cbor::bytes(self.to)),
            (5, Value::Bytes(self.cose_encrypt())),
        ]))
    }

    /// Reads an envelope strictly; checks no time.
    ///
    /// # Errors
    /// [`ShapeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ShapeError> {
        let mut fields = Fields::open(cbor::decode(bytes, MAX_ENVELOPE_BYTES)?, "envelope")?;
        let header = decode_header(&mut fields)?;
        let to = fields.id(4, "to")?;
        let cose = fields.bytes(5, "COSE_Encrypt")?;
        fields.finish()?;
        let Value::Tag(TAG_ENCRYPT, inner) = cbor::decode(&cose, MAX_ENVELOPE_BYTES)? else {
            return Err(ShapeError::Wrong("COSE_Encrypt"));
        };
        let [protected, unprotected, ciphertext, recipients] =
            cbor::as_tuple(*inner, "COSE_Encrypt")?;
        let [entry] = cbor::as_tuple(recipients, "recipients")?;
        Ok(Self {
            header,
            to,
            content: Content::from_parts(protected, unprotected, ciphertext)?,
            entry: Entry::from_value(entry)?,
        })
    }
}

fn decode_header(fields: &mut Fields) -> Result<Header, ShapeError> {
    if fields.uint(1, "version")? != VERSION {
        return Err(ShapeError::Wrong("version"));
    }
    Ok(Header {
        env_id: fields.id(2, "env_id")?,
        expires_at: fields.uint(3, "expires_at")?,
    })
}

/// What a client uploads for one recipient account: `{1: 1, 2: env_id, 3: expires_at, 4: bstr
/// content, 5: [[to, bstr entry], ...]}`, with distinct mailboxes in rising order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Id and expiry.
    pub header: Header,
    /// The encrypted content, once.
    pub content: Content,
    /// Mailbox and entry of each device.
    pub entries: Vec<(MailboxId, Entry)>,
}

impl Submission {
    /// Encodes the submission; entries are put in order of their mailbox.
    pub fn encode(&self) -> Vec<u8> {
        let mut entries: Vec<&(MailboxId, Entry)> = self.entries.iter().collect();
        entries.sort_by_key(|(to, _)| *to);
        let entries = entries
            .into_iter()
            .map(|(to, entry)| Value::Array(vec![cbor::bytes(to), Value::Bytes(entry.encode())]))
            .collect();
        cbor::encode(&cbor::map([
            (1, Value::from(VERSION)),
            (2, cbor::bytes(self.header.env_id)),
            (3, Value::from(self.header.expires_at)),
            (4, Value::Bytes(self.content.encode())),
            (5, Value::Array(entries)),
        ]))
    }

    /// Reads a submission strictly; checks no time (see [`Header::check_life`]).
    ///
    /// # Errors
    /// [`ShapeError`], also for no entries, more than [`MAX_DEVICES`], repeated or unsorted
    /// mailboxes, or an envelope that would be over [`MAX_ENVELOPE_BYTES`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ShapeError> {
        let mut fields = Fields::open(cbor::decode(bytes, MAX_SUBMISSION_BYTES)?, "submission")?;
        let header = decode_header(&mut fields)?;
        let content = Content::decode(&fields.bytes(4, "content")?)?;
        let listed = fields.array(5, "entries")?;
        fields.finish()?;
        if listed.is_empty() || listed.len() > MAX_DEVICES {
            return Err(ShapeError::Wrong("entries"));
        }
        let mut entries: Vec<(MailboxId, Entry)> = Vec::with_capacity(listed.len());
        for item in listed {
            let [to, entry] = cbor::as_tuple(item, "entry")?;
            let to: MailboxId = cbor::as_id(&to, "to")?;
            if entries.last().is_some_and(|(last, _)| *last >= to) {
                return Err(ShapeError::Wrong("entries"));
            }
            entries.push((to, Entry::decode(&cbor::as_bytes(entry, "entry")?)?));
        }
        let submission = Self {
            header,
            content,
            entries,
        };
        // Slack: the header of one envelope around content and entry.
        let largest = submission.content.ciphertext.len() + 2048;
        if largest > MAX_ENVELOPE_BYTES {
            return Err(ShapeError::TooLarge {
                limit: MAX_ENVELOPE_BYTES,
            });
        }
        Ok(submission)
    }

    /// Each device's own envelope: the same content, only its own entry.
    pub fn envelopes(&self) -> impl Iterator<Item = Envelope> + '_ {
        self.entries.iter().map(|(to, entry)| Envelope {
            header: self.header,
            to: *to,
            content: self.content.clone(),
            entry: entry.clone(),
        })
    }
}
