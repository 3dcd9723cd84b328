//! RSA keys of the key service, and passphrases sealed to them.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::text::{collect, hash};
use crate::{Error, xml};

/// Keys with fewer bits are not read at all.
const MIN_BITS: usize = 1024;
/// Nothing is sealed to a key with fewer bits, and only the desktop opens with one.
const SAFE_BITS: usize = 2048;
const MAX_BITS: usize = 8192;
/// What OAEP with SHA-1 takes of a block.
const OAEP_BYTES: usize = 42;
/// A passphrase of the original needs nine blocks of its smallest key; no more than these are
/// opened, because each costs an operation with the private key.
const MAX_BLOCKS: usize = 16;

/// A public key, of 1024 to 8192 bits.
#[derive(Clone, PartialEq, Eq)]
pub struct RsaPublic {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl RsaPublic {
    /// Reads `<RSAKeyValue>` with Modulus and Exponent, and nothing more.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::SmallKey`] under 1024 bits, [`Error::KeySize`] over 8192.
    pub fn from_xml(xml: &str) -> Result<Self, Error> {
        Self::from_parsed(&xml::Public::read(xml)?)
    }

    /// Writes the key as .NET does.
    ///
    /// # Errors
    /// [`Error::Key`]; never for a key that was read.
    pub fn to_xml(&self) -> Result<String, Error> {
        xml::Public::from_numbers([&self.modulus, &self.exponent]).write()
    }

    /// The size in bits.
    pub fn bits(&self) -> usize {
        let unused = self.modulus.first().map_or(0, |byte| byte.leading_zeros());
        self.modulus.len() * 8 - unused as usize
    }

    fn from_parsed(parsed: &xml::Public) -> Result<Self, Error> {
        let [modulus, exponent] = parsed.numbers()?;
        let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
        if !is_odd(&modulus) || !is_odd(&exponent) || exponent == [1] || exponent.len() > 4 {
            return Err(Error::Key);
        }
        let key = Self { modulus, exponent };
        match key.bits() {
            bits if bits < MIN_BITS => Err(Error::SmallKey(bits)),
            bits if bits > MAX_BITS => Err(Error::KeySize(bits)),
            _ => Ok(key),
        }
    }

    /// The length of a sealed block in base64.
    fn block_chars(&self) -> usize {
        self.modulus.len().div_ceil(3) * 4
    }

    /// Seals a passphrase: UTF-32LE, cut into blocks, each sealed, reversed, and in base64. The
    /// last block is shorter than the others, and empty when they hold everything.
    ///
    /// # Errors
    /// [`Error::SmallKey`] under 2048 bits, [`Error::Key`], [`Error::System`].
    pub(crate) fn seal(&self, passphrase: &str) -> Result<String, Error> {
        if self.bits() < SAFE_BITS {
            return Err(Error::SmallKey(self.bits()));
        }
        let spki = xml::to_spki([&self.modulus, &self.exponent])?;
        let key = PublicEncryptingKey::from_der(&spki).map_err(|_| Error::Key)?;
        let key = OaepPublicEncryptingKey::new(key)?;
        let mut plain = Zeroizing::new(Vec::with_capacity(passphrase.len() * 4));
        plain.extend(
            passphrase
                .chars()
                .flat_map(|char| u32::from(char).to_le_bytes()),
        );
        let size = self.modulus.len() - OAEP_BYTES;
        let blocks = plain.chunks_exact(size);
        let last = blocks.remainder();
        let mut sealed = String::new();
        for block in blocks.chain([last]) {
            let mut out = vec![0; self.modulus.len()];
            key.encrypt(&OAEP_SHA1_MGF1SHA1, block, &mut out, None)?;
            out.reverse();
            sealed.push_str(&Base64::encode_string(&out));
        }
        Ok(sealed)
    }
}

impl fmt::Debug for RsaPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPublic({} bits)", self.bits())
    }
}

/// A private key. Its text is kept as it was read, because its hash names it.
pub struct RsaPrivate {
    public: RsaPublic,
    xml: Zeroizing<String>,
    opener: Opener,
}

/// What carries out the private operation.
enum Opener {
    /// AWS-LC: constant time, and not under 2048 bits.
    Safe(OaepPrivateDecryptingKey),
    #[cfg(feature = "small-keys")]
    Small(Box<crate::small::SmallKey>),
}

