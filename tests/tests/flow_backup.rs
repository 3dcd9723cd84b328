//! A backup is written, the computer is lost, and the same person goes on elsewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::PathBuf;

use waxwing_client::Failure;
use waxwing_client::view::{
    ActivityKind, BackupCode, Folder, OnboardingStep, RelayChoice, RelayShows, Stage,
};
use waxwing_crypto::card::{Terms, sign_successor};
use waxwing_crypto::keys::AccountKey;
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_tests::engine::{Engine, PASSPHRASE, Street, passphrase, text};
use waxwing_vault::rows::OwnCard;
use waxwing_wire::card::Card;

const NEW: &str = "nine loud geese sail over the mountain";

async fn back_up(person: &Engine, place: PathBuf) {
    let rows = person.write_backup(place.clone()).await.unwrap();
    assert_eq!(rows[0].place, place.display().to_string());
    assert_eq!(rows[0].code, BackupCode::Present);
    assert!(rows[0].is_there && rows[0].size == fs::metadata(&place).unwrap().len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_a_computer_goes_on_elsewhere_with_the_same_account() {
    let street = Street::new().await;
    let alice = street.open("alice").await;
    let words = alice.set_up("alice", street.address()).await;
    let bob = street.person("bob").await;
    alice.add("bob").await;
    bob.add("alice").await;
    let (a, b) = (alice.account().await, bob.account().await);
    let photo = street.desk().join("photo.jpg");
    fs::write(&photo, vec![7; 300_000]).unwrap();
    let photos = [photo];
    bob.send_files(&[&a], "to alice with a photo", &photos)
        .await
        .unwrap();
    let came = alice.receive("to alice with a photo").await;
    let file = came.files[0].id.clone();
    let saved = alice.save_file(came.row.id, file, street.desk().join("first"));
    fs::create_dir_all(street.desk().join("first")).unwrap();
    saved.await.unwrap();
    for number in 0..4 {
        let sent = alice.send(&[&b], &format!("to bob {number}")).await;
        bob.receive(&format!("to bob {number}")).await;
        sent.unwrap();
    }
    let draft = alice.new_draft(None).await.unwrap().id;
    let half = text(&[&b], "half written");
    alice.save_draft(draft.clone(), half).await.unwrap();

    let place = street.desk().join("alice.waxwing-backup");
    back_up(&alice, place.clone()).await;
    assert_eq!(alice.did().await[0], ActivityKind::BackupWritten);
    let nowhere = street.desk().join("no-such-folder").join("x");
    let refused = alice.write_backup(nowhere).await;
    assert_eq!(refused, Err(Failure::PlaceUnwritable));
    let (contacts, settings) = (alice.contacts().await, alice.settings().await.unwrap());
    let lists = [Folder::Inbox, Folder::Sent];
    let before = [
        alice.subjects(lists[0]).await,
        alice.subjects(lists[1]).await,
    ];
    alice.close().await;
    fs::remove_dir_all(street.dir("alice")).unwrap();

    // Sealed to a prekey that nobody has any more.
    let lost = bob.send(&[&a], "to alice at a lost key").await.unwrap();

    let alice = street.open("elsewhere").await;
    assert_eq!(alice.stage().await, Stage::Welcome);
    let not_one = street.desk().join("not-one");
    fs::write(&not_one, "a letter").unwrap();
    let refused = alice.choose_backup(not_one).await;
    assert_eq!(refused, Err(Failure::NotABackup));
    let none = alice.restore_backup(passphrase(&words), passphrase(NEW), false);
    assert_eq!(none.await, Err(Failure::NotFound));
    let chosen = alice.choose_backup(place.clone()).await.unwrap();
    assert_eq!(chosen.name, "alice.waxwing-backup");

    // Three different answers.
    let restore = |words: &str, new: &str| {
        let words = passphrase(words);
        alice.restore_backup(words, passphrase(new), false)
    };
    let other = RecoveryCode::generate(&mut rand::rng()).words().join(" ");
    assert_eq!(restore(&other, NEW).await, Err(Failure::RecoveryOther));
    let mut turned: Vec<&str> = words.split(' ').collect();
    turned.swap(0, 23);
    let mistyped = restore(&turned.join(" "), NEW).await;
    assert_eq!(mistyped, Err(Failure::RecoveryMistyped));
    let mut unknown: Vec<&str> = words.split(' ').collect();
    unknown[9] = "waxwing";
    let mismatch = restore(&unknown.join(" "), NEW).await;
    assert_eq!(mismatch, Err(Failure::RecoveryMismatch { group: 2 }));
    let weak = restore(&words, "password1").await;
    assert_eq!(weak, Err(Failure::WeakPassphrase { score: 0 }));
    assert_eq!(alice.stage().await, Stage::Welcome);

    let stage = restore(&words, NEW).await.unwrap();
    let relay = RelayChoice::Address {
        url: format!("http://{}/", street.address()),
    };
    assert_eq!(
        stage,
        Stage::Onboarding {
            step: OnboardingStep::Restored,
            name: Some("alice".to_owned()),
            relay,
        }
    );
    assert_eq!(alice.finish_onboarding(false).await, Ok(Stage::Open));
    assert_eq!(alice.account().await, a);
    let mut restored_settings = alice.settings().await.unwrap();
    restored_settings.relay = settings.relay.clone();
    assert_eq!(restored_settings, settings);
    assert_eq!(alice.contacts().await, contacts);
    assert_eq!(alice.draft(draft).await.unwrap().subject, "half written");
    assert_eq!(alice.subjects(Folder::Sent).await, before[1]);
    let photo = alice.receive("to alice with a photo").await;
    let again = street.desk().join("again");
    fs::create_dir_all(&again).unwrap();
    let file = photo.files[0].id.clone();
    alice
        .save_file(photo.row.id, file, again.clone())
        .await
        .unwrap();
    assert_eq!(fs::read(again.join("photo.jpg")).unwrap(), vec![7; 300_000]);
    let did = alice.did().await;
    assert!(did.contains(&ActivityKind::BackupRestored));
    let rows = alice.backups().await.unwrap();
    assert_eq!((rows.len(), rows[0].code), (1, BackupCode::Present));

    // What was sealed to a lost key comes once more, and only once; and new letters go and come.
    alice.receive("to alice at a lost key").await;
    assert_eq!(alice.copies("to alice at a lost key").await, 1);
    bob.envelope(lost).await.unwrap();
    bob.send(&[&a], "to alice afterwards").await.unwrap();
    alice.receive("to alice afterwards").await;
    alice.send(&[&b], "to bob afterwards").await.unwrap();
    bob.receive("to bob afterwards").await;
    assert_eq!(bob.contacts().await.unwrap().len(), 1);
    alice.close().await;

    // Only the new passphrase opens it, and the code that was typed.
    let alice = street.open("elsewhere").await;
    let old = alice.app.unlock(passphrase(PASSPHRASE)).await;
    assert_eq!(old, Err(Failure::WrongPassphrase));
    assert_eq!(alice.app.unlock(passphrase(NEW)).await, Ok(Stage::Open));
    alice.test_recovery(passphrase(&words)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vault_that_is_there_is_renamed_and_the_list_tells_which_code_opens_what() {
    let street = Street::new().await;
    let alice = street.open("alice").await;
    let words = alice.set_up("alice", street.address()).await;
    let place = street.desk().join("one");
    back_up(&alice, place.clone()).await;

    // A new root key has a new code: the file still opens with the old one.
    let new_words = alice
        .begin_rekey(passphrase(PASSPHRASE), passphrase(NEW), false, None)
        .await
        .unwrap();
    let refused = alice.write_backup(street.desk().join("two")).await;
    assert_eq!(refused, Err(Failure::RekeyUnderWay));
    assert!(!street.desk().join("two").exists());
    let groups = new_words.chunks(4).map(|group| group.join(" "));
    alice
        .confirm_rekey_code((0..).zip(groups).collect())
        .await
        .unwrap();
    alice
        .until("re-keyed", async || {
            alice.rekey().await.unwrap().is_none().then_some(())
        })
        .await;
    let rows = alice.backups().await.unwrap();
    assert!(matches!(rows[0].code, BackupCode::Replaced { at: Some(_) }));
    back_up(&alice, street.desk().join("two")).await;
    fs::remove_file(street.desk().join("two")).unwrap();
    let rows = alice.backups().await.unwrap();
    assert_eq!(rows.len(), 2);
    let gone = rows.iter().find(|row| !row.is_there).unwrap();
    assert_eq!(gone.code, BackupCode::Present);
    let rows = alice.forget_backup(gone.id.clone()).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert!(place.exists(), "what is taken off the list is not deleted");

    // Locked, it is restored over itself: what was there stays under another name.
    alice.lock().await;
    alice.choose_backup(place).await.unwrap();
    let wrong = new_words.join(" ");
    let refused = alice
        .restore_backup(passphrase(&wrong), passphrase(NEW), false)
        .await;
    assert_eq!(refused, Err(Failure::RecoveryOther));
    alice
        .restore_backup(
            passphrase(&words),
            passphrase("copper heron waits beside slow water"),
            false,
        )
        .await
        .unwrap();
    assert_eq!(alice.finish_onboarding(false).await, Ok(Stage::Open));
    let beside: Vec<String> = fs::read_dir(street.dir("alice").parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("alice"))
        .collect();
    assert_eq!(beside.len(), 2, "{beside:?}");
    assert!(beside.iter().all(|name| !name.ends_with(".restoring")));
    alice.online().await;
}

/// The computer that is lost renewed its card after the backup: it is taken over, not forked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_that_was_renewed_since_is_taken_over() {
    let street = Street::new().await;
    let alice = street.open("alice").await;
    let words = alice.set_up("alice", street.address()).await;
    let bob = street.person("bob").await;
    let a = bob.add("alice").await;
    let place = street.desk().join("one");
    back_up(&alice, place.clone()).await;
    alice.close().await;
    let renewed = street.with_vault("alice", |open| {
        let key = AccountKey::from_seed(&open.keyring().account);
        let mut own = open.store().load::<OwnCard>(&()).unwrap().unwrap();
        let card = Card::decode(&own.card).unwrap().verify_self().unwrap();
        let body = card.body();
        let terms = Terms {
            issued_at: body.issued_at + 1,
            expires_at: body.expires_at,
            min_suite: body.min_suite,
        };
        let next = sign_successor(&key, &card, body.devices.clone(), terms).unwrap();
        own.card = next.as_bytes().to_vec();
        own.version = 2;
        let kept = open.store().commit(&mut rand::rng(), |tx| tx.put(&own));
        kept.unwrap();
        own.card
    });
    let alice = street.open("alice").await;
    alice.unlock().await;
    let agrees = async |person: &Engine| {
        let agrees =
            async || (person.me().await.unwrap().relay_shows == RelayShows::Agrees).then_some(());
        person.until("the relay has the card", agrees).await;
    };
    agrees(&alice).await;
    alice.close().await;
    fs::remove_dir_all(street.dir("alice")).unwrap();

    let alice = street.open("elsewhere").await;
    alice.choose_backup(place).await.unwrap();
    alice
        .restore_backup(passphrase(&words), passphrase(PASSPHRASE), false)
        .await
        .unwrap();
    assert_eq!(alice.finish_onboarding(false).await, Ok(Stage::Open));
    agrees(&alice).await;
    bob.send(&[&a], "after the renewal").await.unwrap();
    alice.receive("after the renewal").await;
    alice.close().await;
    let there = street.with_vault("elsewhere", |open| {
        open.store().load::<OwnCard>(&()).unwrap().unwrap()
    });
    assert_eq!((there.version, there.card), (2, renewed));
}
