//! Padding: what a length may tell.
//!
//! A plaintext is followed by `0x80` and zeros (ISO/IEC 7816-4) up to a Padmé length of at least
//! 256 bytes, so that a ciphertext's length tells only its size class. Nothing is ever compressed.
//! Carries out docs/protocol.md section 3.

use zeroize::Zeroizing;

/// The shortest padded plaintext, bytes.
pub const MIN_PADDED: usize = 256;

const MARK: u8 = 0x80;

/// Padmé (Nikitin et al., PETS 2019, section 4.2): `length` rounded up so that only
/// `O(log log length)` bits of it show; at most 12 % longer.
pub const fn padme(length: usize) -> usize {
    if length < 2 {
        return length;
    }
    let exponent = length.ilog2();
    let kept = exponent.ilog2() + 1;
    // length 2 and 3 have exponent 1, of which ilog2 is 0: nothing to drop.
    let dropped = exponent.saturating_sub(kept);
    let mask = (1usize << dropped) - 1;
    length.saturating_add(mask) & !mask
}

/// The padded length of a plaintext of `length` bytes.
pub const fn padded_length(length: usize) -> usize {
    let with_mark = length.saturating_add(1);
    let rounded = padme(with_mark);
    if rounded < MIN_PADDED {
        MIN_PADDED
    } else {
        rounded
    }
}

/// Pads, leaving room for a 16-byte tag. The result wipes itself.
pub(crate) fn pad(plain: &[u8]) -> Zeroizing<Vec<u8>> {
    let target = padded_length(plain.len());
    let mut padded = Zeroizing::new(Vec::with_capacity(target + 16));
    padded.extend_from_slice(plain);
    padded.push(MARK);
    padded.resize(target, 0);
    padded
}

/// The plaintext's length within a padded one; `None` when the padding is not exactly what
/// [`pad`] makes.
pub(crate) fn unpadded_length(padded: &[u8]) -> Option<usize> {
    let length = padded.iter().rposition(|byte| *byte != 0)?;
    (padded[length] == MARK && padded_length(length) == padded.len()).then_some(length)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Values of the paper's definition.
    #[test]
    fn padme_lengths() {
        let known = [
            (9, 10),
            (17, 18),
            (100, 104),
            (256, 256),
            (257, 272),
            (1000, 1024),
        ];
        for (length, padded) in known {
            assert_eq!(padme(length), padded);
        }
        for length in 0..5000 {
            let padded = padded_length(length);
            assert!(padded > length && padded >= MIN_PADDED);
            assert!(padded <= MIN_PADDED.max((length + 1) * 112 / 100 + 1));
        }
    }

    #[test]
    fn only_exact_padding_is_taken_off() {
        for length in [0, 1, 254, 255, 256, 1000] {
            let padded = pad(&vec![7; length]);
            assert_eq!(unpadded_length(&padded), Some(length));
            let mut longer = padded.to_vec();
            longer.push(0);
            assert_eq!(unpadded_length(&longer), None);
        }
        assert_eq!(unpadded_length(&[0; 256]), None);
        assert_eq!(unpadded_length(&[1; 256]), None);
    }
}
