//! The outbox: strict lanes that wait, say why, and lose and double nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use waxwing_client::Failure;
use waxwing_client::view::{FileState, Folder, OutgoingState, Reason};
use waxwing_relay::store::{Expect, Space};
use waxwing_tests::engine::{Street, text};
use waxwing_vault::rows::Contact;
use waxwing_wire::card::Card;
use waxwing_wire::ids::{AccountId, MailboxId};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_leave_waits_with_its_reason_and_leaves_when_the_relay_is_back() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_bob = alice.add("bob").await;
    street.stop_relay().await;
    let before = now_millis();
    let message = alice.send(&[&to_bob], "Later").await.unwrap();
    let waits = |state| matches!(state, OutgoingState::Retrying { .. });
    let state = alice.until_state(&message, "a reason", waits).await;
    let OutgoingState::Retrying { reason, next_try } = state else {
        unreachable!()
    };
    assert_eq!(reason, Reason::RelayRefused);
    assert!(
        next_try > before && next_try < before + 60_000,
        "{next_try}"
    );
    let status = alice.status().await;
    assert_eq!((status.outbox, status.next_try.is_some()), (1, true));
    let behind = alice.send(&[&to_bob], "Behind").await.unwrap();
    assert_eq!(
        alice.state(&behind).await,
        OutgoingState::Queued { behind: true }
    );
    alice.offline().await;

    street.start_relay().await;
    for subject in ["Later", "Behind"] {
        bob.receive(subject).await;
    }
    alice.until_fetched(&behind).await;
    assert_eq!(bob.subjects(Folder::Inbox).await, ["Later", "Behind"]);
    assert_eq!(alice.status().await.outbox, 0);
}

