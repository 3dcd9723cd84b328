//! Key codes: sixty digits that two people compare to know that nobody stands between them.
//!
//! The construction is libsignal's numeric fingerprint: SHA-512 iterated 5200 times over
//! `0x0000 || AIK || account_id`, then `AIK` each round; 30 digits a side, sides sorted. It covers
//! the identity key only, so it survives device changes and changes when that key is rotated.
//! Carries out docs/protocol.md section 2, "Key code".

use core::fmt;

use sha2::{Digest as _, Sha512};
use waxwing_wire::cose_key::IdentityPublic;
use waxwing_wire::ids::AccountId;

const ITERATIONS: usize = 5200;
const GROUPS_PER_SIDE: usize = 6;

const LABEL: &[u8] = b"waxwing/key-code/v1";

/// One side of a key code: 30 digits of one account. An account's own is what it shows to people
/// who do not know it yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Side {
    groups: [u32; GROUPS_PER_SIDE],
    hash: [u8; 32],
}

impl Side {
    /// Derives the digits of an account under its identity key.
    pub fn derive(identity: &IdentityPublic, account_id: &AccountId) -> Self {
        let key = identity.as_bytes();
        let mut digest = Sha512::new()
            .chain_update([0, 0])
            .chain_update(key)
            .chain_update(account_id.as_bytes())
            .chain_update(key)
            .finalize();
        for _ in 1..ITERATIONS {
            digest = Sha512::new()
                .chain_update(digest)
                .chain_update(key)
                .finalize();
        }
        let mut groups = [0; GROUPS_PER_SIDE];
        for (group, chunk) in groups.iter_mut().zip(digest.chunks_exact(5)) {
            let number = chunk
                .iter()
                .fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
            *group = u32::try_from(number % 100_000).unwrap_or_default();
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(&digest[..32]);
        Self { groups, hash }
    }

    /// What a QR code of one account carries, for whoever is asked to compare: a label and the hash.
    pub fn scannable(&self) -> Vec<u8> {
        [LABEL, &self.hash].concat()
    }

    /// Six groups of five digits.
    pub fn groups(&self) -> [String; GROUPS_PER_SIDE] {
        self.groups.map(|group| format!("{group:05}"))
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.groups().join(" "))
    }
}

/// The key code of two accounts: the same on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyCode {
    first: Side,
    second: Side,
}

impl KeyCode {
    /// Puts the two sides in order.
    pub fn new(one: Side, other: Side) -> Self {
        let (first, second) = if one.groups() <= other.groups() {
            (one, other)
        } else {
            (other, one)
        };
        Self { first, second }
    }

    /// Twelve groups of five digits.
    pub fn groups(&self) -> [String; 2 * GROUPS_PER_SIDE] {
        let mut groups = self.first.groups().into_iter().chain(self.second.groups());
        core::array::from_fn(|_| groups.next().unwrap_or_default())
    }

    /// What a QR code of two accounts carries: a label and both hashes, in the order of the digits.
    pub fn scannable(&self) -> Vec<u8> {
        [LABEL, &self.first.hash, &self.second.hash].concat()
    }
}

impl fmt::Display for KeyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.groups().join(" "))
    }
}

/// A key code that was read from somebody's QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanned {
    /// Of one account.
    One([u8; 32]),
    /// Of two accounts.
    Two([[u8; 32]; 2]),
}

/// What a scanned key code means to two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// It is theirs, or that of both.
    Same,
    /// Our side is in it, with another key of theirs.
    TheirsDiffers,
    /// Their side is in it, with another key of ours: that is the key they see for us.
    OursDiffers,
    /// It is our own code.
    Own,
    /// Neither side is in it: other people's, or both keys differ.
    Neither,
}

impl Scanned {
    /// Reads what a QR code carried; `None` when that is no key code.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let hashes = bytes.strip_prefix(LABEL)?;
        match hashes.as_chunks::<32>() {
            ([one], []) => Some(Self::One(*one)),
            ([first, second], []) => Some(Self::Two([*first, *second])),
            _ => None,
        }
    }

    /// Compares it with our side and with what is known of theirs.
    pub fn compare(&self, ours: &Side, theirs: &Side) -> Comparison {
        let hashes = match self {
            Self::One(hash) => core::slice::from_ref(hash),
            Self::Two(hashes) => hashes.as_slice(),
        };
        let holds = |side: &Side| hashes.contains(&side.hash);
        match (self, holds(ours), holds(theirs)) {
            (Self::One(_), _, true) | (Self::Two(_), true, true) => Comparison::Same,
            (Self::One(_), true, false) => Comparison::Own,
            (Self::Two(_), true, false) => Comparison::TheirsDiffers,
            (Self::Two(_), false, true) => Comparison::OursDiffers,
            (_, false, false) => Comparison::Neither,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::keys::AccountKey;
    use crate::vault_header::AccountSeed;

    fn side(seed: u8) -> Side {
        let key = AccountKey::from_seed(&AccountSeed::new([seed; 32]));
        let public = key.public();
        Side::derive(public, &AccountId::derive(public.as_bytes()))
    }

    #[test]
    fn what_is_shown_is_what_is_read() {
        let (alice, bob, other) = (side(1), side(2), side(3));
        let seen_by = |ours: &Side, theirs: &Side, shown: &[u8]| {
            Scanned::parse(shown).unwrap().compare(ours, theirs)
        };
        let both = KeyCode::new(bob, alice).scannable();
        assert_eq!(seen_by(&alice, &bob, &both), Comparison::Same);
        assert_eq!(seen_by(&bob, &alice, &both), Comparison::Same);
        assert_eq!(seen_by(&alice, &bob, &bob.scannable()), Comparison::Same);
        assert_eq!(seen_by(&alice, &bob, &alice.scannable()), Comparison::Own);
        assert_eq!(
            seen_by(&alice, &bob, &other.scannable()),
            Comparison::Neither
        );
        let theirs = KeyCode::new(alice, other).scannable();
        assert_eq!(seen_by(&alice, &bob, &theirs), Comparison::TheirsDiffers);
        let ours = KeyCode::new(other, bob).scannable();
        assert_eq!(seen_by(&alice, &bob, &ours), Comparison::OursDiffers);
    }

    #[test]
    fn anything_else_is_no_key_code() {
        let code = side(1).scannable();
        for length in 0..code.len() {
            assert_eq!(Scanned::parse(&code[..length]), None);
        }
        assert_eq!(Scanned::parse(&[code.as_slice(), &[0]].concat()), None);
        assert_eq!(Scanned::parse(&[code.as_slice(), &[0; 64]].concat()), None);
    }
}
