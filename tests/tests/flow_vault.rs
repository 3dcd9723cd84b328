//! Opening, locking and losing the way into the vault, without a window.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use waxwing_client::Failure;
use waxwing_client::view::{Folder, OutgoingState, RelayShows, Stage};
use waxwing_tests::engine::{PASSPHRASE, Street, passphrase, text};
use waxwing_vault::rows::{Place, Replay};
use waxwing_wire::ids::{AccountId, MessageId};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_computer_still_fetches_and_sends_and_unlocking_opens() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_bob = alice.add("bob").await;
    let to_alice = bob.add("alice").await;

    street.stop_relay().await;
    let from_bob = bob
        .send(&[&to_alice], "From a locked computer")
        .await
        .unwrap();
    bob.lock().await;
    assert_eq!(
        bob.envelopes(Folder::Inbox, None, 10).await,
        Err(Failure::Locked)
    );
    assert_eq!(bob.send(&[&to_alice], "No").await, Err(Failure::Locked));
    street.start_relay().await;
    alice.receive("From a locked computer").await;
    alice.online().await;
    let from_alice = alice
        .send(&[&to_bob], "To a locked computer")
        .await
        .unwrap();
    alice.until_fetched(&from_alice).await;
    bob.until("a count on the lock screen", async || {
        let stage = bob.stage().await;
        let counted = Stage::Locked {
            waiting: 1,
            outbox: 0,
            after_start: false,
        };
        (stage == counted).then_some(())
    })
    .await;

    bob.unlock().await;
    let got = bob.receive("To a locked computer").await;
    assert_eq!(got.body, text(&[], "To a locked computer").body);
    bob.until_state(&from_bob, "entered at unlock", |state| {
        state == OutgoingState::Fetched
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_passphrase_opens_nothing_and_wipes_nothing() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    alice.lock().await;
    for wrong in [
        "",
        "wrong",
        &format!("{PASSPHRASE} "),
        &PASSPHRASE.to_uppercase(),
    ] {
        assert_eq!(
            alice.app.unlock(passphrase(wrong)).await,
            Err(Failure::WrongPassphrase)
        );
        assert!(matches!(alice.stage().await, Stage::Locked { .. }));
    }
    alice.app.unlock(passphrase(PASSPHRASE)).await.unwrap();
    assert_eq!(alice.me().await.unwrap().name, "alice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recovery_code_opens_and_sets_a_new_passphrase() {
    const NEW: &str = "nine loud geese sail over the mountain";
    let street = Street::new().await;
    let alice = street.open("alice").await;
    let words = alice.set_up("alice", street.address()).await;
    let me = alice.account().await;
    let open = alice.recover(passphrase(&words), passphrase(NEW)).await;
    assert_eq!(open, Err(Failure::NotFound), "it is open already");
    assert_eq!(alice.account().await, me);
    alice.lock().await;
    let weak = alice
        .recover(passphrase(&words), passphrase("12345678"))
        .await;
    assert!(matches!(weak, Err(Failure::WeakPassphrase { .. })));
    let other = waxwing_crypto::recovery::RecoveryCode::generate(&mut rand::rng());
    let other = other.words().join(" ");
    let wrong = alice.recover(passphrase(&other), passphrase(NEW)).await;
    assert_eq!(wrong, Err(Failure::RecoveryOther));
    let mut mistyped: Vec<&str> = words.split(' ').collect();
    mistyped[9] = "waxwing";
    let wrong = alice
        .recover(passphrase(&mistyped.join(" ")), passphrase(NEW))
        .await;
    assert_eq!(wrong, Err(Failure::RecoveryMismatch { group: 2 }));

    let opened = alice.recover(passphrase(&words), passphrase(NEW)).await;
    assert_eq!(opened, Ok(Stage::Open));
    alice.close().await;
    let alice = street.open("alice").await;
    assert_eq!(
        alice.app.unlock(passphrase(PASSPHRASE)).await,
        Err(Failure::WrongPassphrase)
    );
    alice.app.unlock(passphrase(NEW)).await.unwrap();
    assert_eq!(alice.account().await, me);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starting_over_renames_the_vault_and_deletes_nothing() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let me = alice.account().await;
    alice.lock().await;
    assert_eq!(alice.start_over().await, Ok(Stage::Welcome));
    alice.set_up("alice-again", street.address()).await;
    assert_ne!(alice.account().await, me);
    alice.close().await;
    let aside: Vec<_> = std::fs::read_dir(street.dir(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("alice-2"))
        .collect();
    let old = street.open(&aside[0]).await;
    old.unlock().await;
    assert_eq!((aside.len(), old.account().await), (1, me));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn setting_up_goes_on_where_it_was_left() {
    let street = Street::new().await;
    let alice = street.open("alice").await;
    assert_eq!(alice.stage().await, Stage::Welcome);
    let url = format!("http://{}", street.address());
    let relay = waxwing_client::view::RelayChoice::Address { url };
    alice
        .choose_identity("alice".to_owned(), relay.clone())
        .await
        .unwrap();
    alice.close().await;
    let alice = street.open("alice").await;
    alice.create_vault(passphrase(PASSPHRASE)).await.unwrap();
    let shown = alice.recovery_code().await.unwrap();
    alice.close().await;
    let alice = street.open("alice").await;
    assert!(matches!(alice.stage().await, Stage::Locked { .. }));
    alice.app.unlock(passphrase(PASSPHRASE)).await.unwrap();
    let words = alice.recovery_code().await.unwrap();
    assert_ne!(
        words, shown,
        "no code is kept on disk: a fresh one replaces it"
    );
    let wrong = alice
        .confirm_recovery(vec![(1, shown[4..8].join(" "))])
        .await;
    assert_eq!(wrong, Err(Failure::RecoveryMismatch { group: 1 }));
    alice
        .confirm_recovery(vec![(1, words[4..8].join(" "))])
        .await
        .unwrap();
    assert_eq!(alice.finish_onboarding(true).await, Ok(Stage::Open));
    alice.receive("A test envelope").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_is_remembered_only_while_it_could_come_again() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    alice.close().await;
    let remembered = |number: u8| Replay {
        sender: AccountId::new([number; 32]),
        message: MessageId::new([number; 16]),
        until: u64::from(number),
    };
    street.with_vault("alice", |open| {
        let kept = open.store().commit(&mut rand::rng(), |tx| {
            tx.put(&remembered(10))?;
            tx.put(&remembered(60))?;
            let place = Place { relay: 7, seq: 1 };
            tx.carriage().keep(place, 50, 50, b"not to be opened")
        });
        assert!(kept.unwrap());
    });
    let alice = street.open("alice").await;
    alice.unlock().await;
    // The round that removes them ends with this.
    alice
        .until("looked after", async || {
            (alice.me().await.unwrap().relay_shows == RelayShows::Agrees).then_some(())
        })
        .await;
    alice.close().await;
    let (over, fetched_before) = street.with_vault("alice", |open| {
        let seen = |row: Replay| open.store().replay_seen(row.sender, row.message).unwrap();
        (seen(remembered(10)), seen(remembered(60)))
    });
    assert!(!over);
    assert!(fetched_before, "an envelope waits that was fetched before");
}
