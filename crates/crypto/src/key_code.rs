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

    /// What a QR code carries: a label and both full hashes, in the order of the digits.
    pub fn scannable(&self) -> Vec<u8> {
        let mut bytes = b"waxwing/key-code/v1".to_vec();
        bytes.extend_from_slice(&self.first.hash);
        bytes.extend_from_slice(&self.second.hash);
        bytes
    }
}

impl fmt::Display for KeyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.groups().join(" "))
    }
}
