//! Rows come back as they were put, in one piece with all else of their commit, or not at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::redundant_closure_for_method_calls)] // the method path needs lifetimes that cannot be named

mod support;

use proptest::prelude::*;
use support::{EPOCH, contact, home, message, outgoing, prekey};
use waxwing_crypto::vault_header::EpochId;
use waxwing_vault::rows::{
    Activity, ActivityKind, Contact, DeliveryState, Draft, DraftId, Incoming, MailBox, Message,
    OutgoingState, OwedAck, OwnCard, Place, PrekeySecret, Replay, Thread, Watch,
};
use waxwing_vault::{Page, VaultError};
use waxwing_wire::ids::{
    AccountId, ConversationId, DeviceId, Digest, EnvelopeId, MailboxId, MessageId,
};
use zeroize::Zeroizing;

#[test]
fn every_kind_of_row_comes_back() {
    let mut home = home();
    let (open, _) = home.create();
    let store = open.store();
    let draft = Draft {
        id: DraftId::generate(&mut home.rng),
        to: vec![AccountId::new([4; 32])],
        subject: Zeroizing::new("s".into()),
        body: Zeroizing::new("b".into()),
        in_reply_to: None,
        files: Vec::new(),
        saved_at: 1,
    };
    let own = OwnCard {
        name: "alice".into(),
        card: vec![1, 2],
        version: 1,
        published: None,
        published_at: None,
        ancestors: Vec::new(),
        revocation: None,
        removed_at: None,
    };
    let thread = Thread {
        conversation: ConversationId::new([1; 32]),
        account: AccountId::new([1; 32]),
        device: DeviceId::new([1; 16]),
        seq: 4,
        last: Digest::of(b"m"),
    };
    let replay = Replay {
        sender: AccountId::new([1; 32]),
        message: MessageId::new([1; 16]),
        until: 9,
    };
    let message = message(MailBox::Sent, 1, "text");
    store
        .commit(&mut home.rng, |tx| {
            tx.put(&contact(1))?;
            tx.put(&draft)?;
            tx.put(&own)?;
            tx.put(&thread)?;
            tx.put(&replay)?;
            tx.put(&message)?;
            tx.put(&prekey(5, EPOCH))
        })
        .unwrap();
    drop((store, open));
    let open = home.unlock();
    let store = open.store();
    assert_eq!(
        store.load::<Contact>(&contact(1).account).unwrap(),
        Some(contact(1))
    );
    assert_eq!(store.load::<Draft>(&draft.id).unwrap(), Some(draft));
    assert_eq!(store.load::<OwnCard>(&()).unwrap(), Some(own));
    let key = (thread.conversation, thread.account, thread.device);
    assert_eq!(store.load::<Thread>(&key).unwrap(), Some(thread));
    assert!(store.replay_seen(replay.sender, replay.message).unwrap());
    assert_eq!(
        store.load::<Message>(&(MailBox::Sent, message.id)).unwrap(),
        Some(message)
    );
    assert_eq!(store.all::<PrekeySecret>().unwrap(), vec![prekey(5, EPOCH)]);
    assert_eq!(
        store.load::<Contact>(&AccountId::new([99; 32])).unwrap(),
        None
    );
    assert_eq!(store.count::<Contact>().unwrap(), 1);
}

#[test]
fn pages_count_and_follow_each_other_both_ways() {
    let mut home = home();
    let (open, _) = home.create();
    let store = open.store();
    store
        .commit(&mut home.rng, |tx| {
            for byte in 0..25 {
                tx.put(&message(MailBox::Inbox, byte, "x"))?;
            }
            tx.put(&message(MailBox::Sent, 200, "x"))
        })
        .unwrap();
    assert_eq!(store.unopened().unwrap(), 25);
    let walk = |mut page: Page| {
        let mut seen = Vec::new();
        loop {
            let listing = store.messages(MailBox::Inbox, &page).unwrap();
            assert_eq!(listing.total, 25);
            seen.extend(listing.rows.iter().map(|m| m.id.as_bytes()[0]));
            match listing.next {
                Some(next) => page.after = Some(next),
                None => return seen,
            }
        }
    };
    assert_eq!(walk(Page::oldest(7)), (0..25).collect::<Vec<_>>());
    assert_eq!(walk(Page::newest(5)), (0..25).rev().collect::<Vec<_>>());

    // an update keeps its place and the counts; a removal leaves no trace in the lists
    let mut third = message(MailBox::Inbox, 3, "x");
    third.opened = true;
    store
        .commit(&mut home.rng, |tx| {
            tx.put(&third)?;
            tx.delete::<Message>(&(MailBox::Inbox, MessageId::new([24; 16])))
        })
        .unwrap();
    assert_eq!(store.unopened().unwrap(), 23);
    let listing = store.messages(MailBox::Inbox, &Page::newest(100)).unwrap();
    assert_eq!(
        (listing.total, listing.rows.len(), listing.next),
        (24, 24, None)
    );
    assert_eq!(listing.rows[20], third.head());
}

