//! Cards: rows "latest card wins", "key change shown as a grey line".

use waxwing_crypto::card::{Terms, sign_genesis, sign_rotation, sign_successor};
use waxwing_crypto::key_code::{KeyCode, Side};
use waxwing_crypto::keys::AccountKey;
use waxwing_tests::people::{DAY, NOW, Person, terms};
use waxwing_wire::card::{CARD_LABEL, Card, CardBody, CardError, CardProof, VerifiedCard};
use waxwing_wire::cose::Sign2;
use waxwing_wire::cose_key::Suite;
use waxwing_wire::ids::AccountId;
use waxwing_wire::pin::{Change, Pin, Verdict, judge_first};

use crate::forge;

fn next(person: &Person, after: &VerifiedCard, issued_at: u64) -> VerifiedCard {
    sign_successor(
        &person.account,
        after,
        vec![person.entry()],
        terms(issued_at),
    )
    .unwrap()
}

fn judged(pin: &Pin, card: &VerifiedCard) -> Verdict {
    pin.judge(card.card().clone(), NOW)
}

/// A card signed by `key` alone that claims to follow `before`.
fn reset(key: &AccountKey, before: &VerifiedCard, person: &Person) -> Card {
    let mut body = before.body().clone();
    body.version += 1;
    body.prev = Some(before.hash());
    body.identity = key.public().clone();
    body.devices = vec![person.entry()];
    let signed = forge::sign1(key.to_seed().expose(), CARD_LABEL, body.encode());
    Card::decode(&signed.encode()).unwrap()
}

#[test]
fn an_older_card_is_a_rollback() {
    let alice = Person::new();
    let second = next(&alice, &alice.card, NOW);
    let third = next(&alice, &second, NOW);
    let pin = Pin::of(&third);
    assert!(matches!(
        judged(&pin, &alice.card),
        Verdict::Rollback {
            pinned: 3,
            shown: 1
        }
    ));
    assert!(matches!(
        judged(&Pin::of(&alice.card), &third),
        Verdict::Accepted {
            change: Change::Newer,
            ..
        }
    ));
    assert!(matches!(
        judged(&pin, &third),
        Verdict::Accepted {
            change: Change::Same,
            ..
        }
    ));
}

#[test]
fn two_cards_of_one_version_are_a_fork_and_evidence() {
    let alice = Person::new();
    let one = next(&alice, &alice.card, NOW);
    let other = next(&alice, &alice.card, NOW - 1);
    let verdict = judged(&Pin::of(&one), &other);
    let expected = Verdict::Fork {
        pinned: one.hash(),
        shown: other.hash(),
    };
    assert_eq!(verdict, expected);
    // A successor of the other branch shows the fork as well.
    let after_other = next(&alice, &other, NOW);
    assert!(matches!(
        judged(&Pin::of(&one), &after_other),
        Verdict::Fork { .. }
    ));
}

#[test]
fn a_changed_identity_key_stops_sending() {
    let (alice, stranger) = (Person::new(), Person::new());
    let pin = Pin::of(&alice.card);
    let forged = reset(&stranger.account, &alice.card, &stranger);
    assert!(matches!(
        pin.judge(forged.clone(), NOW),
        Verdict::IdentityReset { .. }
    ));
    // The relay refuses it outright.
    assert_eq!(
        forged.verify_successor(&alice.card, NOW).unwrap_err(),
        CardError::IdentityReset
    );
}

#[test]
fn a_reset_with_an_old_version_is_still_only_a_reset() {
    // Somebody's own key must not be able to raise the alarms that name Alice's key a culprit.
    let (alice, stranger) = (Person::new(), Person::new());
    let second = next(&alice, &alice.card, NOW);
    let third = next(&alice, &second, NOW);
    let forged = reset(&stranger.account, &alice.card, &stranger);
    assert!(matches!(
        Pin::of(&third).judge(forged, NOW),
        Verdict::IdentityReset { .. }
    ));
}

#[test]
fn a_rotation_needs_both_signatures() {
    let alice = Person::new();
    let new = AccountKey::generate(&mut rand::rng());
    let rotated = sign_rotation(
        &alice.account,
        &new,
        &alice.card,
        vec![alice.entry()],
        terms(NOW),
    )
    .unwrap();
    assert_eq!(rotated.proof(), CardProof::Rotation);
    assert_eq!(rotated.body().account_id, alice.card.body().account_id);
    assert!(matches!(
        judged(&Pin::of(&alice.card), &rotated),
        Verdict::Accepted {
            change: Change::Rotated,
            ..
        }
    ));
    // The thief of nothing signs for the old key with a key of her own.
    let thief = AccountKey::generate(&mut rand::rng());
    let payload = rotated.body().encode();
    let sign = |key: &AccountKey| {
        use ed25519_dalek::Signer as _;
        let secret = ed25519_dalek::SigningKey::from_bytes(key.to_seed().expose());
        secret
            .sign(&Sign2::signed_bytes(CARD_LABEL, &payload))
            .to_bytes()
    };
    let forged = Sign2 {
        old: sign(&thief),
        new: sign(&new),
        payload: payload.clone(),
    };
    let forged = Card::decode(&forged.encode()).unwrap();
    assert!(matches!(
        Pin::of(&alice.card).judge(forged, NOW),
        Verdict::IdentityReset { .. }
    ));
    // The two signatures the wrong way round are none.
    let swapped = Sign2 {
        old: sign(&new),
        new: sign(&alice.account),
        payload,
    };
    let swapped = Card::decode(&swapped.encode()).unwrap();
    assert_eq!(Pin::of(&alice.card).judge(swapped, NOW), Verdict::Invalid);
}

