//! A new root key for the whole store: what must be the same afterwards, and who opens it when.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ciborium::Value;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use support::{EPOCH, Home, contact, drop_box, home, message, outgoing, passphrase, prekey, told};
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_crypto::vault_header::EpochId;
use waxwing_vault::rows::{
    Activity, ActivityKind, Contact, Draft, DraftId, DropBox, Head, MailBox, Message, OutgoingId,
    OwnCard, Place, PrekeySecret, Replay, Thread, Watch,
};
use waxwing_vault::{Damage, Open, Page, RekeyStep, State, Store, UnlockError, Vault, VaultError};
use waxwing_wire::ids::{
    AccountId, ConversationId, DeviceId, Digest, EnvelopeId, KeyId, MailboxId, MessageId,
};

fn new() -> Passphrase {
    Passphrase::new("nine loud geese sail over the mountain")
}

/// Somebody who is written to and is no contact.
const STRANGER: u8 = 222;

fn draft(byte: u8, body: &str) -> Draft {
    Draft {
        id: DraftId([byte; 16]),
        to: vec![AccountId::new([byte; 32])],
        subject: format!("Draft {byte}").into(),
        body: body.to_owned().into(),
        in_reply_to: None,
        files: Vec::new(),
        saved_at: 7,
    }
}

/// Rows of every kind, some of them changed and removed again.
fn fill(open: &Open, rng: &mut StdRng) {
    let store = open.store();
    let bytes: Vec<u8> = (1..=150).collect();
    for some in bytes.chunks(10) {
        store
            .commit(rng, |tx| {
                for byte in some.iter().copied() {
                    tx.put(&contact(byte))?;
                    tx.put(&message(
                        MailBox::Inbox,
                        byte,
                        &"long ".repeat(40 * usize::from(byte)),
                    ))?;
                    tx.put(&message(MailBox::Sent, byte, "short"))?;
                    tx.put(&draft(byte, "half a sentence"))?;
                    tx.put(&drop_box(byte))?;
                    tx.put(&prekey(byte, EPOCH))?;
                    tx.create(&Replay {
                        sender: AccountId::new([byte; 32]),
                        message: MessageId::new([byte; 16]),
                        until: 9,
                    })?;
                    tx.record(u64::from(byte), ActivityKind::CardPublished, "line")?;
                    let mut row = outgoing(tx.lane(&AccountId::new([1 + byte % 5; 32]))?, byte);
                    tx.carriage().append(&mut row, &vec![byte; 9000])?;
                    let place = Place {
                        relay: u32::from(byte % 2),
                        seq: u64::from(byte),
                    };
                    tx.carriage().keep(place, 1, 2, &vec![byte; 700])?;
                    tx.carriage().watch(&Watch {
                        envelope: EnvelopeId::new([byte; 16]),
                        to: MailboxId::new([byte; 16]),
                        relay: 0,
                        state: waxwing_vault::rows::DeliveryState::AtRelay,
                        since: 1,
                        unapplied: true,
                        statement: None,
                        until: 99,
                    })?;
                }
                Ok::<_, VaultError>(())
            })
            .unwrap();
    }
    store
        .commit(rng, |tx| {
            tx.put(&OwnCard {
                name: "alice".into(),
                card: vec![7; 500],
                version: 1,
                published: Some(1),
                published_at: Some(2),
                ancestors: Vec::new(),
                revocation: None,
                removed_at: None,
            })?;
            tx.put(&Thread {
                conversation: ConversationId::new([1; 32]),
                account: AccountId::new([1; 32]),
                device: DeviceId::new([1; 16]),
                seq: 4,
                last: Digest::of(b"x"),
            })?;
            tx.carriage().move_to("relay.one", 5)?;
            let mut to_stranger = message(MailBox::Sent, STRANGER, "to nobody known");
            to_stranger.recipients[0].account = AccountId::new([STRANGER; 32]);
            tx.put(&to_stranger)?;
            let lane = tx.lane(&AccountId::new([STRANGER; 32]))?;
            tx.carriage()
                .append(&mut outgoing(lane, STRANGER), b"sealed")?;
            for byte in 1..=20 {
                let mut looked_at = message(MailBox::Inbox, byte, "looked at");
                looked_at.opened = true;
                tx.put(&looked_at)?;
                tx.delete::<Message>(&(MailBox::Inbox, MessageId::new([byte + 100; 16])))?;
            }
            // Sealed again: an earlier envelope of it is still asked about.
            let mut again = message(MailBox::Sent, 3, "short");
            again.recipients[0].deliveries[0].envelope = EnvelopeId::new([203; 16]);
            tx.put(&again)
        })
        .unwrap();
}

