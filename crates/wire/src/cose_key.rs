//! Public keys as `COSE_Key` (RFC 9052 section 7), each purpose its own type.
//!
//! An [`IdentityPublic`] checks cards, a [`DevicePublic`] messages, prekeys and retry statements, a
//! [`TransportPublic`] requests to the relay: one key, one purpose (docs/protocol.md section 1).
//! Points that do not decompress or have small order are refused when a key is read.

use core::fmt;

use ed25519_dalek::{Signature, VerifyingKey};

use crate::cbor::{self, Fields, ShapeError, Value};
use crate::ids::{Digest, KeyId};

const KTY: i64 = 1;
const ALG: i64 = 3;
const CRV: i64 = -1;
const X: i64 = -2;
const AKP_PUB: i64 = -1;
/// kty OKP, RFC 9053 section 7.2.
const KTY_OKP: i64 = 1;
/// kty AKP ("algorithm key pair"), where `alg` says everything about the key.
const KTY_AKP: i64 = 7;
const CRV_X25519: i64 = 4;
const CRV_ED25519: i64 = 6;

/// COSE algorithm Ed25519, RFC 9864: the only signature algorithm here.
pub const ALG_ED25519: i64 = -19;
/// COSE algorithm HPKE-4-KE (draft-ietf-cose-hpke): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
/// ChaCha20-Poly1305, as key encryption.
pub const ALG_S1: i64 = 50;
/// HPKE-9-KE (MLKEM768-X25519, SHAKE256, AES-256-GCM): private-use number until one is assigned.
pub const ALG_S2: i64 = -65_709;

/// A signature that does not verify. Says nothing more on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct SignatureInvalid;

/// A public key that can check signatures of its one purpose.
pub trait Verifier {
    /// Checks an Ed25519 signature strictly (RFC 8032 section 5.1.7, no small-order keys, no
    /// malleability).
    ///
    /// # Errors
    /// [`SignatureInvalid`].
    fn verify_strict(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), SignatureInvalid>;
}

macro_rules! verifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(VerifyingKey);

        impl $name {
            /// Reads 32 bytes.
            ///
            /// # Errors
            /// [`ShapeError::Wrong`] when they are no curve point, or one of small order.
            pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, ShapeError> {
                let key = VerifyingKey::from_bytes(bytes)
                    .map_err(|_| ShapeError::Wrong("public key"))?;
                if key.is_weak() {
                    return Err(ShapeError::Wrong("public key"));
                }
                Ok(Self(key))
            }

            /// The 32 bytes of RFC 8032.
            pub fn as_bytes(&self) -> &[u8; 32] {
                self.0.as_bytes()
            }

            /// As `COSE_Key` `{1: 1 (OKP), 3: -19, -1: 6 (Ed25519), -2: x}`.
            pub fn to_cose_key(&self) -> Value {
                cbor::map([
                    (KTY, Value::from(KTY_OKP)),
                    (ALG, Value::from(ALG_ED25519)),
                    (CRV, Value::from(CRV_ED25519)),
                    (X, cbor::bytes(self.as_bytes())),
                ])
            }

            /// From `COSE_Key`.
            ///
            /// # Errors
            /// [`ShapeError`] for any other key type, curve or algorithm.
            pub fn from_cose_key(value: Value) -> Result<Self, ShapeError> {
                Self::from_bytes(&ed25519_from_cose_key(value)?)
            }

            /// RFC 9679 thumbprint.
            pub fn thumbprint(&self) -> Digest {
                thumbprint_okp(CRV_ED25519, self.as_bytes())
            }
        }

        impl Verifier for $name {
            fn verify_strict(
                &self,
                message: &[u8],
                signature: &[u8; 64],
            ) -> Result<(), SignatureInvalid> {
                self.0
                    .verify_strict(message, &Signature::from_bytes(signature))
                    .map_err(|_| SignatureInvalid)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), hex::encode(self.as_bytes()))
            }
        }
    };
}

verifier!(
    /// The public half of an account's identity key (AIK): checks cards and nothing else.
    IdentityPublic
);
verifier!(
    /// The public half of a device's signing key (DSK): checks messages, prekeys, retry statements.
    DevicePublic
);
verifier!(
    /// The public half of a device's transport key (TSK): checks requests to the relay.
    TransportPublic
);

fn ed25519_from_cose_key(value: Value) -> Result<[u8; 32], ShapeError> {
    const WHAT: &str = "COSE_Key";
    let mut fields = Fields::open(value, WHAT)?;
    expect(&mut fields, KTY, KTY_OKP)?;
    expect(&mut fields, ALG, ALG_ED25519)?;
    expect(&mut fields, CRV, CRV_ED25519)?;
    let x = fields.id::<Digest>(X, "COSE_Key x")?;
    fields.finish()?;
    Ok(*x.as_bytes())
}

fn expect(fields: &mut Fields, label: i64, wanted: i64) -> Result<(), ShapeError> {
    if fields.need(label, "COSE_Key")? == Value::from(wanted) {
        Ok(())
    } else {
        Err(ShapeError::Wrong("COSE_Key"))
    }
}

