//! "Someone may have a copy": new keys for the account, which the old one signs, while letters go and
//! come; over the real relay.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::Path;

use waxwing_client::Failure;
use waxwing_client::view::{
    ActivityKind, ComparedState, EvidenceKind, Folder, IncomingState, OutgoingState,
    PreflightCheck, RelayShows, RenewalKind, RenewalState, ToldState, Unopenable,
};
use waxwing_crypto::message::Body;
use waxwing_tests::by_hand;
use waxwing_tests::engine::{Engine, PASSPHRASE, Street, passphrase};

const NEW: &str = "nine loud geese sail over the mountain";

async fn rotate(person: &Engine) {
    person.rotate_key(passphrase(PASSPHRASE)).await.unwrap();
    person.until_renewed().await;
}

async fn until_seen(person: &Engine, account: &str, wanted: EvidenceKind) {
    person
        .until(&format!("seen: {wanted:?}"), async || {
            let contact = person.contact(account.to_owned()).await.unwrap();
            let mut evidence = contact.evidence.iter();
            evidence.any(|seen| seen.kind == wanted).then_some(())
        })
        .await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_keys_lose_nothing_that_is_on_its_way() {
    let street = Street::new().await;
    let (alice, bob) = (street.person("alice").await, street.person("bob").await);
    let (b, a) = (alice.add("bob").await, bob.add("alice").await);
    bob.mark_compared(a.clone(), true).await.unwrap();
    let code = alice.me().await.unwrap().own_code;
    let path = street.desk().join("file.bin");
    std::fs::write(&path, vec![7; 300_000]).unwrap();
    alice.send(&[&b], "before").await.unwrap();
    bob.receive("before").await;

    // Fetched and not opened; at the relay; and in the outbox, when the keys change.
    bob.lock().await;
    let fetched = alice.send(&[&b], "fetched by who is locked").await.unwrap();
    alice.until_fetched(&fetched).await;
    bob.close().await;
    let files = [path.clone()];
    let unfetched = alice
        .send_files(&[&b], "at the relay", &files)
        .await
        .unwrap();
    alice
        .until_state(&unfetched, "at the relay", |state| {
            state == OutgoingState::AtRelay
        })
        .await;
    street.stop_relay().await;
    alice.offline().await;
    alice.send(&[&b], "in the outbox").await.unwrap();
    let wrong = alice.rotate_key(passphrase("wrong")).await;
    assert_eq!(wrong, Err(Failure::WrongPassphrase));
    alice.rotate_key(passphrase(PASSPHRASE)).await.unwrap();
    let again = alice.rotate_key(passphrase(PASSPHRASE)).await;
    assert_eq!(again, Err(Failure::RenewalUnderWay));
    // It waits for the relay, also over a restart.
    let alice = street.restart(alice).await;
    let waits = alice.key_renewal().await.unwrap().unwrap();
    assert_eq!(waits.kind, RenewalKind::Rotate);
    assert_ne!(waits.state, RenewalState::Done);
    street.start_relay().await;
    alice.until_renewed().await;
    assert_ne!(alice.me().await.unwrap().own_code, code);
    assert_eq!(alice.me().await.unwrap().relay_shows, RelayShows::Agrees);
    assert!(alice.did().await.contains(&ActivityKind::KeyRotated));
    alice.until_told(&b, ToldState::AtRelay).await;

    // Bob opens everything, in its order, and is not held.
    let bob = street.open("bob").await;
    bob.unlock().await;
    let got = bob.receive("at the relay").await;
    let (id, file) = (got.row.id.clone(), got.files[0].id.clone());
    bob.save_file(id, file, street.desk().join("saved"))
        .await
        .unwrap();
    let saved = std::fs::read(street.desk().join("saved/file.bin")).unwrap();
    assert!(saved == vec![7; 300_000]);
    bob.receive("in the outbox").await;
    until_seen(&bob, &a, EvidenceKind::SignedChange).await;
    let contact = bob.contact(a.clone()).await.unwrap();
    assert_eq!(contact.compared, ComparedState::ChangedSigned);
    assert!(!contact.held && contact.compared_at.is_none());
    alice.until_told(&b, ToldState::Fetched).await;
    let all = [
        "before",
        "fetched by who is locked",
        "at the relay",
        "in the outbox",
    ];
    assert_eq!(bob.subjects(Folder::Inbox).await, all);
    assert_eq!(alice.subjects(Folder::Sent).await, all);
    assert_eq!(alice.status().await.outbox, 0);
    for row in bob.list(Folder::Inbox).await {
        let view = bob.envelope(row.id).await.unwrap();
        assert_eq!((view.missing_before, view.other_before), (0, false));
    }

    // Both ways after it; who writes to the new key has it for certain.
    bob.send(&[&a], "back").await.unwrap();
    alice.receive("back").await;
    alice.until_told(&b, ToldState::WritesToIt).await;
    alice.send(&[&b], "after").await.unwrap();
    bob.receive("after").await;
    let alice = street.restart(alice).await;
    alice.send(&[&b], "after a restart").await.unwrap();
    bob.receive("after a restart").await;
    // And once more.
    rotate(&alice).await;
    alice.send(&[&b], "under the third key").await.unwrap();
    bob.receive("under the third key").await;
    bob.send(&[&a], "to the third key").await.unwrap();
    alice.receive("to the third key").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sealed_to_the_old_prekeys_still_opens() {
    let street = Street::new().await;
    let (alice, bob) = (street.person("alice").await, street.person("bob").await);
    let (b, a) = (alice.add("bob").await, bob.add("alice").await);
    // Bob seals with what he has of Alice's old prekeys, while the relay is away.
    street.stop_relay().await;
    bob.offline().await;
    bob.send(&[&a], "sealed before").await.unwrap();
    bob.close().await;
    street.start_relay().await;
    alice.online().await;
    rotate(&alice).await;
    let bob = street.open("bob").await;
    bob.unlock().await;
    alice.receive("sealed before").await;
    alice.until_told(&b, ToldState::Fetched).await;
    until_seen(&bob, &a, EvidenceKind::SignedChange).await;
    assert_eq!(bob.subjects(Folder::Inbox).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_a_copy_writes_as_nobody_once_the_keys_are_new() {
    let street = Street::new().await;
    let (alice, bob) = (street.person("alice").await, street.person("bob").await);
    let stranger = street.person("stranger").await;
    let (b, a) = (alice.add("bob").await, bob.add("alice").await);
    alice.send(&[&b], "before").await.unwrap();
    bob.receive("before").await;
    alice.close().await;
    street.with_vault("alice", |_| ());
    copy(&street.dir("alice"), &street.dir("copy"));
    let alice = street.open("alice").await;
    alice.unlock().await;
    rotate(&alice).await;
    alice.until_told(&b, ToldState::Fetched).await;
    until_seen(&bob, &a, EvidenceKind::SignedChange).await;
    stranger.close().await;
    street.with_vault("copy", |thief| {
        street.with_vault("stranger", |through| {
            by_hand::post_through(through, thief, &b, |message| {
                message.body = Body::text("from a copy", "");
            });
        });
    });
    let stranger = street.open("stranger").await;
    stranger.unlock().await;
    bob.until("it does not open, and is asked for again", async || {
        let rows = bob.list(Folder::Inbox).await;
        let mut states = rows.into_iter().filter_map(|row| row.incoming);
        let unknown = IncomingState::Unopenable {
            reason: Unopenable::UnknownKey,
        };
        states.any(|state| state == unknown).then_some(())
    })
    .await;
    assert_eq!(bob.copies("from a copy").await, 0);
    // The copy itself reaches nothing any more.
    let thief = street.open("copy").await;
    thief.unlock().await;
    thief.offline().await;
    alice.send(&[&b], "after").await.unwrap();
    bob.receive("after").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_missed_two_rotations_finds_the_old_keys_word_for_each() {
    let street = Street::new().await;
    let (alice, bob) = (street.person("alice").await, street.person("bob").await);
    let (b, a) = (alice.add("bob").await, bob.add("alice").await);
    bob.close().await;
    for _ in 0..3 {
        rotate(&alice).await;
    }
    alice.send(&[&b], "under the fourth key").await.unwrap();
    let bob = street.open("bob").await;
    bob.unlock().await;
    bob.receive("under the fourth key").await;
    let contact = bob.contact(a.clone()).await.unwrap();
    assert_eq!(
        (contact.compared, contact.held),
        (ComparedState::ChangedSigned, false)
    );
    let changes = contact
        .evidence
        .iter()
        .filter(|seen| seen.kind == EvidenceKind::SignedChange);
    assert_eq!(changes.count(), 3);
    assert_eq!(
        contact.key_code,
        alice.contact(b).await.unwrap().key_code,
        "both see the same digits"
    );
    bob.send(&[&a], "back").await.unwrap();
    alice.receive("back").await;
    // No word leads over a reset.
    bob.close().await;
    rotate(&alice).await;
    alice.reset_key(passphrase(PASSPHRASE)).await.unwrap();
    alice.until_renewed().await;
    rotate(&alice).await;
    let bob = street.open("bob").await;
    bob.unlock().await;
    bob.until_compared(&a, ComparedState::ChangedUnexplained)
        .await;
    let contact = bob.contact(a).await.unwrap();
    let changes = contact
        .evidence
        .iter()
        .filter(|seen| seen.kind == EvidenceKind::SignedChange);
    assert_eq!((changes.count(), contact.held), (3, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_copies_that_replace_the_keys_one_wins_and_the_other_is_told() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let b = alice.add("bob").await;
    street.stop_relay().await;
    alice.offline().await;
    alice.close().await;
    street.with_vault("alice", |_| ());
    copy(&street.dir("alice"), &street.dir("copy"));
    let (alice, other) = (street.open("alice").await, street.open("copy").await);
    for engine in [&alice, &other] {
        engine.unlock().await;
        engine.rotate_key(passphrase(PASSPHRASE)).await.unwrap();
    }
    street.start_relay().await;
    let over = async |engine: &Engine| {
        engine
            .until("over", async || {
                let state = engine.key_renewal().await.unwrap()?.state;
                matches!(
                    state,
                    RenewalState::Done | RenewalState::LostToAnotherDevice
                )
                .then_some(state)
            })
            .await
    };
    let ended = [over(&alice).await, over(&other).await];
    let (winner, loser) = match ended {
        [RenewalState::Done, RenewalState::LostToAnotherDevice] => (&alice, &other),
        [RenewalState::LostToAnotherDevice, RenewalState::Done] => (&other, &alice),
        other => panic!("{other:?}"),
    };
    assert!(loser.did().await.contains(&ActivityKind::RenewalLost));
    loser
        .until("the relay shows a newer card", async || {
            (loser.me().await.unwrap().relay_shows == RelayShows::Newer).then_some(())
        })
        .await;
    winner.send(&[&b], "from the winner").await.unwrap();
    bob.receive("from the winner").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_keys_follow_a_rekey_by_themselves() {
    let street = Street::new().await;
    let (alice, bob) = (street.person("alice").await, street.person("bob").await);
    let (b, a) = (alice.add("bob").await, bob.add("alice").await);
    let code = alice.me().await.unwrap().own_code;
    let preflight = alice.renewal_preflight().await.unwrap();
    assert!(preflight.iter().all(|line| line.passes), "{preflight:?}");
    assert!(matches!(
        preflight[1].check,
        PreflightCheck::Card {
            shows: RelayShows::Agrees
        }
    ));
    let begin = || {
        alice.begin_rekey(
            passphrase(PASSPHRASE),
            passphrase(NEW),
            false,
            Some(RenewalKind::Rotate),
        )
    };
    // Undone with it.
    begin().await.unwrap();
    alice.until_renewal(RenewalState::AfterRekey).await;
    alice.undo_rekey().await.unwrap();
    assert_eq!(alice.key_renewal().await.unwrap(), None);
    // And finished with it.
    let words = begin().await.unwrap();
    assert_eq!(alice.me().await.unwrap().own_code, code);
    let groups = words.chunks(4).map(|group| group.join(" "));
    alice
        .confirm_rekey_code((0..).zip(groups).collect())
        .await
        .unwrap();
    alice.until_renewed().await;
    assert_ne!(alice.me().await.unwrap().own_code, code);
    alice.send(&[&b], "after both").await.unwrap();
    bob.receive("after both").await;
    alice.until_told(&b, ToldState::Fetched).await;
    bob.send(&[&a], "back").await.unwrap();
    alice.receive("back").await;
    let bad = alice.rotate_key(passphrase(PASSPHRASE)).await;
    assert_eq!(bad, Err(Failure::WrongPassphrase));
}
