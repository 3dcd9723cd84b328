//! A second computer of an account: it remembers what the first one does, and both show what either sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::PathBuf;

use waxwing_client::view::{
    ActivityKind, ComparedState, Folder, HistoryState, Notifications, OutgoingState, Settings,
    Theme,
};
use waxwing_crypto::envelope::seal;
use waxwing_crypto::keys::DeviceKey;
use waxwing_crypto::message::{Attachment, Body, HistoryPart, Message as Signed};
use waxwing_crypto::stream::AttachmentKey;
use waxwing_relay::clock::{Clock as _, SystemClock};
use waxwing_tests::cutter::Cutter;
use waxwing_tests::engine::{Engine, Street};
use waxwing_tests::linking::{accept, code, confirm, finish, invited_at, linked};
use waxwing_vault::rows::{Contact, History, MailBox, Message, OwnCard, Place, TakenState};
use waxwing_wire::card::Card;
use waxwing_wire::envelope::{Envelope, Header};
use waxwing_wire::ids::{AccountId, AttachmentId, ConversationId, Digest, EnvelopeId, MessageId};
use waxwing_wire::prekey::Prekey;

/// A file of bytes that do not repeat.
fn file(street: &Street, length: u64) -> (PathBuf, Vec<u8>) {
    let path = street.desk().join("figures.bin");
    let bytes: Vec<u8> = (0..length).map(|at| (at * at % 251) as u8).collect();
    std::fs::write(&path, &bytes).unwrap();
    (path, bytes)
}

/// How far the one history of a computer is.
async fn state(engine: &Engine) -> Option<HistoryState> {
    let histories = engine.histories().await.unwrap();
    histories.into_iter().next().map(|history| history.state)
}

async fn until_done(engine: &Engine) {
    engine
        .until("the history is done", async || {
            matches!(state(engine).await, Some(HistoryState::Done { .. })).then_some(())
        })
        .await;
}

async fn did(engine: &Engine) -> Vec<ActivityKind> {
    let lines = engine.activity(None, 100).await.unwrap().items;
    lines.into_iter().map(|line| line.kind).collect()
}