/// Everything that a person, a loop or a window can ask for.
struct Seen {
    messages: Vec<(MailBox, Vec<Head>, Vec<Message>)>,
    unopened: u64,
    sets: [Vec<String>; 7],
    activity: Vec<Activity>,
    whole: u64,
    outbox: Vec<Vec<(EnvelopeId, u64, Vec<u8>)>>,
    incoming: Vec<(Place, Vec<u8>)>,
    rest: [Vec<String>; 3],
    cursors: [u64; 2],
    envelopes: Vec<Option<(MailBox, MessageId)>>,
    counts: [u64; 8],
}

fn see(open: &Open) -> Seen {
    let (store, carriage) = (open.store(), open.carriage());
    let list = |mailbox| {
        let listing = store.messages(mailbox, &Page::oldest(10_000)).unwrap();
        assert_eq!(listing.total, listing.rows.len() as u64);
        let whole = listing.rows.iter().map(|head| {
            let message = store.load::<Message>(&(mailbox, head.id)).unwrap().unwrap();
            assert_eq!(message.head(), *head);
            message
        });
        let whole = whole.collect();
        (mailbox, listing.rows, whole)
    };
    // Message's Debug hides its text; the others show all but secrets.
    let lane = |byte: u8| {
        let lane = store.lane(&AccountId::new([byte; 32])).unwrap();
        let rows = carriage.in_lane(&lane).unwrap();
        let told = |row: &waxwing_vault::rows::Outgoing| {
            let bytes = carriage.submission(&row.id).unwrap().unwrap();
            (row.envelope, row.position, bytes)
        };
        rows.iter().map(told).collect()
    };
    let incoming = carriage.incoming().unwrap();
    Seen {
        messages: vec![list(MailBox::Inbox), list(MailBox::Sent)],
        unopened: store.unopened().unwrap(),
        sets: [
            sorted(&store.all::<Contact>().unwrap(), |row| format!("{row:?}")),
            sorted(&store.all::<Draft>().unwrap(), |row| {
                format!("{:?}{:?}{:?}", row.id, *row.subject, *row.body)
            }),
            sorted(&store.all::<Replay>().unwrap(), |row| format!("{row:?}")),
            sorted(&store.all::<DropBox>().unwrap(), told),
            sorted(&store.all::<OwnCard>().unwrap(), |row| format!("{row:?}")),
            sorted(&store.all::<Thread>().unwrap(), |row| format!("{row:?}")),
            sorted(&store.all::<PrekeySecret>().unwrap(), |row| {
                format!("{row:?}{:?}{:?}", row.secret, row.record)
            }),
        ],
        activity: store.activity(&Page::oldest(10_000)).unwrap().rows,
        whole: store.check_activity().unwrap(),
        outbox: (1..=6).chain([STRANGER]).map(lane).collect(),
        incoming: incoming
            .iter()
            .map(|row| (row.place(), carriage.fetched(row.place()).unwrap().unwrap()))
            .collect(),
        rest: [
            sorted(&carriage.owed_acks().unwrap(), |row| format!("{row:?}")),
            sorted(&carriage.watched().unwrap(), |row| format!("{row:?}")),
            sorted(&carriage.relays().unwrap(), |row| format!("{row:?}")),
        ],
        cursors: [carriage.cursor(0).unwrap(), carriage.cursor(1).unwrap()],
        envelopes: (0..=255)
            .map(|byte| store.find_envelope(&EnvelopeId::new([byte; 16])).unwrap())
            .collect(),
        counts: [
            store.count::<Contact>().unwrap(),
            store.count::<Message>().unwrap(),
            store.count::<Draft>().unwrap(),
            store.count::<Replay>().unwrap(),
            store.count::<PrekeySecret>().unwrap(),
            store.count::<Activity>().unwrap(),
            carriage.outbox_count().unwrap(),
            carriage.incoming_count().unwrap(),
        ],
    }
}