#[test]
fn a_sent_message_is_found_by_its_envelopes() {
    let mut home = home();
    let (open, _) = home.create();
    let store = open.store();
    let mut sent = message(MailBox::Sent, 3, "x");
    store.commit(&mut home.rng, |tx| tx.put(&sent)).unwrap();
    sent.recipients[0].deliveries[0].envelope = EnvelopeId::new([77; 16]);
    sent.recipients[0].deliveries[0].state = DeliveryState::AtRelay;
    store.commit(&mut home.rng, |tx| tx.put(&sent)).unwrap();
    for envelope in [3, 77] {
        let found = store
            .find_envelope(&EnvelopeId::new([envelope; 16]))
            .unwrap();
        assert_eq!(found, Some((MailBox::Sent, sent.id)));
    }
    assert_eq!(
        store.find_envelope(&EnvelopeId::new([1; 16])).unwrap(),
        None
    );
}

#[test]
fn a_commit_that_fails_changes_nothing() {
    let mut home = home();
    let (open, _) = home.create();
    let store = open.store();
    let replay = Replay {
        sender: AccountId::new([1; 32]),
        message: MessageId::new([1; 16]),
        until: 9,
    };
    store
        .commit(&mut home.rng, |tx| tx.create(&replay))
        .unwrap();
    let lane = store.lane(&AccountId::new([1; 32])).unwrap();
    let failed = store.commit(&mut home.rng, |tx| {
        tx.put(&contact(1))?;
        tx.carriage().append(&mut outgoing(lane, 1), b"bytes")?;
        tx.create(&replay)
    });
    assert_eq!(failed.unwrap_err(), VaultError::Exists("replays"));
    assert_eq!(store.all::<Contact>().unwrap(), Vec::new());
    assert_eq!(open.carriage().outbox_count().unwrap(), 0);
    let purged = store
        .commit(&mut home.rng, |tx| tx.purge_replays(10))
        .unwrap();
    assert_eq!(purged, 1);
    assert!(!store.replay_seen(replay.sender, replay.message).unwrap());
}

#[test]
fn reads_inside_a_commit_see_its_changes() {
    let mut home = home();
    let (open, _) = home.create();
    open.store()
        .commit(&mut home.rng, |tx| {
            tx.put(&contact(1))?;
            assert_eq!(tx.load::<Contact>(&contact(1).account)?, Some(contact(1)));
            tx.delete::<Contact>(&contact(1).account)?;
            assert_eq!(tx.load::<Contact>(&contact(1).account)?, None);
            Ok::<_, VaultError>(())
        })
        .unwrap();
    assert_eq!(open.store().count::<Contact>().unwrap(), 0);
}

#[test]
fn the_activity_list_is_a_chain() {
    let mut home = home();
    let (open, _) = home.create();
    let store = open.store();
    store
        .commit(&mut home.rng, |tx| {
            tx.record(1, ActivityKind::Created, "")?;
            tx.record(2, ActivityKind::Unlocked, "")
        })
        .unwrap();
    store
        .commit(&mut home.rng, |tx| tx.record(3, ActivityKind::Locked, ""))
        .unwrap();
    assert_eq!(store.check_activity().unwrap(), 3);
    let listing = store.activity(&Page::newest(2)).unwrap();
    assert_eq!(listing.total, 3);
    assert_eq!(
        listing.rows.iter().map(|line| line.at).collect::<Vec<_>>(),
        [3, 2]
    );
    let mut page = Page::newest(2);
    page.after = listing.next;
    assert_eq!(
        store.activity(&page).unwrap().rows[0].kind,
        ActivityKind::Created
    );
    let mut forged: Activity = store.load(&1).unwrap().unwrap();
    forged.at = 7;
    store.commit(&mut home.rng, |tx| tx.put(&forged)).unwrap();
    assert!(matches!(
        store.check_activity(),
        Err(VaultError::Corrupt(_))
    ));
}

