//! Texts sealed to a key.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::gzip::{pack_text, unpack_text};
use crate::text::{decrypt, encrypt, hash};
use crate::{Error, RsaPrivate, RsaPublic};

/// A sealed text or file, in the fields that the service carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The content under a random passphrase, in base64.
    pub encryptedmessage: String,
    /// That passphrase, sealed to the key: base64 of each block.
    pub encryptionkey: String,
    /// The hash of the packed content. The service forgets it on offline messages, so it may lack.
    pub messagehash: Option<String>,
}

/// Seals a text.
///
/// # Errors
/// [`Error::SmallKey`] for a key under 2048 bits, [`Error::TooLarge`], [`Error::System`].
pub fn seal(key: &RsaPublic, text: &str) -> Result<Sealed, Error> {
    seal_packed(key, &pack_text(text)?)
}

/// Opens a text.
///
/// # Errors
/// [`Error::Closed`], [`Error::Hash`] when there is a hash that names something else,
/// [`Error::Form`] when it is no text, [`Error::TooLarge`].
pub fn open(key: &RsaPrivate, sealed: &Sealed) -> Result<Zeroizing<String>, Error> {
    unpack_text(&open_packed(key, sealed)?)
}

/// Seals what is packed already.
pub(crate) fn seal_packed(key: &RsaPublic, packed: &str) -> Result<Sealed, Error> {
    let mut random = Zeroizing::new([0; 128]);
    aws_lc_rs::rand::fill(&mut *random)?;
    let passphrase = Zeroizing::new(Base64::encode_string(&*random));
    let encryptionkey = key.seal(&passphrase)?;
    Ok(Sealed {
        encryptedmessage: encrypt(packed, &passphrase)?,
        encryptionkey,
        messagehash: Some(hash(packed)),
    })
}

/// Opens what is to be unpacked.
pub(crate) fn open_packed(key: &RsaPrivate, sealed: &Sealed) -> Result<Zeroizing<String>, Error> {
    let passphrase = key.open(&sealed.encryptionkey)?;
    let packed = decrypt(&sealed.encryptedmessage, &passphrase)?;
    match &sealed.messagehash {
        Some(expected) if !hash(&packed).eq_ignore_ascii_case(expected) => Err(Error::Hash),
        _ => Ok(packed),
    }
}
