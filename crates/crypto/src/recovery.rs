//! The recovery code: 32 random bytes that a person can write down as 24 words.
//!
//! The words are BIP-39's English list and checksum; the *entropy* is used, not the seed that
//! BIP-39 would stretch from it, because 256 random bits need no stretching. The checksum tells a
//! mistyped code from a code of another vault.
//! Carries out docs/protocol.md section 6, "Recovery code".

use core::fmt;

use bip39::{Error as Bip39Error, Language, Mnemonic};
use rand_core::CryptoRng;
use zeroize::{Zeroize as _, Zeroizing};

/// How many words a recovery code has.
pub const WORDS: usize = 24;

/// Why what was typed is not a recovery code. Holds no word of it, so it is safe to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// Another number of words.
    #[error("a recovery code has {WORDS} words, not {found}")]
    WordCount {
        /// How many were typed.
        found: usize,
    },
    /// A word that is not in the list. [`suggest`] finds words near it.
    #[error("word {} is not in the word list", index + 1)]
    UnknownWord {
        /// Its place, from 0.
        index: usize,
    },
    /// Every word is known, but together they are not a code: two are swapped or one is another.
    #[error("the words do not belong together: one is wrong or out of order")]
    Checksum,
}

/// A recovery code. Never printed, copied or serialised; zeroized on drop.
pub struct RecoveryCode(Zeroizing<[u8; 32]>);

impl RecoveryCode {
    /// A fresh code.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self(bytes)
    }

    /// The code as its 24 words, in order.
    pub fn words(&self) -> Vec<&'static str> {
        Mnemonic::from_entropy_in(Language::English, self.0.as_slice())
            .map(|mnemonic| mnemonic.words().collect())
            .unwrap_or_default()
    }

    /// Reads what was typed: capitals, line breaks, more spaces, commas and numbers between the
    /// words do not matter.
    ///
    /// # Errors
    /// [`RecoveryError`], which says what to look at.
    pub fn parse(typed: &str) -> Result<Self, RecoveryError> {
        let words = split(typed);
        let count = words.split(' ').filter(|word| !word.is_empty()).count();
        if count != WORDS {
            return Err(RecoveryError::WordCount { found: count });
        }
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &words).map_err(
            |error| match error {
                Bip39Error::UnknownWord(index) => RecoveryError::UnknownWord { index },
                Bip39Error::BadWordCount(found) => RecoveryError::WordCount { found },
                _ => RecoveryError::Checksum,
            },
        )?;
        let (mut entropy, length) = mnemonic.to_entropy_array();
        let mut bytes = Zeroizing::new([0; 32]);
        let fits = length == bytes.len();
        if fits {
            bytes.copy_from_slice(&entropy[..length]);
        }
        entropy.zeroize();
        if fits {
            Ok(Self(bytes))
        } else {
            Err(RecoveryError::Checksum)
        }
    }

    /// The 32 bytes, for the vault header alone.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode")
    }
}

/// All words that a recovery code is made of, in alphabetical order.
pub fn word_list() -> &'static [&'static str] {
    Language::English.word_list()
}

/// The words of the list nearest to `typed`, best first, at most `most`. For the face to offer after
/// [`RecoveryError::UnknownWord`].
pub fn suggest(typed: &str, most: usize) -> Vec<&'static str> {
    let typed = Zeroizing::new(typed.trim().to_lowercase());
    let mut scored: Vec<(usize, &'static str)> = Language::English
        .word_list()
        .iter()
        .map(|word| (strsim::damerau_levenshtein(&typed, word), *word))
        .filter(|(distance, _)| *distance <= 2)
        .collect();
    scored.sort_unstable();
    scored
        .into_iter()
        .take(most)
        .map(|(_, word)| word)
        .collect()
}

/// The typed words in lower case with single spaces between, without numbering and punctuation.
fn split(typed: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(typed.len() + 1));
    for word in typed.split([' ', '\t', '\n', '\r', ',', ';', '-', '\u{a0}']) {
        let word = word.trim_matches(|c: char| !c.is_alphabetic());
        if word.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().flat_map(char::to_lowercase));
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    fn code(byte: u8) -> RecoveryCode {
        RecoveryCode(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn words_and_back() {
        for byte in 0..=255 {
            let code = code(byte);
            let words = code.words();
            assert_eq!(words.len(), WORDS);
            assert_eq!(RecoveryCode::parse(&words.join(" ")).unwrap().0, code.0);
        }
    }

    #[test]
    fn the_published_vector_of_all_zeros() {
        // trezor/python-mnemonic vectors.json, 256 bits of zero entropy
        let words = code(0).words();
        assert!(words[..23].iter().all(|word| *word == "abandon"));
        assert_eq!(words[23], "art");
    }

    #[test]
    fn typing_habits_do_not_matter() {
        let code = code(0x5a);
        let numbered = code
            .words()
            .iter()
            .enumerate()
            .map(|(i, word)| format!("{}. {}", i + 1, word.to_uppercase()))
            .collect::<Vec<_>>()
            .join(",\r\n\t ");
        assert_eq!(RecoveryCode::parse(&numbered).unwrap().0, code.0);
    }

    #[test]
    fn each_mistake_has_its_own_error() {
        let words = code(0x5a).words();
        assert_eq!(
            RecoveryCode::parse(&words[..23].join(" ")).unwrap_err(),
            RecoveryError::WordCount { found: 23 }
        );
        assert_eq!(
            RecoveryCode::parse("").unwrap_err(),
            RecoveryError::WordCount { found: 0 }
        );
        let mut unknown = words.clone();
        unknown[6] = "abandom";
        assert_eq!(
            RecoveryCode::parse(&unknown.join(" ")).unwrap_err(),
            RecoveryError::UnknownWord { index: 6 }
        );
        assert_eq!(suggest("abandom", 3).first(), Some(&"abandon"));
        assert!(suggest("xxxxxxxxxxxx", 3).is_empty());
        let mut other = words.clone();
        other[0] = if words[0] == "zoo" { "zone" } else { "zoo" };
        assert_eq!(
            RecoveryCode::parse(&other.join(" ")).unwrap_err(),
            RecoveryError::Checksum
        );
    }

    #[test]
    fn a_code_never_prints() {
        assert_eq!(format!("{:?}", code(1)), "RecoveryCode");
    }
}