/// As `assert_eq`, and says which part differs.
fn assert_same(after: &Seen, before: &Seen) {
    assert_eq!(after.messages, before.messages);
    assert_eq!(after.unopened, before.unopened);
    assert_eq!(after.sets, before.sets);
    assert_eq!(
        (&after.activity, after.whole),
        (&before.activity, before.whole)
    );
    assert_eq!(after.outbox, before.outbox);
    assert_eq!(after.incoming, before.incoming);
    assert_eq!((&after.rest, after.cursors), (&before.rest, before.cursors));
    assert_eq!(after.envelopes, before.envelopes);
    assert_eq!(after.counts, before.counts);
}

fn sorted<T>(rows: &[T], told: impl Fn(&T) -> String) -> Vec<String> {
    let mut rows: Vec<String> = rows.iter().map(told).collect();
    rows.sort();
    rows
}

fn begin(open: &mut Open, rng: &mut StdRng) -> RecoveryCode {
    open.begin_rekey(&passphrase(), &new(), KdfParams::FLOOR, rng)
        .unwrap()
}

fn copy_all(open: &mut Open, rng: &mut StdRng) {
    while open.step_rekey(rng).unwrap() != RekeyStep::Ready {}
}

fn stores(home: &Home) -> Vec<String> {
    let names = fs::read_dir(&home.dir).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("store") || name == "vault.tmp")
        .collect();
    names.sort();
    names
}

fn only_opens(home: &Home, right: &Passphrase, wrong: &Passphrase) -> Open {
    let (locked, error) = home.locked().unlock(wrong).unwrap_err();
    assert_eq!(error, UnlockError::WrongPassphrase);
    locked.unlock(right).unwrap()
}

/// The wrapped root keys of a header's slots (docs/protocol.md section 6).
fn wrapped_keys(header: &Path) -> Vec<Vec<u8>> {
    let field = |value: &Value, label: i64| {
        let mut entries = value.as_map().unwrap().iter();
        let found = entries.find(|(key, _)| *key == Value::from(label));
        found.unwrap().1.clone()
    };
    let header: Value = ciborium::from_reader(fs::read(header).unwrap().as_slice()).unwrap();
    let slots = field(&header, 4).into_array().unwrap();
    let wrapped = slots.iter().map(|slot| field(slot, 5).into_bytes());
    wrapped.map(Result::unwrap).collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let (dirs, mut found): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    found.extend(dirs.iter().flat_map(|dir| files(dir)));
    found
}

