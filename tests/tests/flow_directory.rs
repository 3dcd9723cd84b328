//! A relay that lies and keys that are lost: what is refused, shown, held and asked for again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use ed25519_dalek::Signer as _;
use waxwing_client::Failure;
use waxwing_client::view::{
    ComparedState, EvidenceKind, Folder, IncomingState, OutgoingState, Reason, RelayShows,
};
use waxwing_crypto::card::{Terms, sign_rotation, sign_successor};
use waxwing_crypto::envelope::Received;
use waxwing_crypto::keys::AccountKey;
use waxwing_relay::store::{Expect, Space};
use waxwing_tests::engine::{Engine, Street};
use waxwing_tests::keys::weaker;
use waxwing_vault::rows::{Contact, OwnCard, Place, PrekeySecret};
use waxwing_wire::card::{Card, CardBody, VerifiedCard, bytes_to_sign};
use waxwing_wire::cose::Sign1;
use waxwing_wire::cose_key::{IdentityPublic, Suite};
use waxwing_wire::ids::AccountId;

const DAY: u64 = 86_400;

/// Bob's key and first card, while his Waxwing is closed.
fn key_and_card(street: &Street) -> (AccountKey, VerifiedCard) {
    street.with_vault("bob", |open| {
        let own: OwnCard = open.store().load(&()).unwrap().unwrap();
        let key = AccountKey::from_seed(&open.keyring().account);
        (key, Card::decode(&own.card).unwrap().verify_self().unwrap())
    })
}

fn terms(after: &VerifiedCard, later: u64) -> Terms {
    Terms {
        issued_at: after.body().issued_at + later,
        expires_at: after.body().issued_at + later + 60 * DAY,
        min_suite: after.body().min_suite,
    }
}

