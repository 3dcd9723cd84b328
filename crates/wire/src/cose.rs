//! `COSE_Sign1` and `COSE_Sign` (RFC 9052 section 4): shape, `Sig_structure`, strict checking.
//!
//! The algorithm is fixed: the protected header must be exactly `{1: -19}` and the unprotected one
//! empty, so there is nothing on the wire that could choose an algorithm (docs/protocol.md section
//! 10, "read alg from the wire"). What is signed is always separated by an `external_aad` label.

use crate::cbor::{self, ShapeError, Value};
use crate::cose_key::{SignatureInvalid, Verifier};

/// The protected header `{1: -19}`: algorithm Ed25519 (RFC 9864).
pub const PROTECTED_ED25519: &[u8] = &[0xa1, 0x01, 0x32];

const TAG_SIGN1: u64 = 18;
const TAG_SIGN: u64 = 98;

/// A decoded `COSE_Sign1`: payload and its one signature, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign1 {
    /// The signed bytes.
    pub payload: Vec<u8>,
    /// Ed25519 signature.
    pub signature: [u8; 64],
}

impl Sign1 {
    /// The bytes that are signed: `["Signature1", protected, external_aad, payload]`.
    pub fn signed_bytes(external_aad: &[u8], payload: &[u8]) -> Vec<u8> {
        cbor::encode(&Value::Array(vec![
            Value::from("Signature1"),
            cbor::bytes(PROTECTED_ED25519),
            cbor::bytes(external_aad),
            cbor::bytes(payload),
        ]))
    }

    /// Encodes with tag 18.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(&Value::Tag(
            TAG_SIGN1,
            Box::new(Value::Array(vec![
                cbor::bytes(PROTECTED_ED25519),
                Value::Map(Vec::new()),
                cbor::bytes(&self.payload),
                cbor::bytes(self.signature),
            ])),
        ))
    }

    /// Decodes strictly; checks no signature.
    ///
    /// # Errors
    /// [`ShapeError`].
    pub fn decode(bytes: &[u8], limit: usize) -> Result<Self, ShapeError> {
        Self::from_value(cbor::decode(bytes, limit)?)
    }

    fn from_value(value: Value) -> Result<Self, ShapeError> {
        let Value::Tag(TAG_SIGN1, inner) = value else {
            return Err(ShapeError::Wrong("COSE_Sign1"));
        };
        let [protected, unprotected, payload, signature] = cbor::as_tuple(*inner, "COSE_Sign1")?;
        expect_ed25519(&protected, &unprotected)?;
        Ok(Self {
            payload: cbor::as_bytes(payload, "payload")?,
            signature: signature_bytes(&signature)?,
        })
    }

    /// Checks the signature strictly under the given label.
    ///
    /// # Errors
    /// [`SignatureInvalid`].
    pub fn verify(&self, key: &impl Verifier, external_aad: &[u8]) -> Result<(), SignatureInvalid> {
        key.verify_strict(
            &Self::signed_bytes(external_aad, &self.payload),
            &self.signature,
        )
    }
}

/// A decoded `COSE_Sign` with exactly two signatures, as a rotation card has: the old key's first,
/// then the new key's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign2 {
    /// The signed bytes.
    pub payload: Vec<u8>,
    /// Signature by the old key.
    pub old: [u8; 64],
    /// Signature by the new key.
    pub new: [u8; 64],
}

impl Sign2 {
    /// The bytes that both sign: `["Signature", h'', sign_protected, external_aad, payload]`.
    pub fn signed_bytes(external_aad: &[u8], payload: &[u8]) -> Vec<u8> {
        cbor::encode(&Value::Array(vec![
            Value::from("Signature"),
            cbor::bytes([]),
            cbor::bytes(PROTECTED_ED25519),
            cbor::bytes(external_aad),
            cbor::bytes(payload),
        ]))
    }