#[test]
fn everything_is_the_same_under_the_new_keys_and_nothing_of_the_old_is_left() {
    let mut home = home();
    let (open, old_code) = home.create();
    fill(&open, &mut home.rng);
    let before = see(&open);
    let old_names: Vec<Vec<u8>> = support::raw_keys(&home, open, "messages");
    let old_slots = wrapped_keys(&home.dir.join("vault.cbor"));
    let mut open = home.unlock();
    let code = begin(&mut open, &mut home.rng);
    assert_eq!(open.rekey().unwrap().copied, 0);
    copy_all(&mut open, &mut home.rng);
    assert_eq!(open.rekey().unwrap().percent(), 100);
    assert_same(&see(&open), &before);
    open.finish_rekey(&new(), &code, &mut home.rng).unwrap();
    assert_eq!(open.rekey(), None);
    assert_same(&see(&open), &before);
    assert_eq!(stores(&home), ["store-1"]);
    assert!(!home.dir.join("store-1/unfinished").exists());
    drop(open);
    for wrapped in &old_slots {
        let left = files(&home.dir).into_iter().find(|file| {
            let bytes = fs::read(file).unwrap();
            bytes.windows(wrapped.len()).any(|part| part == wrapped)
        });
        assert_eq!(left, None, "holds an old wrapped key");
    }
    let open = only_opens(&home, &new(), &passphrase());
    assert_same(&see(&open), &before);
    assert!(open.check_recovery(&code).unwrap());
    assert!(!open.check_recovery(&old_code).unwrap());
    let names = support::raw_keys(&home, open, "messages");
    assert_eq!(names.len(), old_names.len());
    assert!(names.iter().all(|name| !old_names.contains(name)));

    // And once more, from a numbered store.
    let mut open = home.locked().unlock(&new()).unwrap();
    let code = open
        .begin_rekey(&new(), &passphrase(), KdfParams::FLOOR, &mut home.rng)
        .unwrap();
    copy_all(&mut open, &mut home.rng);
    open.finish_rekey(&passphrase(), &code, &mut home.rng)
        .unwrap();
    assert_same(&see(&open), &before);
    drop(open);
    assert_eq!(stores(&home), ["store-2"]);
    assert_same(&see(&only_opens(&home, &passphrase(), &new())), &before);
}

#[test]
fn what_is_written_changed_and_removed_meanwhile_is_there_afterwards() {
    let mut home = home();
    let (mut open, _) = home.create();
    fill(&open, &mut home.rng);
    let code = begin(&mut open, &mut home.rng);
    let store = open.store();
    let mut rng = StdRng::seed_from_u64(3);
    let mut byte = 0u8;
    let mut steps = 0;
    // Before, behind and at the place that is being copied; some rows more than once.
    while open.step_rekey(&mut home.rng).unwrap() != RekeyStep::Ready || steps < 40 {
        steps += 1;
        byte = byte.wrapping_mul(5).wrapping_add(31);
        change(&store, byte, &mut rng);
        if steps > 200 {
            break;
        }
    }
    change(&store, 77, &mut rng);
    let before = see(&open);
    open.finish_rekey(&new(), &code, &mut home.rng).unwrap();
    assert_same(&see(&open), &before);
    // The handle from before goes on in the new store.
    change(&store, 12, &mut rng);
    let before = see(&open);
    drop((open, store));
    assert_same(&see(&only_opens(&home, &new(), &passphrase())), &before);
}

fn change(store: &Store, byte: u8, rng: &mut StdRng) {
    // What goes to the stranger stays: nothing else says whose lane it is.
    let byte = byte + u8::from([STRANGER, STRANGER ^ 0x80].contains(&byte));
    store
        .commit(rng, |tx| {
            tx.delete::<Draft>(&DraftId([byte; 16]))?;
            tx.put(&draft(byte.wrapping_add(1), "another sentence"))?;
            let inbox = (MailBox::Inbox, MessageId::new([byte; 16]));
            match tx.load::<Message>(&inbox)? {
                Some(mut there) if byte.is_multiple_of(3) => {
                    there.opened = !there.opened;
                    tx.put(&there)?;
                }
                Some(_) => tx.delete::<Message>(&inbox)?,
                None => tx.put(&message(MailBox::Inbox, byte, "again"))?,
            }
            let mut sent = message(MailBox::Sent, byte, "sealed again");
            sent.recipients[0].deliveries[0].envelope = EnvelopeId::new([byte ^ 0x80; 16]);
            tx.put(&sent)?;
            tx.delete::<PrekeySecret>(&KeyId::new([byte; 16]))?;
            tx.purge_replays(if byte.is_multiple_of(7) { 10 } else { 0 })?;
            tx.record(5, ActivityKind::Unlocked, "")?;
            let lane = tx.lane(&AccountId::new([1 + byte % 5; 32]))?;
            let mut row = outgoing(lane, byte);
            row.id = OutgoingId::generate(&mut rand::rng());
            tx.carriage().append(&mut row, &[byte; 20])?;
            let gone = Place {
                relay: u32::from(byte % 2),
                seq: u64::from(byte),
            };
            tx.carriage().paid(&[gone]);
            tx.carriage().remove_incoming(gone);
            tx.carriage()
                .unwatch(&EnvelopeId::new([byte; 16]), &MailboxId::new([byte; 16]));
            tx.carriage().put_plain("note", &byte)
        })
        .unwrap();
    let carriage = store.carriage();
    let first = carriage.heads().unwrap().into_iter().next().unwrap();
    carriage.commit(|tx| tx.remove(&first)).unwrap();
}

