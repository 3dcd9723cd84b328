//! Revocations: an account's identity key says of itself that it must not be believed any more.
//!
//! Whoever holds the key can make one, also ahead and on paper, and nobody needs to be asked when it
//! is handed in. It ends everything that the key could still sign: after it a relay takes no card of
//! this key, not even a rotation, and clients hold sending. Carries out docs/protocol.md section 2.

use crate::card::CardBody;
use crate::cbor::{self, Fields, ShapeError, Value};
use crate::cose::Sign1;
use crate::cose_key::{IdentityPublic, SignatureInvalid};
use crate::ids::AccountId;
use crate::limits::MAX_REVOCATION_BYTES;

/// `external_aad` of a revocation.
pub const REVOCATION_LABEL: &[u8] = b"waxwing/revocation/v1";

/// Why a revocation is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// It is not a revocation.
    #[error("not a revocation: {0}")]
    Shape(#[from] ShapeError),
    /// Its signature does not verify.
    #[error("the revocation's signature does not verify")]
    Signature,
    /// It is another account's, or not of the key in force.
    #[error("the revocation is not of the key in force")]
    OtherKey,
}

impl From<SignatureInvalid> for RevocationError {
    fn from(_: SignatureInvalid) -> Self {
        Self::Signature
    }
}

/// What a revocation says: `{1: account_id, 2: AIK as COSE_Key, 3: at}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationBody {
    /// The account.
    pub account_id: AccountId,
    /// The identity key (AIK) that is revoked, and that signs.
    pub identity: IdentityPublic,
    /// When it was signed, Unix seconds. One made ahead is older than the act.
    pub at: u64,
}

impl RevocationBody {
    /// The deterministic CBOR that is signed.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(&cbor::map([
            (1, cbor::bytes(self.account_id)),
            (2, self.identity.to_cose_key()),
            (3, Value::from(self.at)),
        ]))
    }
}

/// A revocation as it was read, signature not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    signed: Sign1,
    body: RevocationBody,
}

impl Revocation {
    /// Reads a revocation strictly; checks no signature.
    ///
    /// # Errors
    /// [`ShapeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ShapeError> {
        let signed = Sign1::decode(bytes, MAX_REVOCATION_BYTES)?;
        let value = cbor::decode(&signed.payload, MAX_REVOCATION_BYTES)?;
        let mut fields = Fields::open(value, "revocation")?;
        let body = RevocationBody {
            account_id: fields.id(1, "account_id")?,
            identity: IdentityPublic::from_cose_key(fields.need(2, "identity key")?)?,
            at: fields.uint(3, "at")?,
        };
        fields.finish()?;
        Ok(Self { signed, body })
    }

    /// What it claims, unproven.
    pub fn body(&self) -> &RevocationBody {
        &self.body
    }

    /// Proves that the key it names signed it.
    ///
    /// # Errors
    /// [`RevocationError::Signature`].
    pub fn verify(self) -> Result<VerifiedRevocation, RevocationError> {
        self.signed.verify(&self.body.identity, REVOCATION_LABEL)?;
        Ok(VerifiedRevocation { body: self.body })
    }
}

/// The proof that a key revoked itself; made only by [`Revocation::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRevocation {
    body: RevocationBody,
}

impl VerifiedRevocation {
    /// What it says.
    pub fn body(&self) -> &RevocationBody {
        &self.body
    }

    /// Whether it revokes the identity key of this card.
    pub fn is_of(&self, card: &CardBody) -> bool {
        self.body.account_id == card.account_id && self.body.identity == card.identity
    }
}
