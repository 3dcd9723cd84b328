//! Prekeys and retry statements.

use waxwing_crypto::card::{Terms, sign_successor};
use waxwing_crypto::prekey::{OwnPrekey, generate};
use waxwing_crypto::retry::sign_retry;
use waxwing_tests::people::{DAY, NOW, Person, header, terms};
use waxwing_wire::cose_key::Suite;
use waxwing_wire::prekey::{PREKEY_LABEL, Prekey, PrekeyError, PrekeyKind};
use waxwing_wire::retry::{Retry, RetryBody, RetryError, RetryReason};

use crate::forge;

#[test]
fn a_prekey_signed_by_another_is_refused() {
    let (bob, stranger) = (Person::new(), Person::new());
    let record = bob.prekey(Suite::S2).1;
    let seed = stranger.device.to_seed();
    let forged = forge::sign1(seed.expose(), PREKEY_LABEL, record.body().encode());
    let forged = Prekey::decode(&forged.encode()).unwrap();
    assert_eq!(
        forged.verify(&bob.card, NOW).unwrap_err(),
        PrekeyError::Signature
    );
}

#[test]
fn a_prekey_of_another_device_or_account_is_refused() {
    let (bob, stranger) = (Person::new(), Person::new());
    let terms = stranger.prekey_terms(Suite::S1, PrekeyKind::OneTime);
    let (_, record) = generate(&stranger.device, &terms, &mut rand::rng()).unwrap();
    assert_eq!(
        record.verify(&bob.card, NOW).unwrap_err(),
        PrekeyError::WrongDevice
    );
}

#[test]
fn an_expired_prekey_is_refused() {
    let bob = Person::new();
    let terms = bob.prekey_terms(Suite::S1, PrekeyKind::Signed);
    let (_, record) = generate(&bob.device, &terms, &mut rand::rng()).unwrap();
    assert!(record.clone().verify(&bob.card, NOW + 37 * DAY - 1).is_ok());
    assert_eq!(
        record.verify(&bob.card, NOW + 37 * DAY).unwrap_err(),
        PrekeyError::Expired
    );
}

#[test]
fn a_prekey_weaker_than_the_card_allows_is_refused() {
    let bob = Person::new();
    let strong = Terms {
        min_suite: Suite::S2,
        ..terms(NOW)
    };
    let card = sign_successor(&bob.account, &bob.card, vec![bob.entry()], strong).unwrap();
    let make = |suite| {
        let terms = bob.prekey_terms(suite, PrekeyKind::OneTime);
        generate(&bob.device, &terms, &mut rand::rng()).unwrap().1
    };
    assert_eq!(
        make(Suite::S1).verify(&card, NOW).unwrap_err(),
        PrekeyError::WeakerSuite
    );
    let verified = make(Suite::S2).verify(&card, NOW).unwrap();
    assert!(!verified.card_is_current(), "made under the card before");
}

#[test]
fn a_prekey_keeps_its_suite_and_kind_in_the_vault() {
    let bob = Person::new();
    for suite in [Suite::S1, Suite::S2] {
        let (own, prekey) = bob.prekey(suite);
        let again = OwnPrekey::from_exposed(&own.expose()).unwrap();
        assert_eq!(again.kid(), prekey.kid());
        assert_eq!(again.suite(), suite);
        assert_eq!(again.kind(), PrekeyKind::OneTime);
        assert_eq!(again.record_hash(), prekey.hash());
    }
}

#[test]
fn only_the_mailboxes_own_device_can_ask_for_a_retry() {
    let (bob, stranger) = (Person::new(), Person::new());
    let body = RetryBody {
        env_id: header().env_id,
        to: bob.mailbox,
        reason: RetryReason::UnknownPrekey,
        at: NOW,
    };
    let genuine = Retry::decode(&sign_retry(&bob.device, &body)).unwrap();
    let verified = genuine.clone().verify(&bob.card).unwrap();
    assert_eq!(verified.body(), &body);
    assert_eq!(verified.device_id(), bob.device_id);
    assert_eq!(
        genuine.verify(&stranger.card).unwrap_err(),
        RetryError::WrongDevice
    );
    let forged = Retry::decode(&sign_retry(&stranger.device, &body)).unwrap();
    assert_eq!(forged.verify(&bob.card).unwrap_err(), RetryError::Signature);
}
