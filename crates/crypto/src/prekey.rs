//! Own prekeys: HPKE key pairs that this device made, and the signed records it publishes of them.
//!
//! Carries out docs/protocol.md sections 1 and 2. An [`OwnPrekey`] is what the vault keeps (sealed
//! under a weekly epoch key): the secret, bound to its suite, kind and record. The suite of an
//! envelope is always taken from here.

use rand_core::CryptoRng;
use waxwing_wire::cbor::{self, Fields, ShapeError, Value};
use waxwing_wire::cose_key::Suite;
use waxwing_wire::ids::{AccountId, DeviceId, Digest, KeyId};
use waxwing_wire::prekey::{Prekey, PrekeyBody, PrekeyKind};
use zeroize::{Zeroize as _, Zeroizing};

use crate::hpke_suite::{self, HpkeFailed, Secret};
use crate::keys::DeviceKey;

/// Making a prekey failed; in practice never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the prekey could not be made")]
pub struct PrekeyFailed;

impl From<HpkeFailed> for PrekeyFailed {
    fn from(_: HpkeFailed) -> Self {
        Self
    }
}

/// What a prekey is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrekeyTerms {
    /// This account.
    pub account_id: AccountId,
    /// This device.
    pub device_id: DeviceId,
    /// Once, or until replaced.
    pub kind: PrekeyKind,
    /// The suite.
    pub suite: Suite,
    /// Unix seconds after which nobody may seal to it.
    pub not_after: u64,
    /// `H(own current card)`.
    pub card_hash: Digest,
}

/// The secret half of a published prekey. Never printed; zeroized on drop.
pub struct OwnPrekey {
    suite: Suite,
    kind: PrekeyKind,
    kid: KeyId,
    record_hash: Digest,
    not_after: u64,
    secret: Secret,
}

/// Generates a key pair and signs its record. Publish the record only after the secret is durable.
///
/// # Errors
/// [`PrekeyFailed`]; in practice never.
pub fn generate<R: CryptoRng + ?Sized>(
    key: &DeviceKey,
    terms: &PrekeyTerms,
    rng: &mut R,
) -> Result<(OwnPrekey, Prekey), PrekeyFailed> {
    let (secret, public) = hpke_suite::generate(terms.suite, rng)?;
    let kid = public.kid();
    let body = PrekeyBody {
        account_id: terms.account_id,
        device_id: terms.device_id,
        kind: terms.kind,
        key: public,
        not_after: terms.not_after,
        card_hash: terms.card_hash,
    };
    let record = key.sign_prekey(body.encode()).encode();
    let record = Prekey::decode(&record).map_err(|_| PrekeyFailed)?;
    let own = OwnPrekey {
        suite: terms.suite,
        kind: terms.kind,
        kid,
        record_hash: record.hash(),
        not_after: terms.not_after,
        secret,
    };
    Ok((own, record))
}

impl OwnPrekey {
    /// The id under which envelopes name it.
    pub fn kid(&self) -> KeyId {
        self.kid
    }

    /// Its suite.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// One-time prekeys are destroyed once a message was opened with them.
    pub fn kind(&self) -> PrekeyKind {
        self.kind
    }

    /// `H(record)`.
    pub fn record_hash(&self) -> Digest {
        self.record_hash
    }

    /// Unix seconds after which nobody may seal to it. It is kept until the key of its week is
    /// destroyed (docs/protocol.md section 12).
    pub fn not_after(&self) -> u64 {
        self.not_after
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The bytes to seal into the vault, secret included.
    pub fn expose(&self) -> Zeroizing<Vec<u8>> {
        let mut value = cbor::map([
            (1, Value::from(self.suite.number())),
            (2, Value::from(self.kind.number())),
            (3, cbor::bytes(self.kid)),
            (4, cbor::bytes(self.record_hash)),
            (5, Value::from(self.not_after)),
            (6, cbor::bytes(self.secret.as_slice())),
        ]);
        let encoded = Zeroizing::new(cbor::encode(&value));
        wipe(&mut value);
        encoded
    }

    /// From the bytes that [`OwnPrekey::expose`] gave.
    ///
    /// # Errors
    /// [`ShapeError`].
    pub fn from_exposed(bytes: &[u8]) -> Result<Self, ShapeError> {
        let mut fields = Fields::open(cbor::decode(bytes, 512)?, "own prekey")?;
        let suite = Suite::from_number(fields.uint(1, "suite")?);
        let kind = PrekeyKind::from_number(fields.uint(2, "kind")?);
        let secret = Zeroizing::new(fields.bytes(6, "secret")?);
        let own = Self {
            suite: suite.ok_or(ShapeError::Wrong("suite"))?,
            kind: kind.ok_or(ShapeError::Wrong("kind"))?,
            kid: fields.id(3, "kid")?,
            record_hash: fields.id(4, "record hash")?,
            not_after: fields.uint(5, "not_after")?,
            secret: <[u8; 32]>::try_from(secret.as_slice())
                .map(Zeroizing::new)
                .map_err(|_| ShapeError::Wrong("secret"))?,
        };
        fields.finish()?;
        Ok(own)
    }
}

/// Wipes the byte strings and texts of a value that held secrets.
pub(crate) fn wipe(value: &mut Value) {
    match value {
        Value::Bytes(bytes) => bytes.zeroize(),
        Value::Text(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, item)| wipe(item)),
        Value::Tag(_, inner) => wipe(inner),
        _ => {}
    }
}
