//! RSA keys as .NET writes them: `<RSAKeyValue>` with each number in base64, big-endian.

use base64ct::{Base64, Encoding};
use pkcs1::der::asn1::{BitStringRef, OctetStringRef, UintRef};
use pkcs1::der::{Decode, Encode};
use pkcs1::{ALGORITHM_ID, RsaPrivateKeyRef, RsaPublicKeyRef};
use pkcs8::PrivateKeyInfoRef;
use pkcs8::spki::SubjectPublicKeyInfoRef;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::Error;

/// The largest key's text, with room for white space.
const MAX_XML: usize = 16 << 10;

/// A public key, in the order of the original.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Public {
    modulus: String,
    exponent: String,
}

/// A private key, in the order of the original.
#[derive(Serialize, Deserialize, ZeroizeOnDrop)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Private {
    modulus: String,
    exponent: String,
    p: String,
    q: String,
    #[serde(rename = "DP")]
    dp: String,
    #[serde(rename = "DQ")]
    dq: String,
    inverse_q: String,
    d: String,
}

/// The element around both; its name is checked as the name of a variant.
#[derive(Serialize, Deserialize)]
enum Root<T> {
    #[serde(rename = "RSAKeyValue")]
    Key(T),
}

impl Public {
    /// Reads the XML of a public key.
    pub(crate) fn read(xml: &str) -> Result<Self, Error> {
        read(xml)
    }

    /// Writes it as .NET does.
    pub(crate) fn write(self) -> Result<String, Error> {
        quick_xml::se::to_string(&Root::Key(self)).map_err(|_| Error::Key)
    }

    /// Modulus and exponent, big-endian.
    pub(crate) fn numbers(&self) -> Result<[Vec<u8>; 2], Error> {
        Ok([number(&self.modulus)?, number(&self.exponent)?])
    }

    /// From its numbers, big-endian.
    pub(crate) fn from_numbers([modulus, exponent]: [&[u8]; 2]) -> Self {
        Self {
            modulus: Base64::encode_string(modulus),
            exponent: Base64::encode_string(exponent),
        }
    }
}

impl Private {
    /// Reads the XML of a private key.
    pub(crate) fn read(xml: &str) -> Result<Self, Error> {
        read(xml)
    }

    /// Writes it as .NET does.
    pub(crate) fn write(self) -> Result<Zeroizing<String>, Error> {
        let xml = quick_xml::se::to_string(&Root::Key(self)).map_err(|_| Error::Key)?;
        Ok(Zeroizing::new(xml))
    }

    /// The public half.
    pub(crate) fn public(&self) -> Public {
        Public {
            modulus: self.modulus.clone(),
            exponent: self.exponent.clone(),
        }
    }

    /// The key in the form that libraries read: PKCS #1.
    pub(crate) fn to_pkcs1(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let secret = |text| number(text).map(Zeroizing::new);
        let uint = |number| UintRef::new(number).map_err(|_| Error::Key);
        let [modulus, exponent] = self.public().numbers()?;
        let (prime1, prime2) = (secret(&self.p)?, secret(&self.q)?);
        let (exponent1, exponent2) = (secret(&self.dp)?, secret(&self.dq)?);
        let (coefficient, private_exponent) = (secret(&self.inverse_q)?, secret(&self.d)?);
        let key = RsaPrivateKeyRef {
            modulus: uint(&modulus)?,
            public_exponent: uint(&exponent)?,
            private_exponent: uint(&private_exponent)?,
            prime1: uint(&prime1)?,
            prime2: uint(&prime2)?,
            exponent1: uint(&exponent1)?,
            exponent2: uint(&exponent2)?,
            coefficient: uint(&coefficient)?,
            other_prime_infos: None,
        };
        der(&key).map(Zeroizing::new)
    }

    /// From PKCS #8, with every number as long as .NET writes it.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, Error> {
        let info = PrivateKeyInfoRef::from_der(der).map_err(|_| Error::Key)?;
        let key = RsaPrivateKeyRef::from_der(info.private_key.as_bytes());
        let key = key.map_err(|_| Error::Key)?;
        let whole = key.modulus.as_bytes().len();
        let half = whole.div_ceil(2);
        Ok(Self {
            modulus: Base64::encode_string(key.modulus.as_bytes()),
            exponent: Base64::encode_string(key.public_exponent.as_bytes()),
            p: padded(key.prime1, half)?,
            q: padded(key.prime2, half)?,
            dp: padded(key.exponent1, half)?,
            dq: padded(key.exponent2, half)?,
            inverse_q: padded(key.coefficient, half)?,
            d: padded(key.private_exponent, whole)?,
        })
    }
}

/// A private key in PKCS #8, from PKCS #1.
pub(crate) fn to_pkcs8(pkcs1: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let key = OctetStringRef::new(pkcs1).map_err(|_| Error::Key)?;
    der(&PrivateKeyInfoRef::new(ALGORITHM_ID, key)).map(Zeroizing::new)
}

/// A public key in the form that libraries read: SPKI.
pub(crate) fn to_spki([modulus, exponent]: [&[u8]; 2]) -> Result<Vec<u8>, Error> {
    let uint = |number| UintRef::new(number).map_err(|_| Error::Key);
    let key = der(&RsaPublicKeyRef {
        modulus: uint(modulus)?,
        public_exponent: uint(exponent)?,
    })?;
    der(&SubjectPublicKeyInfoRef {
        algorithm: ALGORITHM_ID,
        subject_public_key: BitStringRef::from_bytes(&key).map_err(|_| Error::Key)?,
    })
}

fn read<T: DeserializeOwned>(xml: &str) -> Result<T, Error> {
    if xml.len() > MAX_XML {
        return Err(Error::Key);
    }
    let Root::Key(key) = quick_xml::de::from_str(xml).map_err(|_| Error::Key)?;
    Ok(key)
}

/// A number without leading zeros.
fn number(base64: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Base64::decode_vec(base64.trim()).map_err(|_| Error::Key)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    if bytes.is_empty() {
        return Err(Error::Key);
    }
    Ok(bytes)
}

fn padded(number: UintRef<'_>, length: usize) -> Result<String, Error> {
    let bytes = number.as_bytes();
    let zeros = length.checked_sub(bytes.len()).ok_or(Error::Key)?;
    let mut padded = Zeroizing::new(vec![0; zeros]);
    padded.reserve_exact(bytes.len());
    padded.extend_from_slice(bytes);
    Ok(Base64::encode_string(&padded))
}

fn der(value: &impl Encode) -> Result<Vec<u8>, Error> {
    value.to_der().map_err(|_| Error::Key)
}
