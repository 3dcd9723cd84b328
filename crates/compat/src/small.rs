//! Opening with RSA keys under 2048 bits, as the original makes them.
//!
//! The package `rsa` is not proven to run in constant time (RUSTSEC-2023-0071). Here a person opens
//! on her own computer what lies there; nobody measures how long it takes.

use pkcs1::DecodeRsaPrivateKey;
use rsa::{Oaep, RsaPrivateKey};
use zeroize::Zeroizing;

use crate::Error;

/// A private key of 1024 bits or more.
pub(crate) struct SmallKey(RsaPrivateKey);

impl SmallKey {
    /// Reads PKCS #1.
    pub(crate) fn read(pkcs1: &[u8]) -> Result<Self, Error> {
        RsaPrivateKey::from_pkcs1_der(pkcs1)
            .map(Self)
            .map_err(|_| Error::Key)
    }

    /// Opens one block into a buffer of the key's length.
    pub(crate) fn open<'a>(&self, sealed: &[u8], out: &'a mut [u8]) -> Result<&'a [u8], Error> {
        let padding = Oaep::<sha1::Sha1>::new();
        let plain = self.0.decrypt(padding, sealed).map(Zeroizing::new);
        let plain = plain.map_err(|_| Error::Closed)?;
        let out = out.get_mut(..plain.len()).ok_or(Error::Closed)?;
        out.copy_from_slice(&plain);
        Ok(out)
    }
}
