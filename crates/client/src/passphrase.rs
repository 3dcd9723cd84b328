//! Passphrases: how strong one is, and one to offer.

use crate::failure::Failure;
use crate::view::Strength;
use rand::seq::IndexedRandom;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// The least zxcvbn score that a vault takes.
const LEAST_SCORE: u8 = 3;
/// Words in a passphrase that is offered: 7 of 2048 are 77 bits.
const OFFERED_WORDS: usize = 7;

/// zxcvbn's estimate for a passphrase.
pub fn strength(passphrase: &str) -> Strength {
    let estimate = zxcvbn::zxcvbn(passphrase, &["waxwing"]);
    Strength {
        score: estimate.score().into(),
        warning: estimate
            .feedback()
            .and_then(zxcvbn::feedback::Feedback::warning)
            .map(|warning| format!("{warning:?}")),
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive power"
        )]
        guesses_log10: estimate.guesses_log10().clamp(0.0, 999.0) as u32,
    }
}

/// Refuses a passphrase that is too easy to guess.
///
/// # Errors
/// [`Failure::WeakPassphrase`] with the score.
pub fn require_strong(passphrase: &str) -> Result<(), Failure> {
    let score = strength(passphrase).score;
    if score < LEAST_SCORE {
        return Err(Failure::WeakPassphrase { score });
    }
    Ok(())
}

/// A passphrase to offer: words drawn evenly from the English BIP-39 list.
pub fn generate(rng: &mut dyn CryptoRng) -> Zeroizing<String> {
    let words = bip39::Language::English.word_list();
    let mut offered = Zeroizing::new(String::with_capacity(OFFERED_WORDS * 9));
    for _ in 0..OFFERED_WORDS {
        if let Some(word) = words.choose(&mut *rng) {
            if !offered.is_empty() {
                offered.push(' ');
            }
            offered.push_str(word);
        }
    }
    offered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offered_passphrase_has_seven_words_and_is_strong() {
        let offered = generate(&mut rand::rng());
        assert_eq!(offered.split(' ').count(), OFFERED_WORDS);
        assert_eq!(strength(&offered).score, 4);
        assert!(require_strong(&offered).is_ok());
    }

    #[test]
    fn a_common_passphrase_is_refused_with_its_score() {
        assert_eq!(
            require_strong("password1"),
            Err(Failure::WeakPassphrase { score: 0 })
        );
    }
}