#[test]
fn lanes_keep_their_order_while_locked() {
    let mut home = home();
    let (open, _) = home.create();
    let store = open.store();
    let bob = store.lane(&AccountId::new([5; 32])).unwrap();
    let third = store.lane(&AccountId::new([6; 32])).unwrap();
    let long = vec![7; 90_000];
    store
        .commit(&mut home.rng, |tx| {
            tx.carriage().append(&mut outgoing(bob, 1), &long)?;
            tx.carriage().append(&mut outgoing(bob, 2), b"two")?;
            tx.carriage().append(&mut outgoing(third, 3), b"three")
        })
        .unwrap();
    drop((store, open));
    let locked = home.locked();
    let carriage = locked.carriage();
    assert_eq!(carriage.outbox_count().unwrap(), 3);
    let heads = carriage.heads().unwrap();
    assert_eq!(heads.len(), 2);
    let mut head = carriage.head(&bob).unwrap().unwrap();
    assert_eq!(carriage.submission(&head.id).unwrap(), Some(long));
    head.state = OutgoingState::WillRetry;
    head.attempts = 1;
    carriage.commit(|tx| tx.update(&head)).unwrap();
    assert_eq!(carriage.head(&bob).unwrap(), Some(head.clone()));
    carriage.commit(|tx| tx.remove(&head)).unwrap();
    assert_eq!(carriage.submission(&head.id).unwrap(), None);
    assert_eq!(
        carriage.commit(|tx| tx.update(&head)).unwrap_err(),
        VaultError::Missing("carriage/outbox")
    );
    assert_eq!(
        carriage.head(&bob).unwrap().unwrap().id,
        outgoing(bob, 2).id
    );
    assert_eq!(carriage.in_lane(&bob).unwrap().len(), 1);
    assert_eq!(carriage.outbox().unwrap().len(), 2);
    // the lane's order goes on behind what is still in it
    carriage
        .commit(|tx| tx.append(&mut outgoing(bob, 4), b"four"))
        .unwrap();
    let ids: Vec<_> = carriage
        .in_lane(&bob)
        .unwrap()
        .iter()
        .map(|row| row.id.as_bytes()[0])
        .collect();
    assert_eq!(ids, [2, 4]);
}

#[test]
fn fetched_envelopes_are_kept_once_and_owed_an_ack() {
    let mut home = home();
    let (open, _) = home.create();
    let carriage = open.lock().carriage();
    let place = |seq| Place { relay: 0, seq };
    let keep_at = |relay, seq| {
        carriage
            .commit(|tx| tx.keep(Place { relay, seq }, 100, 101, &vec![8; 70_000]))
            .unwrap()
    };
    let keep = |seq| keep_at(0, seq);
    assert!(keep(4) && keep(5));
    assert!(!keep(4), "fetched again after the ack was lost");
    assert_eq!(carriage.cursor(0).unwrap(), 5);
    assert_eq!(carriage.incoming_count().unwrap(), 2);
    assert_eq!(carriage.fetched(place(4)).unwrap(), Some(vec![8; 70_000]));
    assert_eq!(carriage.owed_acks().unwrap().len(), 2);
    carriage
        .commit(|tx| {
            tx.paid(&[place(4)]);
            Ok::<_, VaultError>(())
        })
        .unwrap();
    assert_eq!(carriage.owed_acks().unwrap(), [OwedAck::plain(place(5))]);
    let mut row: Incoming = carriage.incoming().unwrap().remove(0);
    row.reason = Some("unknown-key".into());
    carriage.commit(|tx| tx.update_incoming(&row)).unwrap();
    assert_eq!(carriage.incoming().unwrap()[0], row);
    carriage
        .commit(|tx| {
            tx.remove_incoming(place(4));
            Ok::<_, VaultError>(())
        })
        .unwrap();
    assert_eq!(carriage.fetched(place(4)).unwrap(), None);
    assert!(!keep(4), "opened and removed, then shown again");
    assert!(keep_at(1, 4), "another relay counts for itself");
    assert_eq!(carriage.cursor(1).unwrap(), 4);
    assert_eq!(carriage.incoming_count().unwrap(), 2);

    let watch = Watch {
        envelope: EnvelopeId::new([1; 16]),
        to: MailboxId::new([2; 16]),
        relay: 0,
        state: DeliveryState::AtRelay,
        since: 1,
        unapplied: false,
        statement: None,
        until: 2,
    };
    carriage.commit(|tx| tx.watch(&watch)).unwrap();
    assert_eq!(carriage.watched().unwrap(), std::slice::from_ref(&watch));
    carriage
        .commit(|tx| {
            tx.unwatch(&watch.envelope, &watch.to);
            tx.put_plain("theme", &"dark")
        })
        .unwrap();
    assert_eq!(carriage.watched().unwrap(), []);
    assert_eq!(
        carriage.plain::<String>("theme").unwrap().as_deref(),
        Some("dark")
    );
}