fn now_millis() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_keeps_its_order_over_failures_while_the_others_move_on() {
    let street = Street::with(|config| config.limits.mailbox_envelopes = 1).await;
    let alice = street.person("alice").await;
    let (bob, third) = (street.person("bob").await, street.person("third").await);
    let (to_bob, to_third) = (alice.add("bob").await, alice.add("third").await);
    bob.close().await;
    let mut lane = Vec::new();
    for subject in ["1", "2", "3"] {
        lane.push(alice.send(&[&to_bob], subject).await.unwrap());
    }
    let full = |state| matches!(state, OutgoingState::Retrying { reason, .. } if reason == Reason::MailboxFull);
    alice
        .until_state(&lane[1], "the mailbox is full", full)
        .await;
    assert_eq!(
        alice.state(&lane[2]).await,
        OutgoingState::Queued { behind: true }
    );
    let past = alice.send(&[&to_third], "Past them").await.unwrap();
    third.receive("Past them").await;
    alice.until_fetched(&past).await;
    assert!(full(alice.state(&lane[1]).await));

    let bob = street.open("bob").await;
    bob.unlock().await;
    for message in &lane {
        alice
            .until("its turn", async || {
                // The relay said when to come back; the person does not wait.
                if full(alice.state(message).await) {
                    alice.try_now(Some(message.clone())).await.unwrap();
                }
                (alice.state(message).await == OutgoingState::Fetched).then_some(())
            })
            .await;
    }
    bob.receive("3").await;
    assert_eq!(bob.subjects(Folder::Inbox).await, ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permanent_failure_blocks_its_own_lane_only_and_says_so() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let (bob, third) = (street.person("bob").await, street.person("third").await);
    let (to_bob, to_third) = (alice.add("bob").await, alice.add("third").await);
    alice.close().await;
    let mailbox = street.with_vault("alice", |open| {
        let account: AccountId = to_bob.parse().unwrap();
        let contact: Contact = open.store().load(&account).unwrap().unwrap();
        let card = Card::decode(&contact.card).unwrap().verify_self().unwrap();
        card.body().devices[0].mailbox
    });
    let owner = owner(&street, &mailbox, None).await;
    let alice = street.open("alice").await;
    alice.unlock().await;
    let first = alice.send(&[&to_bob], "1").await.unwrap();
    let second = alice.send(&[&to_bob], "2").await.unwrap();
    let gone = OutgoingState::NeedsYou {
        reason: Reason::RecipientGone,
    };
    alice
        .until_state(&first, "it needs the person", |state| state == gone)
        .await;
    assert_eq!(
        alice.state(&second).await,
        OutgoingState::Queued { behind: true }
    );
    alice.send(&[&to_third], "Elsewhere").await.unwrap();
    third.receive("Elsewhere").await;

    self::owner(&street, &mailbox, owner).await;
    alice.online().await;
    alice.try_now(Some(first)).await.unwrap();
    bob.receive("2").await;
    assert_eq!(bob.subjects(Folder::Inbox).await, ["1", "2"]);
}

/// Makes the relay forget whose a mailbox is, or know it again.
async fn owner(street: &Street, mailbox: &MailboxId, owner: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut before = None;
    street
        .lie(async |store| {
            let (space, key) = (Space::Mailboxes, mailbox.as_bytes());
            before = store.load(space, key).await.unwrap();
            let owner = owner.map(Into::into);
            store.save(space, key, owner, Expect::Any).await.unwrap();
        })
        .await;
    before.map(|stored| stored.value.to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cancelled_is_a_draft_again_with_its_files() {
    let street = Street::with(|config| config.limits.mailbox_envelopes = 1).await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_bob = alice.add("bob").await;
    bob.close().await;
    let first = alice.send(&[&to_bob], "First").await.unwrap();
    let path = street.desk().join("plan.bin");
    std::fs::write(&path, vec![9; 1_500_000]).unwrap();
    let message = alice.send_files(&[&to_bob], "Plan", &[path]).await.unwrap();
    // Its file is at the relay already, the envelope is not.
    alice
        .until_state(&message, "held up", |state| {
            matches!(state, OutgoingState::Retrying { .. })
        })
        .await;
    let draft = alice.cancel_send(message.clone()).await.unwrap();
    assert_eq!(alice.list(Folder::Outbox).await, []);
    assert_eq!(
        alice.envelope(message.clone()).await,
        Err(Failure::NotFound)
    );
    assert_eq!(alice.cancel_send(message).await, Err(Failure::NotFound));
    let back = alice.draft(draft.clone()).await.unwrap();
    assert_eq!((&*back.subject, back.to), ("Plan", vec![to_bob.clone()]));
    assert_eq!(
        (&*back.files[0].name, &back.files[0].state),
        ("plan.bin", &FileState::Here)
    );

    let bob = street.open("bob").await;
    bob.unlock().await;
    bob.receive("First").await;
    alice.until_fetched(&first).await;
    let again = alice
        .send_draft(draft, text(&[&to_bob], "Plan, better"))
        .await
        .unwrap();
    alice.until_fetched(&again).await;
    let got = bob.receive("Plan, better").await;
    let saved = bob.save_file(
        got.row.id,
        got.files[0].id.clone(),
        street.desk().join("saved"),
    );
    saved.await.unwrap();
    assert!(std::fs::read(street.desk().join("saved/plan.bin")).unwrap() == vec![9; 1_500_000]);
    assert_eq!(bob.subjects(Folder::Inbox).await, ["First", "Plan, better"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_still_waits_at_the_relay_can_be_taken_back() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_bob = alice.add("bob").await;
    bob.close().await;
    let message = alice.send(&[&to_bob], "Regretted").await.unwrap();
    alice
        .until_state(&message, "at the relay", |state| {
            state == OutgoingState::AtRelay
        })
        .await;
    alice.recall(message.clone()).await.unwrap();
    assert_eq!(alice.state(&message).await, OutgoingState::Recalled);
    assert_eq!(alice.recall(message).await, Err(Failure::NotFound));
    let bob = street.open("bob").await;
    bob.unlock().await;
    let after = alice.send(&[&to_bob], "After").await.unwrap();
    bob.receive("After").await;
    assert_eq!(bob.subjects(Folder::Inbox).await, ["After"]);
    alice.until_fetched(&after).await;
    assert_eq!(
        alice.recall(after).await,
        Err(Failure::NotFound),
        "it is with Bob"
    );
}
