//! Pins: what a client remembers of a contact's card, and what a newly shown card means to it.
//!
//! The directory is not trusted. A pin holds the highest version seen with its hash, identity key
//! and minimum suite; [`Pin::judge`] turns the next card into exactly one [`Verdict`], and only
//! [`Verdict::Accepted`] lets a message be sealed to it. Carries out docs/protocol.md section 2,
//! "Rules for a client".

use crate::card::{Card, CardError, CardProof, VerifiedCard};
use crate::cose_key::{IdentityPublic, Suite};
use crate::ids::{AccountId, Digest};

/// What is remembered of an account's card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The account.
    pub account_id: AccountId,
    /// Highest version seen.
    pub version: u64,
    /// Hash of that card.
    pub hash: Digest,
    /// Its identity key.
    pub identity: IdentityPublic,
    /// Its minimum suite: never lowered afterwards.
    pub min_suite: Suite,
}

/// What a card means to who has a pin, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Take it: replace the pin by [`Pin::of`] it.
    Accepted {
        /// The proven card.
        card: Box<VerifiedCard>,
        /// What changed.
        change: Change,
    },
    /// Another identity key without the old key's signature. Sending stops until the person has
    /// compared key codes again; only then may it be taken with [`Card::verify_self`].
    IdentityReset {
        /// The card, signed by its own key.
        card: Box<VerifiedCard>,
    },
    /// An older version than pinned: someone replays an old card, perhaps with a stolen device on
    /// it.
    Rollback {
        /// The pinned version.
        pinned: u64,
        /// The version that was shown.
        shown: u64,
    },
    /// The pinned version with other content: the account's key signed two cards, or the directory
    /// shows different people different things. Both cards are evidence.
    Fork {
        /// Hash of the pinned card.
        pinned: Digest,
        /// Hash of the shown card.
        shown: Digest,
    },
    /// It would allow a weaker suite than before.
    WeakerSuite {
        /// The pinned minimum.
        pinned: Suite,
        /// The shown minimum.
        shown: Suite,
    },
    /// Its time is over, or has not come.
    Expired,
    /// It belongs to another account.
    WrongAccount,
    /// Its signature does not hold.
    Invalid,
}

/// What an accepted card changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The first card seen of this account, and the account id vouches for its key.
    FirstSeen,
    /// The first card seen of this account, after a key rotation that was not witnessed: the
    /// account id does not vouch for its key. Treat the contact as not verified.
    FirstSeenUnanchored,
    /// The pinned card itself.
    Same,
    /// A newer card under the same identity key.
    Newer,
    /// A newer card under a new identity key, signed by the old one too: the key code changed.
    Rotated,
}

impl Pin {
    /// The pin of a card.
    pub fn of(card: &VerifiedCard) -> Self {
        let body = card.body();
        Self {
            account_id: body.account_id,
            version: body.version,
            hash: card.hash(),
            identity: body.identity.clone(),
            min_suite: body.min_suite,
        }
    }

    /// Judges a card that the directory shows for a pinned account. `now`: Unix seconds.
    /// Signatures come first, so that unsigned noise can never raise an alarm.
    pub fn judge(&self, card: Card, now: u64) -> Verdict {
        if card.body().account_id != self.account_id {
            return Verdict::WrongAccount;
        }
        let proof = match card.verify_chain(&self.identity) {
            Ok(proof) => proof,
            Err(CardError::IdentityReset) => {
                let anchored = card.body().is_anchored();
                return Verdict::IdentityReset {
                    card: Box::new(card.proven(CardProof::SelfSigned { anchored })),
                };
            }
            Err(_) => return Verdict::Invalid,
        };
        let hash = card.hash();
        let version = card.body().version;
        if version < self.version {
            return Verdict::Rollback {
                pinned: self.version,
                shown: version,
            };
        }
        if version == self.version && hash != self.hash {
            return Verdict::Fork {
                pinned: self.hash,
                shown: hash,
            };
        }
        // One version on, the chain of hashes is checkable as well.
        if Some(version) == self.version.checked_add(1) && card.body().prev != Some(self.hash) {
            return Verdict::Fork {
                pinned: self.hash,
                shown: card.body().prev.unwrap_or(hash),
            };
        }
        if card.body().min_suite < self.min_suite {
            return Verdict::WeakerSuite {
                pinned: self.min_suite,
                shown: card.body().min_suite,
            };
        }
        if card.body().check_time(now).is_err() {
            return Verdict::Expired;
        }
        let change = if hash == self.hash {
            Change::Same
        } else if proof == CardProof::Rotation {
            Change::Rotated
        } else {
            Change::Newer
        };
        Verdict::Accepted {
            card: Box::new(card.proven(proof)),
            change,
        }
    }
}

/// Judges the first card ever seen of `account_id`. `now`: Unix seconds.
pub fn judge_first(account_id: &AccountId, card: Card, now: u64) -> Verdict {
    if card.body().account_id != *account_id {
        return Verdict::WrongAccount;
    }
    if card.body().check_time(now).is_err() {
        return Verdict::Expired;
    }
    match card.verify_self() {
        Ok(card) => {
            let change = if card.body().is_anchored() {
                Change::FirstSeen
            } else {
                Change::FirstSeenUnanchored
            };
            Verdict::Accepted {
                card: Box::new(card),
                change,
            }
        }
        Err(_) => Verdict::Invalid,
    }
}