#[test]
fn others_read_and_write_without_a_stop_through_the_whole() {
    let mut home = home();
    let (mut open, _) = home.create();
    fill(&open, &mut home.rng);
    let code = begin(&mut open, &mut home.rng);
    let (store, done) = (open.store(), AtomicBool::new(false));
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut rng = StdRng::seed_from_u64(4);
            let mut written = 0u64;
            let mut after = 0;
            while after < 20 {
                after += u64::from(done.load(Ordering::Relaxed));
                store
                    .commit(&mut rng, |tx| {
                        tx.put(&draft(200, &written.to_string()))?;
                        tx.record(written, ActivityKind::CardExported, "")
                    })
                    .unwrap();
                written += 1;
            }
            written
        });
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for byte in 1..=150 {
                    let there = store.load::<Contact>(&AccountId::new([byte; 32])).unwrap();
                    assert_eq!(there, Some(contact(byte)));
                }
                let sent = store.messages(MailBox::Sent, &Page::newest(200)).unwrap();
                assert_eq!(sent.rows.len(), 151);
                let lane = store.lane(&AccountId::new([1; 32])).unwrap();
                assert_eq!(store.carriage().in_lane(&lane).unwrap().len(), 30);
            }
        });
        copy_all(&mut open, &mut home.rng);
        open.finish_rekey(&new(), &code, &mut home.rng).unwrap();
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
        writer.join().unwrap()
    });
    let last = store.load::<Draft>(&DraftId([200; 16])).unwrap().unwrap();
    assert_eq!(*last.body, (written - 1).to_string());
    assert_eq!(store.check_activity().unwrap(), 150 + written);
    drop((open, store));
    assert_eq!(stores(&home), ["store-1"]);
    drop(only_opens(&home, &new(), &passphrase()));
}

