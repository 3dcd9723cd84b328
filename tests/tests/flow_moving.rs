//! Moving to another relay: known there at once, reached at the one before, nothing lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use waxwing_client::Failure;
use waxwing_client::view::{Folder, OutgoingState, Reason, RelayShows};
use waxwing_crypto::card::{Terms, sign_successor};
use waxwing_crypto::keys::AccountKey;
use waxwing_tests::engine::Street;
use waxwing_vault::rows::OwnCard;
use waxwing_wire::card::Card;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_moved_receives_from_the_first_envelope_at_the_new_relay() {
    let (street, other) = (Street::new().await, Street::new().await);
    let (alice, bob) = (street.person("alice").await, street.person("bob").await);
    let to_alice = bob.add("alice").await;
    for subject in ["1", "2", "3"] {
        bob.send(&[&to_alice], subject).await.unwrap();
        alice.receive(subject).await;
    }
    alice.move_to(other.address()).await.unwrap();
    bob.move_to(other.address()).await.unwrap();
    let message = bob.send(&[&to_alice], "4").await.unwrap();
    alice.receive("4").await;
    bob.until_fetched(&message).await;
    assert_eq!(alice.subjects(Folder::Inbox).await, ["1", "2", "3", "4"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_moved_is_found_there_with_the_present_card_and_may_come_back() {
    let (street, other) = (Street::new().await, Street::new().await);
    let (alice, bob) = (street.person("alice").await, other.person("bob").await);
    alice.close().await;
    street.with_vault("alice", |open| {
        // As renewing leaves it.
        let own: OwnCard = open.store().load(&()).unwrap().unwrap();
        let first = Card::decode(&own.card).unwrap().verify_self().unwrap();
        let key = AccountKey::from_seed(&open.keyring().account);
        let terms = Terms {
            issued_at: first.body().issued_at,
            expires_at: first.body().expires_at,
            min_suite: first.body().min_suite,
        };
        let second = sign_successor(&key, &first, first.body().devices.clone(), terms).unwrap();
        let own = OwnCard {
            card: second.as_bytes().to_vec(),
            version: 2,
            ..own
        };
        let kept = open.store().commit(&mut rand::rng(), |tx| tx.put(&own));
        kept.unwrap();
    });
    street.stop_relay().await;
    let alice = street.open("alice").await;
    alice.unlock().await;
    alice.move_to(other.address()).await.unwrap();
    let to_alice = bob.add("alice").await;
    assert_eq!(to_alice, alice.account().await);
    bob.send(&[&to_alice], "Here").await.unwrap();
    alice.receive("Here").await;

    street.start_relay().await;
    alice.move_to(street.address()).await.unwrap();
    let third = street.person("third").await;
    assert_eq!(third.add("alice").await, to_alice);
    third.send(&[&to_alice], "Back").await.unwrap();
    alice.receive("Back").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_leaves_through_the_relay_that_has_the_recipient() {
    let (street, other) = (Street::new().await, Street::new().await);
    let alice = street.person("alice").await;
    let (bob, third) = (street.person("bob").await, street.person("third").await);
    let (to_bob, to_third) = (alice.add("bob").await, alice.add("third").await);
    let path = street.desk().join("plan.bin");
    std::fs::write(&path, vec![9; 1_500_000]).unwrap();
    street.stop_relay().await;
    let stays = alice
        .send_files(&[&to_bob], "To who stays", &[path])
        .await
        .unwrap();
    let moves = alice.send(&[&to_third], "To who moves").await.unwrap();
    alice
        .until_state(&moves, "the relay is away", |state| {
            matches!(state, OutgoingState::Retrying { .. })
        })
        .await;
    alice.move_to(other.address()).await.unwrap();
    third.move_to(other.address()).await.unwrap();
    third.receive("To who moves").await;
    alice.until_fetched(&moves).await;
    alice.send(&[&to_bob], "Behind it").await.unwrap();

    street.start_relay().await;
    bob.receive("Behind it").await;
    let got = bob.receive("To who stays").await;
    let file = got.files[0].id.clone();
    let saved = bob.save_file(got.row.id.clone(), file, street.desk().join("saved"));
    saved.await.unwrap();
    assert!(std::fs::read(street.desk().join("saved/plan.bin")).unwrap() == vec![9; 1_500_000]);
    alice.until_fetched(&stays).await;
    let order = ["To who stays", "Behind it"];
    assert_eq!(bob.subjects(Folder::Inbox).await, order);
    // And the answer comes to where Alice was.
    let from = got.row.from.unwrap().account;
    bob.send(&[&from], "An answer").await.unwrap();
    alice.receive("An answer").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_left_behind_is_fetched_after_the_move() {
    let (street, other) = (Street::new().await, Street::new().await);
    let (alice, bob) = (street.person("alice").await, street.person("bob").await);
    let third = other.person("third").await;
    let to_alice = bob.add("alice").await;
    alice.close().await;
    let message = bob.send(&[&to_alice], "Left behind").await.unwrap();
    bob.until_state(&message, "at the relay", |state| {
        state == OutgoingState::AtRelay
    })
    .await;
    // Chosen on the lock screen: the account is made known there at the next unlock.
    let alice = street.open("alice").await;
    alice.move_to(other.address()).await.unwrap();
    alice.unlock().await;
    alice.receive("Left behind").await;
    bob.until_fetched(&message).await;
    alice
        .until("known at the new relay", async || {
            (alice.me().await.unwrap().relay_shows == RelayShows::Agrees).then_some(())
        })
        .await;
    assert_eq!(third.add("alice").await, to_alice);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_does_not_take_the_account_is_not_chosen() {
    let (street, other) = (Street::new().await, Street::new().await);
    let alice = street.person("alice").await;
    let namesake = other.person("alice").await;
    let chosen = alice.settings().await.unwrap().relay;
    assert_eq!(
        alice.move_to(other.address()).await,
        Err(Failure::NameTaken)
    );
    namesake.close().await;
    other.stop_relay().await;
    let reason = Reason::RelayRefused;
    assert_eq!(
        alice.move_to(other.address()).await,
        Err(Failure::Relay { reason })
    );
    assert_eq!(alice.settings().await.unwrap().relay, chosen);
    let me = alice.account().await;
    alice.send(&[&me], "Still here").await.unwrap();
    alice.receive("Still here").await;
}
