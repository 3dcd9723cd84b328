//! "Someone may have seen my passphrase": a new root key for the whole vault, while the person goes
//! on writing and reading.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;

use waxwing_client::Failure;
use waxwing_client::view::{ActivityKind, Folder, RekeyState, Stage};
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_tests::engine::{Engine, PASSPHRASE, Street, passphrase, text};

const NEW: &str = "nine loud geese sail over the mountain";

/// All groups of a code, as they are typed back.
fn groups(words: &[String]) -> Vec<(u32, String)> {
    let groups = words.chunks(4).map(|group| group.join(" "));
    (0..).zip(groups).collect()
}

/// Waits until the re-key has come so far; `None` is over.
async fn until(person: &Engine, wanted: Option<RekeyState>) {
    person
        .until(&format!("{wanted:?}"), async || {
            let status = person.rekey().await.unwrap();
            (status.map(|status| status.state) == wanted).then_some(())
        })
        .await;
}

/// Saves the file that came with an envelope, which is the photo.
async fn save_photo(street: &Street, person: &Engine, subject: &str) {
    let came = person.receive(subject).await;
    let folder = tempfile::tempdir_in(street.desk()).unwrap();
    let path = folder.path().to_owned();
    let saved = person.save_file(came.row.id, came.files[0].id.clone(), path);
    saved.await.unwrap();
    let there = fs::read(folder.path().join("photo.jpg")).unwrap();
    assert!(there == vec![7; 2_500_000]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_root_key_while_letters_go_and_come() {
    let street = Street::new().await;
    let alice = street.open("alice").await;
    let old_words = alice.set_up("alice", street.address()).await;
    let bob = street.person("bob").await;
    alice.add("bob").await;
    bob.add("alice").await;
    let (a, b) = (alice.account().await, bob.account().await);
    for number in 0..5 {
        alice
            .send(&[&b], &format!("before {number}"))
            .await
            .unwrap();
        bob.send(&[&a], &format!("to alice {number}"))
            .await
            .unwrap();
    }
    alice.receive("to alice 4").await;
    let photo = street.desk().join("photo.jpg");
    fs::write(&photo, vec![7; 2_500_000]).unwrap();
    let photos = [photo];
    bob.send_files(&[&a], "to alice with a photo", &photos)
        .await
        .unwrap();
    save_photo(&street, &alice, "to alice with a photo").await;
    let draft = alice.new_draft(None).await.unwrap().id;
    let half = text(&[&b], "half written");
    alice.save_draft(draft.clone(), half).await.unwrap();

    let begin = |current: &str, new: &str| {
        alice.begin_rekey(passphrase(current), passphrase(new), false, None)
    };
    assert_eq!(begin("wrong", NEW).await, Err(Failure::WrongPassphrase));
    let same = begin(PASSPHRASE, PASSPHRASE).await;
    assert_eq!(same, Err(Failure::SamePassphrase));
    assert_eq!(alice.rekey().await.unwrap(), None);
    let words = begin(PASSPHRASE, NEW).await.unwrap();
    assert_eq!(begin(PASSPHRASE, NEW).await, Err(Failure::RekeyUnderWay));
    let other = alice.change_passphrase(passphrase(PASSPHRASE), passphrase(NEW), false);
    assert_eq!(other.await, Err(Failure::RekeyUnderWay));
    assert_eq!(alice.rekey_code().await.unwrap(), words);

    // Copied, and not finished before the code was typed back; letters go and come meanwhile.
    alice.send(&[&b], "meanwhile").await.unwrap();
    bob.send(&[&a], "to alice meanwhile").await.unwrap();
    until(&alice, Some(RekeyState::CodeUnconfirmed)).await;
    alice.receive("to alice meanwhile").await;
    alice
        .send_files(&[&b], "copied and not finished", &photos)
        .await
        .unwrap();
    let mut wrong = groups(&words);
    wrong[2].1 = groups(&old_words.split(' ').map(str::to_owned).collect::<Vec<_>>())[2]
        .1
        .clone();
    let refused = alice.confirm_rekey_code(wrong).await;
    assert_eq!(refused, Err(Failure::RecoveryMismatch { group: 2 }));
    alice.confirm_rekey_code(groups(&words)).await.unwrap();
    until(&alice, None).await;

    // The same engine goes on with the new store, in both directions.
    assert_eq!(alice.account().await, a);
    alice.send(&[&b], "afterwards").await.unwrap();
    bob.send(&[&a], "to alice afterwards").await.unwrap();
    alice.receive("to alice afterwards").await;
    bob.receive("afterwards").await;
    save_photo(&street, &bob, "copied and not finished").await;
    save_photo(&street, &alice, "to alice with a photo").await;
    let sent: Vec<String> = (0..5).map(|number| format!("before {number}")).collect();
    let sent = [
        sent,
        ["meanwhile", "copied and not finished", "afterwards"]
            .map(str::to_owned)
            .to_vec(),
    ]
    .concat();
    assert_eq!(alice.subjects(Folder::Sent).await, sent);
    assert_eq!(bob.subjects(Folder::Inbox).await, sent);
    assert_eq!(alice.draft(draft).await.unwrap().subject, "half written");
    let before_close = alice.subjects(Folder::Inbox).await;
    assert_eq!(before_close.len(), 8, "{before_close:?}");
    let did = alice.did().await;
    assert_eq!(
        did[..2],
        [ActivityKind::RekeyFinished, ActivityKind::RekeyBegun]
    );
    assert!(alice.vault_keys().await.unwrap().activity_whole);
    alice.close().await;

    // Only the new passphrase and the new code open; nothing of the old store is left.
    let alice = street.open("alice").await;
    let refused = alice.app.unlock(passphrase(PASSPHRASE)).await;
    assert_eq!(refused, Err(Failure::WrongPassphrase));
    let opened = alice.app.unlock(passphrase(NEW)).await;
    assert_eq!(opened, Ok(Stage::Open));
    assert_eq!(alice.subjects(Folder::Inbox).await, before_close);
    let test = alice.test_recovery(passphrase(&old_words)).await;
    assert_eq!(test, Err(Failure::RecoveryOther));
    alice
        .test_recovery(passphrase(&words.join(" ")))
        .await
        .unwrap();
    assert!(!street.dir("alice").join("store").exists());
    assert!(street.dir("alice").join("store-1").exists());
    save_photo(&street, &alice, "to alice with a photo").await;
    bob.send(&[&a], "to alice at last").await.unwrap();
    alice.receive("to alice at last").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lock_interrupts_a_person_continues_or_undoes() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let first = alice
        .begin_rekey(passphrase(PASSPHRASE), passphrase(NEW), false, None)
        .await
        .unwrap();
    alice.pause_rekey().await.unwrap();
    alice.lock().await;
    assert!(alice.rekey().await.unwrap().is_some(), "seen while locked");
    let refused = alice.app.unlock(passphrase(NEW)).await;
    assert_eq!(refused, Err(Failure::WrongPassphrase));
    alice.unlock().await;

    // Nobody goes on by himself.
    let status = alice.rekey().await.unwrap().unwrap();
    assert_eq!(status.state, RekeyState::Interrupted);
    assert_eq!(alice.resume_rekey().await, Err(Failure::NotFound));
    let go_on = |new: &str, code: Option<String>| {
        alice.continue_rekey(passphrase(new), code.map(|code| passphrase(&code)))
    };
    let refused = go_on(PASSPHRASE, None).await;
    assert_eq!(refused, Err(Failure::WrongPassphrase));
    let other = RecoveryCode::generate(&mut rand::rng()).words().join(" ");
    assert_eq!(go_on(NEW, Some(other)).await, Err(Failure::RecoveryOther));

    // Without the code, another one is shown and has to be typed back.
    go_on(NEW, None).await.unwrap();
    let words = alice.rekey_code().await.unwrap();
    assert_ne!(words, first);
    until(&alice, Some(RekeyState::CodeUnconfirmed)).await;
    alice.undo_rekey().await.unwrap();
    assert_eq!(alice.rekey().await.unwrap(), None);
    assert_eq!(alice.undo_rekey().await, Err(Failure::NotFound));
    assert_eq!(alice.did().await[0], ActivityKind::RekeyUndone);

    // Undone, it is begun anew; with the code at hand a restart is continued to the end.
    let words = alice
        .begin_rekey(passphrase(PASSPHRASE), passphrase(NEW), false, None)
        .await
        .unwrap();
    alice.close().await;
    let alice = street.open("alice").await;
    assert!(alice.rekey().await.unwrap().is_some());
    alice.unlock().await;
    let code = Some(passphrase(&words.join(" ")));
    alice.continue_rekey(passphrase(NEW), code).await.unwrap();
    until(&alice, None).await;
    alice.lock().await;
    assert_eq!(alice.app.unlock(passphrase(NEW)).await, Ok(Stage::Open));
}