#[test]
fn after_a_crash_it_goes_on_where_it_was_or_is_undone() {
    let mut home = home();
    let (mut open, old_code) = home.create();
    fill(&open, &mut home.rng);
    begin(&mut open, &mut home.rng);
    for _ in 0..11 {
        open.step_rekey(&mut home.rng).unwrap();
    }
    let far = open.rekey().unwrap();
    assert!(far.copied > 300 && far.copied < far.total, "{far:?}");
    // While locked, ciphertext goes on coming and going.
    let locked = open.lock();
    assert_eq!(locked.rekey(), Some(far));
    let place = Place {
        relay: 0,
        seq: 9000,
    };
    locked
        .carriage()
        .commit(|tx| tx.keep(place, 1, 2, b"came while locked"))
        .unwrap();
    drop(locked);
    assert_eq!(stores(&home), ["store", "store-1"]);

    let mut open = only_opens(&home, &passphrase(), &new());
    assert_eq!(open.rekey().unwrap().copied, far.copied);
    assert!(open.check_next_passphrase(&new()).unwrap());
    assert!(!open.check_next_passphrase(&passphrase()).unwrap());
    // The code of the beginning was seen by nobody who is sure of it: another one is shown.
    let code = open.replace_next_recovery(&mut home.rng).unwrap();
    let early = open.finish_rekey(&new(), &code, &mut home.rng);
    assert_eq!(early.unwrap_err(), VaultError::RekeyUnfinished);
    let RekeyStep::Copying(on) = open.step_rekey(&mut home.rng).unwrap() else {
        panic!("not all was copied");
    };
    assert!(on.copied > far.copied, "it did not begin anew");

    let before = see(&open);
    open.undo_rekey(&mut home.rng).unwrap();
    assert_eq!(open.rekey(), None);
    assert_same(&see(&open), &before);
    assert_eq!(stores(&home), ["store"]);
    drop(open);
    let mut open = only_opens(&home, &passphrase(), &new());
    assert!(open.check_recovery(&old_code).unwrap());
    let none = open.step_rekey(&mut home.rng);
    assert_eq!(none.unwrap_err(), VaultError::NoRekey);

    // Undone, it can be begun again.
    let code = begin(&mut open, &mut home.rng);
    drop(open);
    let mut open = home.unlock();
    copy_all(&mut open, &mut home.rng);
    let before = see(&open);
    open.finish_rekey(&new(), &code, &mut home.rng).unwrap();
    assert_same(&see(&open), &before);
    assert!(open.carriage().fetched(place).unwrap().is_some());
}

#[test]
fn only_who_knows_the_new_passphrase_and_code_finishes() {
    let mut home = home();
    let (mut open, old_code) = home.create();
    let wrong = open.begin_rekey(&new(), &new(), KdfParams::FLOOR, &mut home.rng);
    assert_eq!(wrong.unwrap_err(), VaultError::WrongPassphrase);
    let same = open.begin_rekey(
        &passphrase(),
        &passphrase(),
        KdfParams::FLOOR,
        &mut home.rng,
    );
    assert_eq!(same.unwrap_err(), VaultError::SamePassphrase);
    assert_eq!(open.rekey(), None);
    let code = begin(&mut open, &mut home.rng);
    let twice = open.begin_rekey(&passphrase(), &new(), KdfParams::FLOOR, &mut home.rng);
    assert_eq!(twice.unwrap_err(), VaultError::RekeyUnderWay);
    let other = open.rewrap(&passphrase(), &new(), KdfParams::FLOOR, &mut home.rng);
    assert_eq!(other.unwrap_err(), VaultError::RekeyUnderWay);
    copy_all(&mut open, &mut home.rng);
    for (words, code) in [(&passphrase(), &code), (&new(), &old_code)] {
        let refused = open.finish_rekey(words, code, &mut home.rng);
        assert_eq!(refused.unwrap_err(), VaultError::WrongPassphrase);
        assert_eq!(stores(&home), ["store", "store-1"]);
    }
    open.finish_rekey(&new(), &code, &mut home.rng).unwrap();
}

#[test]
fn a_header_that_cannot_be_written_leaves_all_as_it_was() {
    let mut home = home();
    let (mut open, _) = home.create();
    fill(&open, &mut home.rng);
    let code = begin(&mut open, &mut home.rng);
    copy_all(&mut open, &mut home.rng);
    let before = see(&open);
    fs::create_dir(home.dir.join("vault.tmp")).unwrap();
    let failed = open.finish_rekey(&new(), &code, &mut home.rng);
    assert!(matches!(failed, Err(VaultError::Io(_))), "{failed:?}");
    fs::remove_dir(home.dir.join("vault.tmp")).unwrap();
    assert_same(&see(&open), &before);
    assert!(open.check_passphrase(&passphrase()).unwrap());
    open.finish_rekey(&new(), &code, &mut home.rng).unwrap();
    assert_same(&see(&open), &before);
}