/// Two hundred messages with somebody, put into a closed vault, older than everything in it.
fn remember(street: &Street, name: &str, with: &str) {
    street.with_vault(name, |open| {
        let store = open.store();
        let with = with.parse().unwrap();
        let page = waxwing_vault::Page::newest(1);
        let head = store
            .messages(MailBox::Inbox, &page)
            .unwrap()
            .rows
            .remove(0);
        let like: Message = store.load(&(MailBox::Inbox, head.id)).unwrap().unwrap();
        for number in 0..200u64 {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            let message = Message {
                id: MessageId::new(id),
                sender: with,
                subject: format!("Old {number}").into(),
                at: like.at - 1000 + number,
                relay_at: Some(like.at - 1000 + number),
                attachments: Vec::new(),
                opened: true,
                ..like.clone()
            };
            let put = store.commit(&mut rand::rng(), |tx| tx.put_by_time(&message));
            put.unwrap();
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_computer_remembers_what_the_old_one_does() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_bob = alice.add("bob").await;
    alice
        .rename_contact(to_bob.clone(), "Bob next door".to_owned())
        .await
        .unwrap();
    alice.mark_compared(to_bob.clone(), true).await.unwrap();
    let (path, bytes) = file(&street, 3_000_000);
    let to_alice = bob.add("alice").await;
    bob.send_files(&[&to_alice], "Figures", &[path])
        .await
        .unwrap();
    let got = alice.receive("Figures").await;
    let desk = street.desk();
    let saved = alice
        .save_file(got.row.id, got.files[0].id.clone(), desk.clone())
        .await;
    saved.unwrap();
    let sent = alice.send(&[&to_bob], "From before").await.unwrap();
    alice.until_fetched(&sent).await;
    let chosen = Settings {
        theme: Theme::Dark,
        notifications: Notifications::None,
        ..alice.settings().await.unwrap()
    };
    alice.save_settings(chosen.clone()).await.unwrap();
    alice.close().await;
    remember(&street, "alice", &to_bob);
    let alice = street.open("alice").await;
    alice.unlock().await;
    alice.online().await;
    let wanted = alice.subjects(Folder::Inbox).await;
    assert_eq!(wanted.len(), 201);

    let laptop = linked(&street, &alice, "laptop").await;
    until_done(&laptop).await;
    until_done(&alice).await;
    assert_eq!(laptop.subjects(Folder::Inbox).await, wanted);
    assert_eq!(laptop.subjects(Folder::Sent).await, ["From before"]);
    let sent = laptop.list(Folder::Sent).await.remove(0);
    assert_eq!(sent.to.len(), 1);
    assert_eq!(sent.to[0].party.name, "Bob next door");
    assert_eq!(sent.to[0].state, OutgoingState::Elsewhere);
    let contact = laptop.contact(to_bob.clone()).await.unwrap();
    assert_eq!(contact.name, "Bob next door");
    assert_eq!(contact.compared, ComparedState::Compared);
    assert_eq!(laptop.settings().await.unwrap(), chosen);
    assert_eq!(laptop.status().await.waiting, 0);

    // The file is here, and not only at the relay.
    street.stop_relay().await;
    let got = laptop.receive("Figures").await;
    let folder = desk.join("laptop");
    std::fs::create_dir_all(&folder).unwrap();
    laptop
        .save_file(got.row.id, got.files[0].id.clone(), folder.clone())
        .await
        .unwrap();
    assert_eq!(std::fs::read(folder.join("figures.bin")).unwrap(), bytes);
    street.start_relay().await;

    assert!(did(&alice).await.contains(&ActivityKind::HistoryGiven));
    assert!(did(&laptop).await.contains(&ActivityKind::HistoryTaken));
    // It counts on where the old one stood: no gap, and no second copy of what both were sent.
    laptop.online().await;
    // Bob finds the new computer by what it writes.
    laptop.send(&[&to_bob], "From the new one").await.unwrap();
    bob.receive("From the new one").await;
    bob.send(&[&to_alice], "And now").await.unwrap();
    assert_eq!(laptop.receive("And now").await.missing_before, 0);
    // Given once more, it changes nothing.
    let device = alice.devices().await.unwrap()[1].id.clone();
    let before = laptop.subjects(Folder::Inbox).await;
    alice.give_history(device).await.unwrap();
    alice
        .until("under way", async || {
            (!matches!(state(&alice).await, Some(HistoryState::Done { .. }))).then_some(())
        })
        .await;
    until_done(&alice).await;
    assert_eq!(laptop.subjects(Folder::Inbox).await, before);
    let sent = ["From before", "From the new one"];
    assert_eq!(laptop.subjects(Folder::Sent).await, sent);
    assert_eq!(alice.subjects(Folder::Sent).await, sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_survives_absent_relays_lost_answers_and_restarts() {
    let (street, cutter) = Cutter::street().await;
    let address = cutter.address();
    let alice = street.person_at("alice", address).await;
    let bob = street.person_at("bob", address).await;
    let to_alice = bob.add("alice").await;
    let (path, _) = file(&street, 2_500_000);
    bob.send_files(&[&to_alice], "Figures", &[path])
        .await
        .unwrap();
    let got = alice.receive("Figures").await;
    let desk = street.desk();
    let saved = alice.save_file(got.row.id, got.files[0].id.clone(), desk);
    saved.await.unwrap();
    let laptop = street.open("laptop").await;
    let invitation = invited_at(address, &laptop).await.unwrap();
    accept(&alice, &invitation).await.unwrap();
    let code = code(&laptop).await;
    confirm(&alice, &code).await.unwrap();
    // Its vault is made, and the old computer is gone before it can give anything.
    let alice = street.restart(alice).await;
    cutter.cut(&[
        ("POST", "/v1/attachments"),
        ("PATCH", "/v1/attachments/"),
        ("POST", "/v1/envelopes"),
        ("GET", "/v1/attachments/"),
    ]);
    finish(&laptop).await;
    laptop
        .until("a part is here", async || {
            (!laptop.histories().await.unwrap().is_empty()).then_some(())
        })
        .await;
    let laptop = street.restart(laptop).await;
    until_done(&laptop).await;
    until_done(&alice).await;
    assert_eq!(laptop.subjects(Folder::Inbox).await, ["Figures"]);
    laptop.close().await;
    street.with_vault("laptop", |open| {
        let store = open.store();
        let row: History = store.load(&()).unwrap().unwrap();
        assert_eq!(row.taken[0].state, TakenState::Done);
        assert!(row.taken[0].parts.is_empty());
        let contacts = store.all::<Contact>().unwrap().len();
        assert_eq!(contacts, 2);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_computer_sends_stands_in_the_others_sent() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let laptop = linked(&street, &alice, "laptop").await;
    until_done(&alice).await;
    let to_bob = alice.add("bob").await;
    for (from, other, subject) in [
        (&alice, &laptop, "From the desk"),
        (&laptop, &alice, "From the laptop"),
    ] {
        let sent = from.send(&[&to_bob], subject).await.unwrap();
        bob.receive(subject).await;
        from.until_fetched(&sent).await;
        let row = other
            .until("it stands in Sent", async || {
                let rows = other.list(Folder::Sent).await;
                rows.into_iter().find(|row| row.subject == subject)
            })
            .await;
        let names: Vec<&str> = row.to.iter().map(|to| to.party.name.as_str()).collect();
        assert_eq!(names, ["bob"]);
        assert_eq!(row.to[0].state, OutgoingState::Elsewhere);
        // Here it shows Bob alone, and how far it is for him.
        let here = from.envelope(sent).await.unwrap().row;
        assert_eq!(here.to.len(), 1);
        assert_eq!(here.to[0].state, OutgoingState::Fetched);
        assert_eq!(other.copies(subject).await, 0, "not in the inbox");
        assert_eq!(from.copies(subject).await, 0);
    }
    // A note to oneself stands in both lists of both.
    let me = alice.account().await;
    alice.send(&[&me], "A note").await.unwrap();
    for engine in [&alice, &laptop] {
        engine.receive("A note").await;
        let sent = engine.subjects(Folder::Sent).await;
        assert!(sent.contains(&"A note".to_owned()), "{sent:?}");
    }
    // Bob answers to what the laptop wrote, and the desk has no gap.
    let answer = bob.send(&[&me], "An answer").await.unwrap();
    for engine in [&alice, &laptop] {
        assert_eq!(engine.receive("An answer").await.missing_before, 0);
    }
    bob.until_fetched(&answer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_out_of_the_outbox_reaches_no_computer() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let laptop = linked(&street, &alice, "laptop").await;
    until_done(&alice).await;
    let to_bob = alice.add("bob").await;
    let first = alice.send(&[&to_bob], "First").await.unwrap();
    alice.until_fetched(&first).await;
    street.stop_relay().await;
    alice.offline().await;
    let wrong = alice.send(&[&to_bob], "A mistake").await.unwrap();
    assert_eq!(alice.status().await.outbox, 1, "the copy is not counted");
    alice.cancel_send(wrong).await.unwrap();
    assert_eq!(alice.status().await.outbox, 0);
    street.start_relay().await;
    alice.online().await;
    alice.try_now(None).await.unwrap();
    alice.send(&[&to_bob], "Second").await.unwrap();
    bob.receive("Second").await;
    laptop
        .until("the second", async || {
            let sent = laptop.subjects(Folder::Sent).await;
            sent.contains(&"Second".to_owned()).then_some(())
        })
        .await;
    assert_eq!(laptop.subjects(Folder::Sent).await, ["First", "Second"]);
    assert_eq!(bob.copies("A mistake").await, 0);
}

/// Gives the laptop another history while it is closed, and lets its vault believe that the one part of
/// it came already: as it is, or with another key than it was sealed under.
async fn give_by_hand(street: &Street, alice: Engine, is_damaged: bool) -> Engine {
    let device = alice.devices().await.unwrap()[1].id.clone();
    alice.give_history(device).await.unwrap();
    alice
        .until("sent", async || {
            matches!(state(&alice).await, Some(HistoryState::Sent { .. })).then_some(())
        })
        .await;
    alice.close().await;
    let given = street.with_vault("alice", |open| {
        let row: History = open.store().load(&()).unwrap().unwrap();
        row.given[0].clone()
    });
    assert_eq!(given.parts.len(), 1);
    let mut file = given.parts[0].file.clone();
    file.key[0] ^= u8::from(is_damaged);
    street.with_vault("laptop", |open| {
        let store = open.store();
        let mut row: History = store.load(&()).unwrap().unwrap();
        let taken = &mut row.taken[0];
        (taken.id, taken.begun) = (given.id, given.begun);
        (taken.state, taken.next, taken.last) = (TakenState::Underway, 1, Some(1));
        taken.parts = vec![(1, file)];
        let put = store.commit(&mut rand::rng(), |tx| tx.put(&row));
        put.unwrap();
    });
    let alice = street.open("alice").await;
    alice.unlock().await;
    alice
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_is_taken_in_twice_changes_nothing_and_a_damaged_one_is_refused() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_alice = bob.add("alice").await;
    for subject in ["First", "Second", "Third"] {
        bob.send(&[&to_alice], subject).await.unwrap();
        alice.receive(subject).await;
    }
    let laptop = linked(&street, &alice, "laptop").await;
    until_done(&laptop).await;
    until_done(&alice).await;
    let rows = async |engine: &Engine| {
        let contacts = engine.contacts().await.unwrap();
        (engine.list(Folder::Inbox).await, contacts)
    };
    let before = rows(&laptop).await;
    assert_eq!(before.0.len(), 3);
    laptop.close().await;
    let alice = give_by_hand(&street, alice, false).await;
    let laptop = street.open("laptop").await;
    laptop.unlock().await;
    until_done(&laptop).await;
    until_done(&alice).await;
    assert_eq!(rows(&laptop).await, before);

    laptop.close().await;
    let alice = give_by_hand(&street, alice, true).await;
    let laptop = street.open("laptop").await;
    laptop.unlock().await;
    laptop
        .until("it is refused", async || {
            matches!(state(&laptop).await, Some(HistoryState::Failed { .. })).then_some(())
        })
        .await;
    assert_eq!(rows(&laptop).await, before);
    // The old computer gives it again.
    let device = alice.devices().await.unwrap()[1].id.clone();
    alice.give_history(device).await.unwrap();
    until_done(&laptop).await;
    until_done(&alice).await;
    assert_eq!(rows(&laptop).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_gives_a_history() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_bob = alice.add("bob").await;
    let to_alice = bob.add("alice").await;
    // They know each other, and Bob has prekeys of hers.
    alice.send(&[&to_bob], "Hello").await.unwrap();
    bob.receive("Hello").await;
    bob.send(&[&to_alice], "Hello back").await.unwrap();
    alice.receive("Hello back").await;
    bob.until("a prekey of hers", async || {
        let contact = bob.contact(to_alice.clone()).await.unwrap();
        (contact.compared == ComparedState::NotCompared).then_some(())
    })
    .await;
    bob.close().await;
    alice.close().await;
    let to: AccountId = to_alice.parse().unwrap();
    let envelope = street.with_vault("bob", |open| {
        let store = open.store();
        let her: Contact = store.load(&to).unwrap().unwrap();
        let card = Card::decode(&her.card).unwrap().verify_self().unwrap();
        let spare = &her.spares[0];
        let record = spare.one_time.as_ref().or(spare.signed.as_ref()).unwrap();
        let now = SystemClock.now();
        let prekey = Prekey::decode(record).unwrap().verify(&card, now).unwrap();
        let own: OwnCard = store.load(&()).unwrap().unwrap();
        let keyring = open.keyring();
        let rng = &mut rand::rng();
        let message = Signed {
            msg_id: MessageId::new([1; 16]),
            conversation: ConversationId::derive(&[keyring.account_id, to]),
            sender: keyring.account_id,
            device: keyring.device_id,
            sender_card: Digest::of(&own.card),
            recipients: vec![(to, card.body().version)],
            sent_at: now,
            seq: 1,
            previous: None,
            body: Body::History(HistoryPart {
                history: [1; 16],
                begun: now,
                number: 1,
                is_last: true,
                total: 1,
            }),
            attachments: vec![Attachment {
                att_id: AttachmentId::new([1; 16]),
                key: AttachmentKey::generate(rng),
                sealed_length: 312,
                sha256: Digest::of(b"his"),
                length: 1,
                name: "history".to_owned(),
                media_type: "application/octet-stream".to_owned(),
            }],
        };
        let header = Header {
            env_id: EnvelopeId::new([1; 16]),
            expires_at: now + 3600,
        };
        let key = DeviceKey::from_seed(&keyring.device);
        let sealed = seal(&message, &key, &[prekey], header, rng).unwrap();
        let (_, submission) = sealed.submissions.into_iter().next().unwrap();
        let (to, entry) = submission.entries.into_iter().next().unwrap();
        Envelope {
            header,
            to,
            content: submission.content,
            entry,
        }
        .encode()
    });
    street.with_vault("alice", |open| {
        let place = Place {
            relay: 0,
            seq: 1_000_000,
        };
        let now = SystemClock.now();
        let kept = open
            .carriage()
            .commit(|tx| tx.keep(place, now, now, &envelope));
        assert!(kept.unwrap());
    });
    let alice = street.open("alice").await;
    alice.unlock().await;
    alice
        .until("it is looked at", async || {
            let stage = alice.status().await;
            (stage.waiting == 0).then_some(())
        })
        .await;
    assert_eq!(alice.histories().await, Ok(Vec::new()));
    assert_eq!(alice.subjects(Folder::Inbox).await, ["Hello back"]);
}
