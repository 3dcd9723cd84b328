//! What names a key.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// Hex digits of a token made here (128 random bits), and of one of the original service.
const OURS: usize = 32;
const ORIGINAL: usize = 16;

/// A key's name: hex in lower case.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Token(String);

impl Token {
    pub(super) fn random() -> Self {
        Self(hex::encode(rand::random::<[u8; OURS / 2]>()))
    }

    /// It is of the form that the original service gave.
    pub(super) fn is_original(&self) -> bool {
        self.0.len() == ORIGINAL
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// A number for clients that want one.
    pub(super) fn number(&self) -> u32 {
        let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(self.0.as_bytes()).into();
        u32::from_be_bytes([a, b, c, d]) >> 1
    }
}

impl FromStr for Token {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex && [OURS, ORIGINAL].contains(&text.len()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(())
        }
    }
}

/// Who has it may write to its key, so no log shows it.
impl fmt::Debug for Token {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Token")
    }
}