#[test]
fn a_next_store_that_differs_is_not_made_the_vault() {
    let mut home = home();
    let (mut open, _) = home.create();
    fill(&open, &mut home.rng);
    let code = begin(&mut open, &mut home.rng);
    copy_all(&mut open, &mut home.rng);
    drop(open);
    let next = support::raw(&home.dir.join("store-1"));
    let tree = next.open_tree("contacts").unwrap();
    for row in &tree {
        let (key, value) = row.unwrap();
        let mut bent = value.to_vec();
        *bent.last_mut().unwrap() ^= 1;
        tree.insert(&key, bent).unwrap();
    }
    next.flush().unwrap();
    drop((tree, next));
    let mut open = home.unlock();
    let refused = open.finish_rekey(&new(), &code, &mut home.rng);
    assert!(
        matches!(
            refused,
            Err(VaultError::DoesNotOpen("contacts") | VaultError::Corrupt(_))
        ),
        "{refused:?}"
    );
    drop(open);
    drop(only_opens(&home, &passphrase(), &new()));
}

#[test]
fn a_week_that_ends_meanwhile_takes_its_prekeys_along() {
    let mut home = home();
    let (mut open, _) = home.create();
    fill(&open, &mut home.rng);
    let later = EpochId(EPOCH.0 + 1);
    open.update_keyring(&mut home.rng, |keyring, rng| {
        keyring.add_epoch(later, rng);
        Ok::<_, VaultError>(())
    })
    .unwrap();
    open.store()
        .commit(&mut home.rng, |tx| tx.put(&prekey(250, later)))
        .unwrap();
    let code = begin(&mut open, &mut home.rng);
    copy_all(&mut open, &mut home.rng);
    open.update_keyring(&mut home.rng, |keyring, _| {
        keyring.drop_epochs_before(later);
        Ok::<_, VaultError>(())
    })
    .unwrap();
    open.finish_rekey(&new(), &code, &mut home.rng).unwrap();
    let left = open.store().all::<PrekeySecret>().unwrap();
    assert_eq!(left, [prekey(250, later)]);
    assert_eq!(open.store().count::<PrekeySecret>().unwrap(), 1);
}

#[test]
fn a_header_of_another_store_is_damage_and_removes_nothing() {
    let mut home = home();
    let (mut open, _) = home.create();
    fill(&open, &mut home.rng);
    let path = home.dir.join("vault.cbor");
    let old = fs::read(&path).unwrap();
    let code = begin(&mut open, &mut home.rng);
    copy_all(&mut open, &mut home.rng);
    open.finish_rekey(&new(), &code, &mut home.rng).unwrap();
    drop(open);
    let good = fs::read(&path).unwrap();
    fs::write(&path, &old).unwrap();
    let State::Corrupt {
        reason: Damage::Store(_),
    } = Vault::look(&home.dir).unwrap()
    else {
        panic!("an older header was taken");
    };
    // Even with a store of its own it takes nothing of the newer one along.
    fs::create_dir(home.dir.join("store")).unwrap();
    drop(support::raw(&home.dir.join("store")));
    drop(home.unlock());
    assert_eq!(stores(&home), ["store", "store-1"]);
    fs::write(&path, &good).unwrap();
    drop(home.locked().unlock(&new()).unwrap());
    assert_eq!(stores(&home), ["store-1"]);
}

#[test]
fn of_a_store_that_never_counted_nothing_is_left_and_another_stays() {
    let mut home = home();
    drop(home.create());
    for name in ["store-5", "store-6", "store-7"] {
        fs::create_dir(home.dir.join(name)).unwrap();
    }
    fs::write(home.dir.join("store-5/unfinished"), "").unwrap();
    fs::create_dir(home.dir.join("store-5/files")).unwrap();
    fs::write(home.dir.join("store-5/db"), "half removed").unwrap();
    fs::write(home.dir.join("store-7/db"), "of a header that is lost").unwrap();
    drop(home.unlock());
    assert_eq!(stores(&home), ["store", "store-7"]);
    assert!(home.dir.join("store-7/db").exists());
}