    /// Encodes with tag 98.
    pub fn encode(&self) -> Vec<u8> {
        let signature = |bytes: &[u8; 64]| {
            Value::Array(vec![
                cbor::bytes(PROTECTED_ED25519),
                Value::Map(Vec::new()),
                cbor::bytes(bytes),
            ])
        };
        cbor::encode(&Value::Tag(
            TAG_SIGN,
            Box::new(Value::Array(vec![
                cbor::bytes([]),
                Value::Map(Vec::new()),
                cbor::bytes(&self.payload),
                Value::Array(vec![signature(&self.old), signature(&self.new)]),
            ])),
        ))
    }

    fn from_value(value: Value) -> Result<Self, ShapeError> {
        let Value::Tag(TAG_SIGN, inner) = value else {
            return Err(ShapeError::Wrong("COSE_Sign"));
        };
        let [protected, unprotected, payload, signatures] = cbor::as_tuple(*inner, "COSE_Sign")?;
        if protected != cbor::bytes([]) || unprotected != Value::Map(Vec::new()) {
            return Err(ShapeError::Wrong("COSE_Sign headers"));
        }
        let [old, new] = cbor::as_tuple(signatures, "signatures")?;
        let read = |value: Value| -> Result<[u8; 64], ShapeError> {
            let [protected, unprotected, signature] = cbor::as_tuple(value, "signature")?;
            expect_ed25519(&protected, &unprotected)?;
            signature_bytes(&signature)
        };
        Ok(Self {
            payload: cbor::as_bytes(payload, "payload")?,
            old: read(old)?,
            new: read(new)?,
        })
    }

    /// Checks both signatures strictly under the given label.
    ///
    /// # Errors
    /// [`SignatureInvalid`] when either fails.
    pub fn verify<V: Verifier>(
        &self,
        old: &V,
        new: &V,
        external_aad: &[u8],
    ) -> Result<(), SignatureInvalid> {
        let signed = Self::signed_bytes(external_aad, &self.payload);
        old.verify_strict(&signed, &self.old)?;
        new.verify_strict(&signed, &self.new)
    }

    /// Checks only the new key's signature: what someone who never saw the old key can check.
    ///
    /// # Errors
    /// [`SignatureInvalid`].
    pub fn verify_new(
        &self,
        new: &impl Verifier,
        external_aad: &[u8],
    ) -> Result<(), SignatureInvalid> {
        new.verify_strict(&Self::signed_bytes(external_aad, &self.payload), &self.new)
    }
}

/// Either of the two signed containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// One signature.
    One(Sign1),
    /// Two signatures: a rotation.
    Two(Sign2),
}

impl Signed {
    /// Decodes by tag; checks no signature.
    ///
    /// # Errors
    /// [`ShapeError`].
    pub fn decode(bytes: &[u8], limit: usize) -> Result<Self, ShapeError> {
        let value = cbor::decode(bytes, limit)?;
        if matches!(value, Value::Tag(TAG_SIGN, _)) {
            Sign2::from_value(value).map(Self::Two)
        } else {
            Sign1::from_value(value).map(Self::One)
        }
    }

    /// The signed bytes.
    pub fn payload(&self) -> &[u8] {
        match self {
            Self::One(one) => &one.payload,
            Self::Two(two) => &two.payload,
        }
    }
}

fn expect_ed25519(protected: &Value, unprotected: &Value) -> Result<(), ShapeError> {
    if protected.as_bytes().map(Vec::as_slice) != Some(PROTECTED_ED25519) {
        return Err(ShapeError::Wrong("protected header"));
    }
    if *unprotected != Value::Map(Vec::new()) {
        return Err(ShapeError::Wrong("unprotected header"));
    }
    Ok(())
}

fn signature_bytes(value: &Value) -> Result<[u8; 64], ShapeError> {
    value
        .as_bytes()
        .and_then(|bytes| bytes.as_slice().try_into().ok())
        .ok_or(ShapeError::Wrong("signature"))
}
