//! The directory is not trusted: what a card that the relay shows means for a contact.
//!
//! A card is judged against the pin (docs/protocol.md section 2, "Rules for a client"); an accepted
//! one replaces the pin, an older, forked or weaker one is refused and kept as evidence, and an
//! identity reset holds sending until the person decides. A revoked key has no word any more: nothing
//! that it signs replaces the pin, and sending is held until another card is accepted.

use crate::view::ComparedState;
use waxwing_vault::rows::{Contact, Evidence, EvidenceKind, FormerCard};
use waxwing_wire::card::{Card, DeviceEntry, VerifiedCard};
use waxwing_wire::ids::AccountId;
use waxwing_wire::pin::{self, Change, Pin, Verdict};
use waxwing_wire::revocation::{Revocation, VerifiedRevocation};

/// What became of a card that the relay showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The pinned card itself.
    Same,
    /// It replaced the pin.
    Taken,
    /// Another key without the old one's word: the pin stays, sending is held.
    Held,
    /// It was refused; the pin stays.
    Refused,
}

/// The pinned card of a contact. Its signature was proven when it was pinned; proving that it is
/// signed by its own key again guards against a mixed-up row.
pub(crate) fn pinned(contact: &Contact) -> Option<VerifiedCard> {
    proven(&contact.card)
}

/// A card that its own key signed.
pub(crate) fn proven(card: &[u8]) -> Option<VerifiedCard> {
    Card::decode(card).ok()?.verify_self().ok()
}

/// Pins the first card of somebody. None when it is not a valid card of that account.
pub(crate) fn first(
    account: &AccountId,
    card: &[u8],
    name: &str,
    address: &str,
    now: u64,
) -> Option<Contact> {
    let Verdict::Accepted { card, change } =
        pin::judge_first(account, Card::decode(card).ok()?, now)
    else {
        return None;
    };
    let mut contact = Contact {
        account: *account,
        petname: name.to_owned(),
        address: address.to_owned(),
        card: Vec::new(),
        card_digest: card.hash(),
        card_version: card.body().version,
        min_suite: suite_number(&card),
        evidence: Vec::new(),
        compared_at: None,
        held: false,
        stranger: false,
        added_at: now,
        spares: Vec::new(),
        former: None,
        knows_own: 0,
        looked_at: now,
    };
    take(&mut contact, &card, now);
    let seen = if change == Change::FirstSeen {
        EvidenceKind::FirstSeen
    } else {
        EvidenceKind::FirstSeenRotated
    };
    note(&mut contact, seen, now, None);
    Some(contact)
}

/// Judges a card that the relay shows for a contact, and keeps what it means.
pub(crate) fn judge(contact: &mut Contact, shown: &[u8], now: u64) -> Outcome {
    contact.looked_at = now;
    if contact.card == shown {
        return Outcome::Same;
    }
    let (Some(known), Ok(card)) = (pinned(contact), Card::decode(shown)) else {
        return Outcome::Refused;
    };
    match Pin::of(&known).judge(card, now) {
        Verdict::Accepted {
            change: Change::Same,
            ..
        } => Outcome::Same,
        Verdict::Accepted { .. } if is_revoked(contact) => Outcome::Refused,
        Verdict::Accepted { card, change } => {
            take(contact, &card, now);
            if change == Change::Rotated {
                contact.compared_at = None;
                note(contact, EvidenceKind::RotatedWithProof, now, None);
            } else {
                note(contact, EvidenceKind::CardUpdated, now, None);
            }
            Outcome::Taken
        }
        Verdict::IdentityReset { card } => {
            contact.held = true;
            note(
                contact,
                EvidenceKind::ResetWithoutProof,
                now,
                Some(card.as_bytes()),
            );
            Outcome::Held
        }
        Verdict::Rollback { .. } => {
            note(contact, EvidenceKind::Rollback, now, Some(shown));
            Outcome::Refused
        }
        Verdict::Fork { .. } => {
            note(contact, EvidenceKind::Fork, now, Some(shown));
            Outcome::Refused
        }
        Verdict::WeakerSuite { .. } => {
            note(contact, EvidenceKind::WeakerSuite, now, Some(shown));
            Outcome::Refused
        }
        Verdict::Expired | Verdict::WrongAccount | Verdict::Invalid => Outcome::Refused,
    }
}

/// Follows a contact's key through the rotations between the pinned card and the shown one, and judges
/// that one. When there are none, or they do not lead to it, it is judged by itself.
pub(crate) fn follow(
    contact: &mut Contact,
    rotations: &[Vec<u8>],
    shown: &[u8],
    now: u64,
) -> Outcome {
    if rotations.is_empty() {
        return judge(contact, shown, now);
    }
    let mut followed = contact.clone();
    for rotation in rotations.iter().filter(|card| card[..] != *shown) {
        step(&mut followed, rotation, now);
    }
    match judge(&mut followed, shown, now) {
        Outcome::Same | Outcome::Taken => {
            *contact = followed;
            Outcome::Taken
        }
        Outcome::Held | Outcome::Refused => judge(contact, shown, now),
    }
}

/// Takes a rotation of the pinned key. Its time may be over: it was in force when it was made, and nothing
/// is sealed to it.
fn step(contact: &mut Contact, rotation: &[u8], now: u64) {
    let (Some(known), Ok(card)) = (pinned(contact), Card::decode(rotation)) else {
        return;
    };
    let issued_at = card.body().issued_at;
    if let Verdict::Accepted {
        card,
        change: Change::Rotated,
    } = Pin::of(&known).judge(card, issued_at)
        && !is_revoked(contact)
    {
        take(contact, &card, now);
        contact.compared_at = None;
        note(contact, EvidenceKind::RotatedWithProof, now, None);
    }
}