/// RFC 9679 section 4.1: SHA-256 over the deterministic map of the required parameters only.
fn thumbprint_okp(curve: i64, x: &[u8]) -> Digest {
    Digest::of(&cbor::encode(&cbor::map([
        (KTY, Value::from(KTY_OKP)),
        (CRV, Value::from(curve)),
        (X, cbor::bytes(x)),
    ])))
}

/// The two key-bound suites. Which one is used follows from the recipient's signed key, never from
/// the message. Order is strength: `S1 < S2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suite {
    /// Classical: HPKE-4-KE (X25519, HKDF-SHA256, ChaCha20-Poly1305).
    S1,
    /// Post-quantum hybrid, the default: HPKE-9-KE (MLKEM768-X25519, SHAKE256, AES-256-GCM).
    S2,
}

impl Suite {
    /// 1 or 2, as in `min_suite` of a card.
    pub const fn number(self) -> u64 {
        match self {
            Self::S1 => 1,
            Self::S2 => 2,
        }
    }

    /// From 1 or 2.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::S1),
            2 => Some(Self::S2),
            _ => None,
        }
    }

    /// The COSE algorithm number.
    pub const fn alg(self) -> i64 {
        match self {
            Self::S1 => ALG_S1,
            Self::S2 => ALG_S2,
        }
    }

    /// From the COSE algorithm number.
    pub const fn from_alg(alg: i64) -> Option<Self> {
        match alg {
            ALG_S1 => Some(Self::S1),
            ALG_S2 => Some(Self::S2),
            _ => None,
        }
    }

    /// Length of a public key, bytes: 32 or 1216.
    pub const fn public_len(self) -> usize {
        match self {
            Self::S1 => 32,
            Self::S2 => 1216,
        }
    }

    /// Length of an encapsulated key, bytes: 32 or 1120.
    pub const fn encapped_len(self) -> usize {
        match self {
            Self::S1 => 32,
            Self::S2 => 1120,
        }
    }
}

/// A public HPKE key of one suite: what a prekey record carries.
#[derive(Clone, PartialEq, Eq)]
pub struct HpkePublic {
    suite: Suite,
    bytes: Vec<u8>,
}

impl HpkePublic {
    /// From suite and key bytes.
    ///
    /// # Errors
    /// [`ShapeError::Wrong`] when the length does not fit the suite.
    pub fn new(suite: Suite, bytes: Vec<u8>) -> Result<Self, ShapeError> {
        if bytes.len() == suite.public_len() {
            Ok(Self { suite, bytes })
        } else {
            Err(ShapeError::Wrong("public key"))
        }
    }

    /// Its suite.
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The key as HPKE serialises it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// As `COSE_Key`: S1 `{1: 1, 3: 50, -1: 4, -2: x}`, S2 `{1: 7 (AKP), 3: alg, -1: pub}`.
    pub fn to_cose_key(&self) -> Value {
        match self.suite {
            Suite::S1 => cbor::map([
                (KTY, Value::from(KTY_OKP)),
                (ALG, Value::from(ALG_S1)),
                (CRV, Value::from(CRV_X25519)),
                (X, cbor::bytes(&self.bytes)),
            ]),
            Suite::S2 => self.akp(),
        }
    }

    fn akp(&self) -> Value {
        cbor::map([
            (KTY, Value::from(KTY_AKP)),
            (ALG, Value::from(ALG_S2)),
            (AKP_PUB, cbor::bytes(&self.bytes)),
        ])
    }

    /// From `COSE_Key`.
    ///
    /// # Errors
    /// [`ShapeError`] for any key that is not exactly one of the two suites.
    pub fn from_cose_key(value: Value) -> Result<Self, ShapeError> {
        let mut fields = Fields::open(value, "COSE_Key")?;
        let alg = fields
            .need(ALG, "COSE_Key alg")?
            .as_integer()
            .and_then(|alg| i64::try_from(alg).ok());
        let suite = alg
            .and_then(Suite::from_alg)
            .ok_or(ShapeError::Wrong("COSE_Key alg"))?;
        let bytes = match suite {
            Suite::S1 => {
                expect(&mut fields, KTY, KTY_OKP)?;
                expect(&mut fields, CRV, CRV_X25519)?;
                fields.bytes(X, "COSE_Key x")?
            }
            Suite::S2 => {
                expect(&mut fields, KTY, KTY_AKP)?;
                fields.bytes(AKP_PUB, "COSE_Key pub")?
            }
        };
        fields.finish()?;
        Self::new(suite, bytes)
    }

    /// RFC 9679 thumbprint: for OKP over kty, crv, x; for AKP over kty, alg, pub.
    pub fn thumbprint(&self) -> Digest {
        match self.suite {
            Suite::S1 => thumbprint_okp(CRV_X25519, &self.bytes),
            Suite::S2 => Digest::of(&cbor::encode(&self.akp())),
        }
    }

    /// `kid`: the thumbprint cut to 16 bytes.
    pub fn kid(&self) -> KeyId {
        let mut kid = [0u8; 16];
        kid.copy_from_slice(&self.thumbprint().as_bytes()[..16]);
        KeyId::new(kid)
    }
}

impl fmt::Debug for HpkePublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HpkePublic({:?}, kid {})", self.suite, self.kid())
    }
}