impl RsaPrivate {
    /// Makes a key of 2048, 3072, 4096 or 8192 bits. Takes up to some seconds.
    ///
    /// # Errors
    /// [`Error::KeySize`] for another size, [`Error::System`].
    pub fn generate(bits: usize) -> Result<Self, Error> {
        let size = match bits {
            2048 => KeySize::Rsa2048,
            3072 => KeySize::Rsa3072,
            4096 => KeySize::Rsa4096,
            8192 => KeySize::Rsa8192,
            _ => return Err(Error::KeySize(bits)),
        };
        let key = PrivateDecryptingKey::generate(size)?;
        let der: Pkcs8V1Der<'_> = key.as_der()?;
        Self::from_xml(&xml::Private::from_pkcs8(der.as_ref())?.write()?)
    }

    /// Reads a private key of 2048 to 8192 bits.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::SmallKey`], [`Error::KeySize`].
    pub fn from_xml(xml: &str) -> Result<Self, Error> {
        let parsed = xml::Private::read(xml)?;
        let public = RsaPublic::from_parsed(&parsed.public())?;
        if public.bits() < SAFE_BITS {
            return Err(Error::SmallKey(public.bits()));
        }
        let pkcs8 = xml::to_pkcs8(&parsed.to_pkcs1()?)?;
        let key = PrivateDecryptingKey::from_pkcs8(&pkcs8).map_err(|_| Error::Key)?;
        Ok(Self {
            public,
            xml: Zeroizing::new(xml.to_owned()),
            opener: Opener::Safe(OaepPrivateDecryptingKey::new(key)?),
        })
    }

    /// Reads a private key of 1024 to 8192 bits, to open what was sealed to it long ago.
    ///
    /// For the desktop alone: the operation with a key under 2048 bits is not proven to take the
    /// same time for every input, so it must not answer anybody over a network.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::SmallKey`] under 1024 bits, [`Error::KeySize`].
    #[cfg(feature = "small-keys")]
    pub fn from_xml_of_any_size(xml: &str) -> Result<Self, Error> {
        let parsed = xml::Private::read(xml)?;
        let public = RsaPublic::from_parsed(&parsed.public())?;
        if public.bits() >= SAFE_BITS {
            return Self::from_xml(xml);
        }
        Ok(Self {
            public,
            xml: Zeroizing::new(xml.to_owned()),
            opener: Opener::Small(Box::new(crate::small::SmallKey::read(&parsed.to_pkcs1()?)?)),
        })
    }

    /// The key's text, as it was read or made: a secret.
    pub fn xml(&self) -> &str {
        &self.xml
    }

    /// The public half.
    pub fn public(&self) -> &RsaPublic {
        &self.public
    }

    /// `privatekeyhash`: by this the service knows who may fetch.
    pub fn hash(&self) -> String {
        hash(&self.xml)
    }

    /// Opens a passphrase that was sealed by [`RsaPublic::seal`] or by the original, whose blocks
    /// may be shorter.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub(crate) fn open(&self, sealed: &str) -> Result<Zeroizing<String>, Error> {
        let chars: Vec<u8> = sealed
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        let blocks = chars.chunks_exact(self.public.block_chars());
        if !blocks.remainder().is_empty() || !(1..=MAX_BLOCKS).contains(&blocks.len()) {
            return Err(Error::Closed);
        }
        let size = self.public.modulus.len();
        let mut plain = Zeroizing::new(Vec::with_capacity(blocks.len() * size));
        let mut block = Zeroizing::new(vec![0; size]);
        for chars in blocks {
            let mut sealed = vec![0; size];
            let decoded = Base64::decode(chars, &mut sealed).map_err(|_| Error::Closed)?;
            if decoded.len() != size {
                return Err(Error::Closed);
            }
            sealed.reverse();
            plain.extend_from_slice(self.opener.open(&sealed, &mut block)?);
        }
        let (codes, []) = plain.as_chunks() else {
            return Err(Error::Closed);
        };
        collect(|| {
            codes
                .iter()
                .map(|code| char::try_from(u32::from_le_bytes(*code)))
        })
    }
}

impl Opener {
    /// Opens one block into a buffer of the key's length.
    fn open<'a>(&self, sealed: &[u8], out: &'a mut [u8]) -> Result<&'a [u8], Error> {
        match self {
            Self::Safe(key) => match key.decrypt(&OAEP_SHA1_MGF1SHA1, sealed, out, None) {
                Ok(plain) => Ok(plain),
                Err(_) => Err(Error::Closed),
            },
            #[cfg(feature = "small-keys")]
            Self::Small(key) => key.open(sealed, out),
        }
    }
}