/// Keeps that a contact's key revoked itself, and holds sending. False when the statement is not of the
/// pinned key, or was kept before.
pub(crate) fn learn_revocation(contact: &mut Contact, statement: &[u8], now: u64) -> bool {
    let is_of_pin = pinned(contact)
        .zip(revocation(statement))
        .is_some_and(|(card, revocation)| revocation.is_of(card.body()));
    if !is_of_pin || is_revoked(contact) {
        return false;
    }
    contact.held = true;
    contact.compared_at = None;
    note(contact, EvidenceKind::Revoked, now, Some(statement));
    true
}

/// Whether the pinned key revoked itself.
pub(crate) fn is_revoked(contact: &Contact) -> bool {
    let Some(card) = pinned(contact) else {
        return false;
    };
    let mut statements = contact
        .evidence
        .iter()
        .filter(|evidence| evidence.kind == EvidenceKind::Revoked)
        .filter_map(|evidence| revocation(evidence.card.as_deref()?));
    statements.any(|revocation| revocation.is_of(card.body()))
}

fn revocation(statement: &[u8]) -> Option<VerifiedRevocation> {
    Revocation::decode(statement).ok()?.verify().ok()
}

/// The card before the pinned one, when that one replaced signing keys, and when it was replaced.
pub(crate) fn former(contact: &Contact) -> Option<(VerifiedCard, u64)> {
    let former = contact.former.as_ref()?;
    Some((proven(&former.card)?, former.replaced_at))
}

/// A card that reset the identity, and that the person has not decided about.
pub(crate) fn undecided(contact: &Contact) -> Option<&Evidence> {
    let since = contact.evidence.iter().rev();
    since
        .take_while(|evidence| evidence.kind != EvidenceKind::Accepted)
        .find(|evidence| evidence.kind == EvidenceKind::ResetWithoutProof)
}

/// The card that reset the identity, while the person has not decided about it.
pub(crate) fn offered(contact: &Contact) -> Option<VerifiedCard> {
    let card = proven(undecided(contact)?.card.as_deref()?)?;
    (card.body().account_id == contact.account).then_some(card)
}

/// The card whose key the person compares: the one to decide about, else the pinned one.
pub(crate) fn to_compare(contact: &Contact) -> Option<VerifiedCard> {
    offered(contact).or_else(|| pinned(contact))
}

/// The person decided to trust the card that reset the identity.
pub(crate) fn accept(contact: &mut Contact, now: u64) -> bool {
    let Some(card) = offered(contact) else {
        return false;
    };
    take(contact, &card, now);
    // The keys before may have been in other hands for long: nothing more of them is believed.
    if let Some(former) = &mut contact.former {
        former.replaced_at = 0;
    }
    contact.held = false;
    contact.compared_at = None;
    note(contact, EvidenceKind::Accepted, now, None);
    true
}

/// Notes something about a contact's key; the same thing about the same card is noted once.
pub(crate) fn note(contact: &mut Contact, kind: EvidenceKind, at: u64, card: Option<&[u8]>) {
    let card_digest = card.map_or(contact.card_digest, waxwing_wire::ids::Digest::of);
    let repeats = matches!(
        kind,
        EvidenceKind::Rollback
            | EvidenceKind::Fork
            | EvidenceKind::WeakerSuite
            | EvidenceKind::ResetWithoutProof
            | EvidenceKind::Revoked
    ) && contact
        .evidence
        .iter()
        .any(|known| known.kind == kind && known.card_digest == card_digest);
    if !repeats {
        contact.evidence.push(Evidence {
            at,
            kind,
            card_digest,
            card: card.map(<[u8]>::to_vec),
        });
    }
}

/// What the person is told of a contact's key.
pub(crate) fn compared(contact: &Contact) -> ComparedState {
    if contact.held {
        return match undecided(contact) {
            Some(_) => ComparedState::ChangedUnexplained,
            None if is_revoked(contact) => ComparedState::Revoked,
            None => ComparedState::Differs,
        };
    }
    if contact.compared_at.is_some() {
        return ComparedState::Compared;
    }
    let change = contact
        .evidence
        .iter()
        .rev()
        .find_map(|evidence| match evidence.kind {
            EvidenceKind::RotatedWithProof => Some(ComparedState::ChangedSigned),
            EvidenceKind::Accepted | EvidenceKind::FirstSeen | EvidenceKind::FirstSeenRotated => {
                Some(ComparedState::NotCompared)
            }
            _ => None,
        });
    change.unwrap_or(ComparedState::NotCompared)
}

/// Pins a card. What was fetched while the one before it was pinned still opens under that one, when
/// this one has another signing key for a device.
pub(crate) fn take(contact: &mut Contact, card: &VerifiedCard, now: u64) {
    let before = pinned(contact);
    let is_replaced = |device: &DeviceEntry| {
        let was = before.as_ref()?.body().device(&device.device_id)?;
        (was.signing != device.signing).then_some(())
    };
    if card
        .body()
        .devices
        .iter()
        .any(|device| is_replaced(device).is_some())
    {
        contact.former = Some(FormerCard {
            card: std::mem::take(&mut contact.card),
            replaced_at: now,
        });
    }
    contact.card = card.as_bytes().to_vec();
    contact.card_digest = card.hash();
    contact.card_version = card.body().version;
    contact.min_suite = contact.min_suite.max(suite_number(card));
    // Prekeys of devices that the new card does not list, or lists with another key, are of no use any
    // more.
    contact.spares.retain(|spare| {
        let device = card.body().device(&spare.device);
        device.is_some_and(|device| is_replaced(device).is_none())
    });
}

fn suite_number(card: &VerifiedCard) -> i64 {
    i64::try_from(card.body().min_suite.number()).unwrap_or(i64::MAX)
}