/// The relay shows another card of Bob's; Alice meets it when she writes next.
async fn show(street: &Street, alice: &Engine, bob: &str, card: &Card, seen: EvidenceKind) {
    let account: AccountId = bob.parse().unwrap();
    let bytes = card.as_bytes().to_vec();
    street
        .lie(async |store| {
            let saved = store.save(
                Space::Cards,
                account.as_bytes(),
                Some(bytes.into()),
                Expect::Any,
            );
            saved.await.unwrap();
        })
        .await;
    alice.send(&[bob], &format!("{seen:?}")).await.unwrap();
    alice
        .until(&format!("{seen:?}"), async || {
            let contact = alice.contact(bob.to_owned()).await.unwrap();
            let mut evidence = contact.evidence.iter();
            evidence.any(|evidence| evidence.kind == seen).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_and_forked_cards_are_refused_with_evidence_and_a_reset_holds_sending() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_bob = alice.add("bob").await;
    alice.mark_compared(to_bob.clone(), true).await.unwrap();
    bob.close().await;
    let (key, first) = key_and_card(&street);
    let devices = first.body().devices.clone();
    let second = sign_successor(&key, &first, devices.clone(), terms(&first, 1)).unwrap();
    let forked = sign_successor(&key, &first, devices.clone(), terms(&first, 2)).unwrap();
    let third = sign_successor(&key, &second, devices, terms(&first, 3)).unwrap();
    let thief = ed25519_dalek::SigningKey::from_bytes(&rand::random());
    let identity = IdentityPublic::from_bytes(thief.verifying_key().as_bytes()).unwrap();
    let payload = CardBody {
        identity,
        ..third.body().clone()
    }
    .encode();
    let signature = thief.sign(&bytes_to_sign(&payload)).to_bytes();
    let reset = Card::decode(&Sign1 { payload, signature }.encode()).unwrap();

    show(
        &street,
        &alice,
        &to_bob,
        second.card(),
        EvidenceKind::Renewed,
    )
    .await;
    let code = alice.contact(to_bob.clone()).await.unwrap().key_code;
    show(
        &street,
        &alice,
        &to_bob,
        first.card(),
        EvidenceKind::OlderShown,
    )
    .await;
    show(
        &street,
        &alice,
        &to_bob,
        forked.card(),
        EvidenceKind::OtherShown,
    )
    .await;
    let contact = alice.contact(to_bob.clone()).await.unwrap();
    assert_eq!(
        (contact.compared, contact.held),
        (ComparedState::Compared, false)
    );
    assert_eq!(contact.key_code, code, "the pin stayed");

    show(
        &street,
        &alice,
        &to_bob,
        &reset,
        EvidenceKind::UnexplainedChange,
    )
    .await;
    let contact = alice.contact(to_bob.clone()).await.unwrap();
    assert_eq!(
        (contact.compared, contact.held),
        (ComparedState::ChangedUnexplained, true)
    );
    assert_ne!(
        contact.key_code, code,
        "the key to decide about is compared"
    );
    let held = alice.send(&[&to_bob], "Held").await;
    assert_eq!(
        held,
        Err(Failure::ContactHeld {
            account: to_bob.clone()
        })
    );
    assert_eq!(
        alice.drafts(None, 10).await.unwrap().items[0].subject,
        "Held"
    );

    let accepted = alice.accept_change(to_bob.clone()).await.unwrap();
    assert_eq!(
        (accepted.compared, accepted.held),
        (ComparedState::NotCompared, false)
    );
    assert_eq!(accepted.key_code, contact.key_code);
    let sent = alice.send(&[&to_bob], "Decided").await.unwrap();
    alice
        .until_state(&sent, "it leaves", |state| state == OutgoingState::AtRelay)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_with_a_lower_suite_is_refused_with_evidence() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_bob = alice.add("bob").await;
    bob.close().await;
    let (key, first) = key_and_card(&street);
    assert_eq!(first.body().min_suite, Suite::S2);
    let devices = first.body().devices.clone();
    let second = sign_successor(&key, &first, devices, terms(&first, 1)).unwrap();
    let weaker = weaker(&street, "bob", &second);

    let before = alice.contact(to_bob.clone()).await.unwrap();
    let refused = EvidenceKind::WeakerShown;
    show(&street, &alice, &to_bob, &weaker, refused).await;
    let contact = alice.contact(to_bob.clone()).await.unwrap();
    assert_eq!(contact.evidence.len(), before.evidence.len() + 1);
    assert_eq!(
        (contact.key_code, contact.held),
        (before.key_code, false),
        "the pin stayed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_that_the_old_one_signed_is_said_and_does_not_hold() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_bob = alice.add("bob").await;
    alice.mark_compared(to_bob.clone(), true).await.unwrap();
    bob.close().await;
    let (key, first) = key_and_card(&street);
    let fresh = AccountKey::generate(&mut rand::rng());
    let devices = first.body().devices.clone();
    let rotated = sign_rotation(&key, &fresh, &first, devices, terms(&first, 1)).unwrap();
    show(
        &street,
        &alice,
        &to_bob,
        rotated.card(),
        EvidenceKind::SignedChange,
    )
    .await;
    let contact = alice.contact(to_bob.clone()).await.unwrap();
    assert_eq!(
        (contact.compared, contact.held),
        (ComparedState::ChangedSigned, false)
    );
    alice.send(&[&to_bob], "Goes on").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_change_that_nobody_here_saw_is_said_to_be_one() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let account: AccountId = bob.account().await.parse().unwrap();
    bob.close().await;
    let (key, first) = key_and_card(&street);
    let fresh = AccountKey::generate(&mut rand::rng());
    let devices = first.body().devices.clone();
    let rotated = sign_rotation(&key, &fresh, &first, devices, terms(&first, 1)).unwrap();
    let bytes = rotated.as_bytes().to_vec();
    street
        .lie(async |store| {
            let key = account.as_bytes();
            let saved = store.save(Space::Cards, key, Some(bytes.into()), Expect::Any);
            saved.await.unwrap();
        })
        .await;
    alice.online().await;
    let to_bob = alice.add("bob").await;
    let contact = alice.contact(to_bob).await.unwrap();
    let evidence: Vec<_> = contact.evidence.iter().map(|seen| seen.kind).collect();
    assert_eq!(evidence, [EvidenceKind::FirstChanged]);
    assert_eq!(contact.compared, ComparedState::NotCompared);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_that_differ_hold_sending_until_the_person_decides() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_bob = alice.add("bob").await;
    street.stop_relay().await;
    let waiting = alice.send(&[&to_bob], "Waiting").await.unwrap();
    let differs = alice.mark_compared(to_bob.clone(), false).await.unwrap();
    let states = (differs.compared, differs.held);
    assert_eq!(states, (ComparedState::Differs, true));
    street.start_relay().await;
    alice.online().await;
    let held = alice.send(&[&to_bob], "Held").await;
    let account = to_bob.clone();
    assert_eq!(held, Err(Failure::ContactHeld { account }));
    // Trying again does not decide. Something else passes, so the outbox had its turn.
    let me = alice.account().await;
    for again in [None, Some(waiting.clone())] {
        alice.try_now(again).await.unwrap();
        let passes = alice.send(&[&me], "To myself").await.unwrap();
        alice.until_fetched(&passes).await;
        let state = alice.state(&waiting).await;
        let reason = Reason::RecipientDiffers;
        assert_eq!(state, OutgoingState::NeedsYou { reason });
    }

    let same = alice.mark_compared(to_bob.clone(), true).await.unwrap();
    let states = (same.compared, same.held);
    assert_eq!(states, (ComparedState::Compared, false));
    bob.receive("Waiting").await;
    alice.mark_compared(to_bob.clone(), false).await.unwrap();
    let accepted = alice.accept_change(to_bob.clone()).await.unwrap();
    let states = (accepted.compared, accepted.held);
    assert_eq!(states, (ComparedState::NotCompared, false));
    assert_eq!(accepted.key_code, same.key_code, "the pin stayed");
    alice.send(&[&to_bob], "Decided").await.unwrap();
    bob.receive("Decided").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sealed_to_a_lost_prekey_is_sealed_again_and_delivered_once() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_bob = alice.add("bob").await;
    bob.lock().await;
    let message = alice.send(&[&to_bob], "Lost key").await.unwrap();
    alice.until_fetched(&message).await;
    bob.close().await;
    street.with_vault("bob", |open| {
        let waiting = open.carriage().incoming().unwrap();
        let bytes = open
            .carriage()
            .fetched(waiting[0].place())
            .unwrap()
            .unwrap();
        let kid = Received::decode(&bytes).unwrap().kid();
        let lost = open
            .store()
            .commit(&mut rand::rng(), |tx| tx.delete::<PrekeySecret>(&kid));
        lost.unwrap();
        // And a renewed card: what is sealed again is sealed to it, and is still the same message.
        let own: OwnCard = open.store().load(&()).unwrap().unwrap();
        let first = Card::decode(&own.card).unwrap().verify_self().unwrap();
        let key = AccountKey::from_seed(&open.keyring().account);
        let devices = first.body().devices.clone();
        let second = sign_successor(&key, &first, devices, terms(&first, 1)).unwrap();
        let card = second.as_bytes().to_vec();
        let own = OwnCard {
            card,
            version: 2,
            ..own
        };
        let renewed = open.store().commit(&mut rand::rng(), |tx| tx.put(&own));
        renewed.unwrap();
    });
    let bob = street.open("bob").await;
    bob.unlock().await;
    bob.until("the card is published", async || {
        (bob.me().await.unwrap().relay_shows == RelayShows::Agrees).then_some(())
    })
    .await;
    bob.receive("Lost key").await;
    alice.until_fetched(&message).await;
    // What comes after finds the way as before.
    alice.send(&[&to_bob], "After").await.unwrap();
    let after = bob.receive("After").await;
    assert_eq!((after.missing_before, after.other_before), (0, false));
    assert_eq!(bob.copies("Lost key").await, 1);
    assert_eq!(alice.subjects(Folder::Sent).await, ["Lost key", "After"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_envelope_twice_is_opened_once() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_bob = alice.add("bob").await;
    alice.close().await;
    let (mut alice, mut bob) = (street.open("alice").await, bob);
    for (subject, one_time) in [
        ("To a one-time prekey", true),
        ("To the signed prekey", false),
    ] {
        if !one_time {
            alice.close().await;
            street.with_vault("alice", |open| {
                let account: AccountId = to_bob.parse().unwrap();
                let mut contact: Contact = open.store().load(&account).unwrap().unwrap();
                assert!(contact.spares[0].signed.is_some());
                contact.spares[0].one_time = None;
                contact.spares[0].claimed_at = u64::MAX;
                open.store()
                    .commit(&mut rand::rng(), |tx| tx.put(&contact))
                    .unwrap();
            });
            alice = street.open("alice").await;
        }
        alice.unlock().await;
        bob.lock().await;
        let message = alice.send(&[&to_bob], subject).await.unwrap();
        alice.until_fetched(&message).await;
        bob.close().await;
        street.with_vault("bob", |open| {
            // As it comes when another relay hands it out too.
            let carriage = open.carriage();
            let waiting = carriage.incoming().unwrap();
            let row = waiting.last().unwrap();
            let bytes = carriage.fetched(row.place()).unwrap().unwrap();
            let again = carriage.commit(|tx| {
                let relay = row.relay + 1;
                let again = Place {
                    relay,
                    ..row.place()
                };
                tx.keep(again, row.received_at, row.fetched_at, &bytes)
            });
            assert!(again.unwrap());
            assert_eq!(carriage.incoming_count().unwrap(), 2);
        });
        bob = street.open("bob").await;
        bob.unlock().await;
        bob.receive(subject).await;
        bob.until("nothing waits", async || {
            (bob.status().await.waiting == 0).then_some(())
        })
        .await;
        assert_eq!(bob.copies(subject).await, 1);
        let rows = bob.list(Folder::Inbox).await;
        assert!(
            rows.iter()
                .all(|row| row.incoming == Some(IncomingState::Opened)),
            "{rows:?}"
        );
    }
    assert_eq!(bob.list(Folder::Inbox).await.len(), 2);
}
