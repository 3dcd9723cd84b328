//! A text under a passphrase, and the hash that the key service uses for everything.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{digest, pbkdf2};
use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::{Error, MAX_SEALED};

/// What the original mixes into every passphrase, the same for everybody, in UTF-16LE.
const SALT: &[u8] = b"C\0r\0y\0p\0t\0A\0B\0y\0t\0e\0";
const ROUNDS: NonZeroU32 = NonZeroU32::new(1000).unwrap();
const BYTE_ORDER_MARK: [u8; 2] = [0xff, 0xfe];
const BLOCK: usize = 16;

/// Seals a text under a passphrase. The same text and passphrase give the same result.
///
/// # Errors
/// [`Error::System`].
pub fn encrypt(plain: &str, passphrase: &str) -> Result<String, Error> {
    let (key, iv) = derive(passphrase)?;
    let mut bytes = utf16(&BYTE_ORDER_MARK, plain);
    PaddedBlockEncryptingKey::cbc_pkcs7(key)?
        .less_safe_encrypt(&mut *bytes, EncryptionContext::Iv128(iv))?;
    Ok(Base64::encode_string(&bytes))
}

/// Opens what [`encrypt`] or the original sealed. White space in the base64 does not matter.
///
/// # Errors
/// [`Error::Closed`], [`Error::TooLarge`], [`Error::System`].
pub fn decrypt(base64: &str, passphrase: &str) -> Result<Zeroizing<String>, Error> {
    let mut bytes = Zeroizing::new(from_base64(base64)?);
    let (key, iv) = derive(passphrase)?;
    let plain = PaddedBlockDecryptingKey::cbc_pkcs7(key)?
        .decrypt(&mut bytes, DecryptionContext::Iv128(iv))
        .map_err(|_| Error::Closed)?;
    let plain = plain.strip_prefix(&BYTE_ORDER_MARK).ok_or(Error::Closed)?;
    let (units, []) = plain.as_chunks() else {
        return Err(Error::Closed);
    };
    let chars = || char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit)));
    collect(chars)
}

/// The key service's hash of a text: SHA-256 of its UTF-16LE, in lower hex.
pub fn hash(text: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, &utf16(&[], text)))
}

/// A text of exactly the length that it needs, so that no copy of a part is left behind.
pub(crate) fn collect<E, I: Iterator<Item = Result<char, E>>>(
    chars: impl Fn() -> I,
) -> Result<Zeroizing<String>, Error> {
    let mut length = 0;
    for char in chars() {
        length += char.map_err(|_| Error::Closed)?.len_utf8();
    }
    let mut text = Zeroizing::new(String::with_capacity(length));
    text.extend(chars().flatten());
    Ok(text)
}

/// Base64 of what is at most [`MAX_SEALED`] characters long.
pub(crate) fn from_base64(text: &str) -> Result<Vec<u8>, Error> {
    if text.len() > MAX_SEALED {
        return Err(Error::TooLarge);
    }
    let decoded = if text.contains(|char: char| char.is_ascii_whitespace()) {
        let text: Zeroizing<String> = Zeroizing::new(text.split_ascii_whitespace().collect());
        Base64::decode_vec(&text)
    } else {
        Base64::decode_vec(text)
    };
    decoded.map_err(|_| Error::Closed)
}

/// A text as UTF-16LE after a prefix, with room for the padding of a cipher.
fn utf16(prefix: &[u8], text: &str) -> Zeroizing<Vec<u8>> {
    let length = prefix.len() + text.encode_utf16().count() * 2;
    let mut bytes = Zeroizing::new(Vec::with_capacity(length + BLOCK));
    bytes.extend_from_slice(prefix);
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    bytes
}

/// Key and first block of the cipher, from a passphrase alone.
fn derive(passphrase: &str) -> Result<(UnboundCipherKey, FixedLength<BLOCK>), Error> {
    let mut derived = Zeroizing::new([0; 48]);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA1,
        ROUNDS,
        SALT,
        passphrase.as_bytes(),
        &mut *derived,
    );
    let (key, iv) = derived.split_first_chunk::<32>().ok_or(Error::System)?;
    Ok((
        UnboundCipherKey::new(&AES_256, key)?,
        FixedLength::try_from(iv)?,
    ))
}