#[test]
fn a_rotation_changes_the_key_code_and_a_new_device_does_not() {
    let (alice, bob) = (Person::new(), Person::new());
    let side = |card: &VerifiedCard| Side::derive(&card.body().identity, &card.body().account_id);
    let code = KeyCode::new(side(&alice.card), side(&bob.card));
    assert_eq!(code, KeyCode::new(side(&bob.card), side(&alice.card)));
    assert_eq!(code.groups().len(), 12);
    assert!(code.groups().iter().all(|group| group.len() == 5));
    let second = next(&alice, &alice.card, NOW);
    assert_eq!(side(&second), side(&alice.card));
    let new = AccountKey::generate(&mut rand::rng());
    let rotated = sign_rotation(
        &alice.account,
        &new,
        &alice.card,
        vec![alice.entry()],
        terms(NOW),
    )
    .unwrap();
    assert_ne!(side(&rotated), side(&alice.card));
}

#[test]
fn an_account_id_cannot_be_claimed_by_another_key() {
    let (alice, stranger) = (Person::new(), Person::new());
    let claim = |version| CardBody {
        account_id: alice.own().account_id,
        version,
        prev: None,
        identity: stranger.account.public().clone(),
        devices: vec![stranger.entry()],
        issued_at: NOW,
        expires_at: NOW + DAY,
        min_suite: Suite::S1,
    };
    let seed = stranger.account.to_seed();
    let signed = forge::sign1(seed.expose(), CARD_LABEL, claim(1).encode());
    let card = Card::decode(&signed.encode()).unwrap();
    assert_eq!(
        card.clone().verify_genesis(NOW).unwrap_err(),
        CardError::Genesis
    );
    assert!(matches!(
        judge_first(&alice.own().account_id, card, NOW),
        Verdict::Accepted {
            change: Change::FirstSeenUnanchored,
            ..
        }
    ));
    let other = AccountId::new([9; 32]);
    assert_eq!(
        judge_first(&other, alice.card.card().clone(), NOW),
        Verdict::WrongAccount
    );
}

#[test]
fn an_expired_card_and_one_from_the_future_are_refused() {
    let alice = Person::new();
    let pin = Pin::of(&alice.card);
    let expired = alice.card.body().expires_at;
    assert_eq!(
        pin.judge(alice.card.card().clone(), expired),
        Verdict::Expired
    );
    let future = next(&alice, &alice.card, NOW + DAY);
    assert_eq!(pin.judge(future.card().clone(), NOW), Verdict::Expired);
}

#[test]
fn a_card_lives_at_most_ninety_days() {
    let alice = Person::new();
    let long = Terms {
        issued_at: NOW,
        expires_at: NOW + 90 * DAY + 1,
        min_suite: Suite::S1,
    };
    assert!(sign_genesis(&alice.account, vec![alice.entry()], long).is_err());
    let longest = Terms {
        expires_at: NOW + 90 * DAY,
        ..long
    };
    assert!(sign_genesis(&alice.account, vec![alice.entry()], longest).is_ok());
}

#[test]
fn the_minimum_suite_never_falls() {
    let alice = Person::new();
    let strong = Terms {
        min_suite: Suite::S2,
        ..terms(NOW)
    };
    let strong = sign_successor(&alice.account, &alice.card, vec![alice.entry()], strong).unwrap();
    let mut body = strong.body().clone();
    body.version += 1;
    body.prev = Some(strong.hash());
    body.min_suite = Suite::S1;
    let seed = alice.account.to_seed();
    let weak = forge::sign1(seed.expose(), CARD_LABEL, body.encode());
    let weak = Card::decode(&weak.encode()).unwrap();
    assert_eq!(
        Pin::of(&strong).judge(weak.clone(), NOW),
        Verdict::WeakerSuite {
            pinned: Suite::S2,
            shown: Suite::S1
        }
    );
    assert_eq!(
        weak.verify_successor(&strong, NOW).unwrap_err(),
        CardError::WeakerSuite
    );
}

#[test]
fn an_altered_card_is_invalid() {
    let alice = Person::new();
    let second = next(&alice, &alice.card, NOW);
    let bytes = second.as_bytes();
    let pin = Pin::of(&alice.card);
    for at in 0..bytes.len() {
        let mut altered = bytes.to_vec();
        altered[at] ^= 1;
        if let Ok(card) = Card::decode(&altered) {
            assert!(
                !matches!(pin.judge(card, NOW), Verdict::Accepted { .. }),
                "byte {at}"
            );
        }
    }
}
