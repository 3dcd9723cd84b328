//! Two people exchange sealed envelopes through a relay, without a window.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use waxwing_client::Failure;
use waxwing_client::view::{Folder, OutgoingState, Stage};
use waxwing_tests::engine::{Street, text};
use waxwing_vault::rows::{PrekeyKind, PrekeySecret};
use waxwing_wire::limits::{MAX_ATTACHMENTS, MAX_RECIPIENTS};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_writes_the_other_reads_with_its_files_byte_for_byte() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_bob = alice.add("bob").await;

    let mut large = vec![0; 5 * 1024 * 1024 + 3];
    rand::fill(&mut large[..]);
    let contents = [
        ("empty.bin", vec![]),
        ("large.bin", large),
        ("note.txt", b"hi".to_vec()),
    ];
    let paths: Vec<_> = contents
        .iter()
        .map(|(name, bytes)| {
            let path = street.desk().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        })
        .collect();
    let message = alice
        .send_files(&[&to_bob], "With files", &paths)
        .await
        .unwrap();
    assert_ne!(
        alice.state(&message).await,
        OutgoingState::Sealed,
        "it is in its lane"
    );
    assert_eq!(alice.drafts(None, 10).await.unwrap().total, 0);

    let got = bob.receive("With files").await;
    assert_eq!(got.body, text(&[], "With files").body);
    assert_eq!(
        got.row.from.as_ref().unwrap().name,
        "alice",
        "the relay told the name"
    );
    assert_eq!(got.missing_before, 0);
    assert_eq!(got.files.len(), contents.len());
    let folder = street.desk().join("saved");
    for (file, (name, bytes)) in got.files.iter().zip(&contents) {
        assert_eq!((&*file.name, file.size), (*name, bytes.len() as u64));
        for copy in [(*name).to_owned(), name.replace('.', " (2).")] {
            let saved = bob.save_file(got.row.id.clone(), file.id.clone(), folder.clone());
            saved.await.unwrap();
            assert!(
                std::fs::read(folder.join(copy)).unwrap() == *bytes,
                "{name}"
            );
        }
    }
    alice.until_fetched(&message).await;
    assert_eq!(alice.subjects(Folder::Sent).await, ["With files"]);
    assert_eq!(alice.list(Folder::Outbox).await, []);

    // The answer goes back by itself: who wrote first is known.
    let draft = bob.new_draft(Some(got.row.id)).await.unwrap();
    assert_eq!((&*draft.subject, draft.to.len()), ("Re: With files", 1));
    let answer = text(&[&draft.to[0]], &draft.subject);
    bob.send_draft(draft.id, answer).await.unwrap();
    let back = alice.receive("Re: With files").await;
    assert_eq!(back.body, text(&[], "Re: With files").body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_may_write_first_and_stands_apart() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_bob = alice.add("bob").await;
    alice.send(&[&to_bob], "Hello").await.unwrap();
    let got = bob.receive("Hello").await;
    let from = got.row.from.unwrap();
    assert_eq!(from.address, "alice@localhost");
    let known = bob.contact(from.account.clone()).await.unwrap();
    assert!(known.stranger);
    let added = bob.add_contact("alice@localhost".to_owned()).await.unwrap();
    assert!(!added.stranger);
    assert_eq!(
        added.key_code,
        alice.contact(to_bob).await.unwrap().key_code
    );
    let again = bob.add_contact("alice@localhost".to_owned()).await;
    assert_eq!(again, Err(Failure::ContactExists));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_note_to_oneself_goes_the_whole_way() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let me = alice.account().await;
    for subject in ["One", "Two"] {
        alice.send(&[&me], subject).await.unwrap();
        let got = alice.receive(subject).await;
        assert_eq!((got.body, got.missing_before), (text(&[], subject).body, 0));
    }
    assert_eq!(alice.subjects(Folder::Inbox).await, ["One", "Two"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_one_time_prekey_is_gone_after_opening_and_the_stock_is_refilled() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_bob = alice.add("bob").await;
    let one_time = |kind: PrekeyKind| {
        street.with_vault("bob", |open| {
            let rows: Vec<PrekeySecret> = open.store().all().unwrap();
            let kids = rows
                .iter()
                .filter(|row| row.kind == kind)
                .map(|row| row.kid);
            kids.collect::<std::collections::HashSet<_>>()
        })
    };
    bob.close().await;
    let before = one_time(PrekeyKind::OneTime);
    let bob = street.open("bob").await;
    bob.unlock().await;
    let rounds = 30;
    for round in 0..rounds {
        alice
            .send(&[&to_bob], &format!("Round {round}"))
            .await
            .unwrap();
        bob.receive(&format!("Round {round}")).await;
    }
    bob.close().await;
    let after = one_time(PrekeyKind::OneTime);
    let used = before.difference(&after).count();
    assert!(
        used >= 20,
        "{used} of {rounds} were sealed to a one-time prekey"
    );
    let fresh = after.difference(&before).count();
    assert!(fresh >= 15, "{fresh} were made anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drafts_outbox_and_inbox_survive_a_restart() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_bob = alice.add("bob").await;
    let to_alice = bob.add("alice").await;
    bob.send(&[&to_alice], "Kept").await.unwrap();
    alice.receive("Kept").await;
    let draft = alice.new_draft(None).await.unwrap().id;
    alice
        .save_draft(draft.clone(), text(&[&to_bob], "Unfinished"))
        .await
        .unwrap();
    street.stop_relay().await;
    let waiting = alice.send(&[&to_bob], "Waiting").await.unwrap();

    let alice = street.restart(alice).await;
    assert_eq!(alice.stage().await, Stage::Open);
    let kept = alice.draft(draft).await.unwrap();
    assert_eq!(
        (kept.subject, kept.body),
        ("Unfinished".into(), text(&[], "Unfinished").body)
    );
    assert_eq!(alice.subjects(Folder::Inbox).await, ["Kept"]);
    assert_eq!(alice.subjects(Folder::Outbox).await, ["Waiting"]);
    street.start_relay().await;
    bob.receive("Waiting").await;
    alice.until_fetched(&waiting).await;
    assert_eq!(alice.subjects(Folder::Sent).await, ["Waiting"]);
    let bob = street.restart(bob).await;
    assert_eq!(bob.subjects(Folder::Inbox).await, ["Waiting"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sealing_a_file_that_a_crash_cut_off_goes_on() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_bob = alice.add("bob").await;
    let path = street.desk().join("report.bin");
    std::fs::write(&path, vec![7; 3_000_000]).unwrap();
    let draft = alice.new_draft(None).await.unwrap().id;
    alice.attach(draft.clone(), vec![path]).await.unwrap();
    alice
        .save_draft(draft.clone(), text(&[&to_bob], "Report"))
        .await
        .unwrap();
    alice.close().await;
    street.with_vault("alice", |open| {
        // As a crash in the middle of sealing leaves it.
        let mut rows: Vec<waxwing_vault::rows::Draft> = open.store().all().unwrap();
        rows[0].files[0].sealed = None;
        open.carriage()
            .files()
            .unwrap()
            .remove(rows[0].files[0].id)
            .unwrap();
        open.store()
            .commit(&mut rand::rng(), |tx| tx.put(&rows[0]))
            .unwrap();
    });
    let alice = street.open("alice").await;
    alice.unlock().await;
    alice
        .until("sealing goes on", async || {
            let draft = alice.draft(draft.clone()).await.unwrap();
            (draft.files[0].state == waxwing_client::view::FileState::Here).then_some(())
        })
        .await;
    alice
        .send_draft(draft, text(&[&to_bob], "Report"))
        .await
        .unwrap();
    let got = bob.receive("Report").await;
    let saved = bob.save_file(
        got.row.id,
        got.files[0].id.clone(),
        street.desk().join("saved"),
    );
    saved.await.unwrap();
    assert!(std::fs::read(street.desk().join("saved/report.bin")).unwrap() == vec![7; 3_000_000]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_has_a_most_of_files_and_of_recipients() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let me = alice.account().await;
    let path = street.desk().join("leaf.txt");
    std::fs::write(&path, "leaf").unwrap();
    let draft = alice.new_draft(None).await.unwrap().id;
    let most = vec![path.clone(); MAX_ATTACHMENTS];
    alice.attach(draft.clone(), most).await.unwrap();
    let one_more = alice.attach(draft.clone(), vec![path]).await;
    let limit = u32::try_from(MAX_ATTACHMENTS).unwrap();
    assert_eq!(one_more, Err(Failure::TooManyFiles { limit }));
    alice
        .send_draft(draft, text(&[&me], "All of them"))
        .await
        .unwrap();
    let got = alice.receive("All of them").await;
    assert_eq!(got.files.len(), MAX_ATTACHMENTS);

    let crowd: Vec<String> = (0..=MAX_RECIPIENTS).map(|n| format!("{n:064x}")).collect();
    let crowd: Vec<&str> = crowd.iter().map(String::as_str).collect();
    let sent = alice.send(&crowd, "To a crowd").await;
    let limit = u32::try_from(MAX_RECIPIENTS).unwrap();
    assert_eq!(sent, Err(Failure::TooManyRecipients { limit }));
}