#[test]
fn a_destroyed_epoch_takes_its_prekeys_with_it() {
    let mut home = home();
    let (mut open, _) = home.create();
    let store = open.store();
    let later = EpochId(EPOCH.0 + 1);
    open.update_keyring(&mut home.rng, |keyring, rng| {
        keyring.add_epoch(later, rng);
        Ok::<_, VaultError>(())
    })
    .unwrap();
    store
        .commit(&mut home.rng, |tx| {
            tx.put(&prekey(1, EPOCH))?;
            tx.put(&prekey(2, later))
        })
        .unwrap();
    let unknown = store.commit(&mut home.rng, |tx| tx.put(&prekey(3, EpochId(1))));
    assert_eq!(unknown.unwrap_err(), VaultError::EpochGone);
    open.update_keyring(&mut home.rng, |keyring, _| {
        Ok::<_, VaultError>(keyring.drop_epochs_before(later))
    })
    .unwrap();
    assert_eq!(
        store.load::<PrekeySecret>(&prekey(1, EPOCH).kid).unwrap(),
        None
    );
    assert_eq!(store.all::<PrekeySecret>().unwrap(), [prekey(2, later)]);
    assert_eq!(
        store
            .commit(&mut home.rng, |tx| tx.purge_destroyed_prekeys())
            .unwrap(),
        1
    );
    assert_eq!(store.count::<PrekeySecret>().unwrap(), 1);
}

#[test]
fn commits_from_many_threads_are_all_durable() {
    let mut home = home();
    let (open, _) = home.create();
    let store = open.store();
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let store = store.clone();
            scope.spawn(move || {
                let mut rng = rand::rng();
                for n in 0..25u8 {
                    store
                        .commit(&mut rng, |tx| tx.put(&contact(thread * 50 + n)))
                        .unwrap();
                    store
                        .commit(&mut rng, |tx| {
                            tx.record(u64::from(n), ActivityKind::Locked, "")
                        })
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(store.check_activity().unwrap(), 100);
    drop((store, open));
    assert_eq!(home.unlock().store().all::<Contact>().unwrap().len(), 100);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn any_text_of_any_length_comes_back(bodies in prop::collection::vec(("\\PC{0,40}", 0usize..40_000), 1..8)) {
        let mut home = home();
        let (open, _) = home.create();
        let store = open.store();
        let messages: Vec<_> = (0u8..).zip(&bodies)
            .map(|(byte, (text, length))| message(MailBox::Inbox, byte, &format!("{text}{}", "w".repeat(*length))))
            .collect();
        for message in &messages {
            store.commit(&mut home.rng, |tx| tx.put(message)).unwrap();
        }
        drop((store, open));
        let open = home.unlock();
        let store = open.store();
        let listing = store.messages(MailBox::Inbox, &Page::oldest(100)).unwrap();
        prop_assert_eq!(listing.rows.len(), messages.len());
        for (head, message) in listing.rows.iter().zip(messages) {
            let words: Vec<_> = message.body.split_whitespace().collect();
            prop_assert!(words.join(" ").starts_with(head.preview.as_str()));
            prop_assert!(head.preview.chars().count() <= 140);
            prop_assert_eq!(head.preview.is_empty(), words.is_empty());
            prop_assert_eq!(head, &message.head());
            prop_assert_eq!(store.load(&(MailBox::Inbox, message.id)).unwrap(), Some(message));
        }
    }
}

#[test]
fn what_comes_late_has_its_place_by_time() {
    let mut home = home();
    let (open, _) = home.create();
    let store = open.store();
    let at = |byte: u8, at: u64| Message {
        at,
        ..message(MailBox::Inbox, byte, "text")
    };
    let order = || -> Vec<u8> {
        let listing = store.messages(MailBox::Inbox, &Page::oldest(100)).unwrap();
        let heads = listing.rows.iter();
        heads.map(|head| head.id.as_bytes()[0]).collect()
    };
    store
        .commit(&mut home.rng, |tx| {
            tx.put(&at(1, 100))?;
            tx.put(&at(2, 300))?;
            // A clock that was set back changes no order here.
            tx.put(&at(3, 200))
        })
        .unwrap();
    assert_eq!(order(), [1, 2, 3]);
    for _ in 0..2 {
        store
            .commit(&mut home.rng, |tx| {
                tx.put_by_time(&at(4, 150))?;
                tx.put_by_time(&at(5, 50))?;
                tx.put_by_time(&at(6, 150))?;
                tx.put_by_time(&at(7, 900))
            })
            .unwrap();
        assert_eq!(order(), [5, 1, 4, 6, 2, 3, 7]);
    }
    store
        .commit(&mut home.rng, |tx| tx.put(&at(8, 400)))
        .unwrap();
    assert_eq!(order(), [5, 1, 4, 6, 2, 3, 7, 8]);
}
