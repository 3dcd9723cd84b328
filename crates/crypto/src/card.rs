//! Making cards: the first one, the next one, and those that replace the identity key, with or
//! without the old one's word.
//!
//! Every function checks its own result with the verify-only code of `waxwing-wire` before it hands
//! it out, so a card that others would refuse is never published. Carries out docs/protocol.md
//! section 2.

use waxwing_wire::card::{Card, CardBody, CardError, DeviceEntry, VerifiedCard};
use waxwing_wire::cose::{Sign1, Sign2};
use waxwing_wire::cose_key::Suite;

use crate::keys::AccountKey;

/// When a card is made, how long it holds, and the weakest suite it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Unix seconds.
    pub issued_at: u64,
    /// Unix seconds, at most 90 days later.
    pub expires_at: u64,
    /// Never lower than in the card before.
    pub min_suite: Suite,
}

/// Signs an account's first card (version 1).
///
/// # Errors
/// [`CardError`] when terms or devices are not allowed.
pub fn sign_genesis(
    key: &AccountKey,
    devices: Vec<DeviceEntry>,
    terms: Terms,
) -> Result<VerifiedCard, CardError> {
    let body = CardBody {
        account_id: key.genesis_account_id(),
        version: 1,
        prev: None,
        identity: key.public().clone(),
        devices,
        issued_at: terms.issued_at,
        expires_at: terms.expires_at,
        min_suite: terms.min_suite,
    };
    Card::decode(&signed(key, &body))?.verify_genesis(terms.issued_at)
}

/// Signs the card after `previous` under the same identity key: other devices, or a longer life.
///
/// # Errors
/// [`CardError`] when terms or devices are not allowed, or `key` is not the previous card's.
pub fn sign_successor(
    key: &AccountKey,
    previous: &VerifiedCard,
    devices: Vec<DeviceEntry>,
    terms: Terms,
) -> Result<VerifiedCard, CardError> {
    let body = following(previous, key, devices, terms)?;
    Card::decode(&signed(key, &body))?.verify_successor(previous, terms.issued_at)
}

/// Signs the card after `previous` that replaces the identity key, with both keys.
///
/// # Errors
/// [`CardError`] when terms or devices are not allowed, or `old` is not the previous card's key.
pub fn sign_rotation(
    old: &AccountKey,
    new: &AccountKey,
    previous: &VerifiedCard,
    devices: Vec<DeviceEntry>,
    terms: Terms,
) -> Result<VerifiedCard, CardError> {
    let payload = following(previous, new, devices, terms)?.encode();
    let card = Sign2 {
        old: old.sign_rotation(&payload),
        new: new.sign_rotation(&payload),
        payload,
    };
    Card::decode(&card.encode())?.verify_successor(previous, terms.issued_at)
}

/// Signs the card after `previous` that replaces the identity key without a word of the old one, for
/// an account whose key is in other hands. Contacts see an unexplained change and compare again.
///
/// # Errors
/// [`CardError`] when terms or devices are not allowed, or `new` is the previous card's key.
pub fn sign_reset(
    new: &AccountKey,
    previous: &VerifiedCard,
    devices: Vec<DeviceEntry>,
    terms: Terms,
) -> Result<VerifiedCard, CardError> {
    let body = following(previous, new, devices, terms)?;
    Card::decode(&signed(new, &body))?.verify_reset(previous, terms.issued_at)
}

fn following(
    previous: &VerifiedCard,
    key: &AccountKey,
    devices: Vec<DeviceEntry>,
    terms: Terms,
) -> Result<CardBody, CardError> {
    let before = previous.body();
    Ok(CardBody {
        account_id: before.account_id,
        version: before
            .version
            .checked_add(1)
            .ok_or(CardError::NotSuccessor)?,
        prev: Some(previous.hash()),
        identity: key.public().clone(),
        devices,
        issued_at: terms.issued_at,
        expires_at: terms.expires_at,
        min_suite: terms.min_suite,
    })
}

fn signed(key: &AccountKey, body: &CardBody) -> Vec<u8> {
    let payload = body.encode();
    Sign1 {
        signature: key.sign_card(&payload),
        payload,
    }
    .encode()
}
