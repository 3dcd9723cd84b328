//! One sealed file that a fresh computer becomes the same person with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use support::{
    EPOCH, Home, contact, drop_box, home, locked, message, outgoing, passphrase, prekey, told,
};
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_crypto::stream::AttachmentKey;
use waxwing_vault::rows::{
    Activity, ActivityKind, Backup, Contact, DeliveryState, Draft, DraftId, DropBox, Head, MailBox,
    Message, OwnCard, Place, PrekeySecret, Replay, Thread, Watch,
};
use waxwing_vault::{
    BackupFile, BackupProgress, NewVault, Open, Page, Restored, State, UnlockError, Vault,
    VaultError,
};
use waxwing_wire::ids::{
    AccountId, AttachmentId, ConversationId, DeviceId, Digest, EnvelopeId, MailboxId, MessageId,
};

const NOW: u64 = 1_800_000_500;
/// Somebody who is written to and is no contact.
const STRANGER: u8 = 222;

fn new() -> Passphrase {
    Passphrase::new("nine loud geese sail over the mountain")
}

fn draft(byte: u8) -> Draft {
    Draft {
        id: DraftId([byte; 16]),
        to: vec![AccountId::new([byte; 32])],
        subject: format!("Draft {byte}").into(),
        body: "half a sentence".to_owned().into(),
        in_reply_to: None,
        files: Vec::new(),
        saved_at: 7,
    }
}

/// A message that came; an envelope is one message's.
fn received(byte: u8, body: &str) -> Message {
    let mut message = message(MailBox::Inbox, byte, body);
    message.recipients[0].deliveries.clear();
    message
}

/// Rows of every kind, some of them changed and removed again.
fn fill(open: &Open, rng: &mut StdRng) {
    let bytes: Vec<u8> = (1..=90).collect();
    for some in bytes.chunks(30) {
        let fill = |tx: &mut waxwing_vault::Tx<'_>| {
            for byte in some.iter().copied() {
                tx.put(&contact(byte))?;
                let long = "long ".repeat(40 * usize::from(byte));
                tx.put(&received(byte, &long))?;
                tx.put(&message(MailBox::Sent, byte, "short"))?;
                tx.put(&draft(byte))?;
                tx.put(&drop_box(byte))?;
                tx.put(&prekey(byte, EPOCH))?;
                tx.create(&Replay {
                    sender: AccountId::new([byte; 32]),
                    message: MessageId::new([byte; 16]),
                    until: 9,
                })?;
                tx.record(u64::from(byte), ActivityKind::CardPublished, "line")?;
                let mut row = outgoing(tx.lane(&AccountId::new([1 + byte % 5; 32]))?, byte);
                tx.carriage().append(&mut row, &vec![byte; 900])?;
                let place = Place {
                    relay: u32::from(byte % 2),
                    seq: u64::from(byte),
                };
                tx.carriage().keep(place, 1, 2, &vec![byte; 700])?;
                tx.carriage().watch(&Watch {
                    envelope: EnvelopeId::new([byte; 16]),
                    to: MailboxId::new([byte; 16]),
                    relay: 0,
                    state: DeliveryState::AtRelay,
                    since: 1,
                    unapplied: true,
                    statement: None,
                    until: 99,
                })?;
            }
            Ok::<_, VaultError>(())
        };
        open.store().commit(rng, fill).unwrap();
    }
    let rest = |tx: &mut waxwing_vault::Tx<'_>| {
        tx.put(&OwnCard {
            name: "alice".into(),
            card: vec![7; 500],
            version: 1,
            published: Some(1),
            published_at: Some(2),
            ancestors: vec![Digest::of(b"before")],
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
            let mut looked_at = received(byte, "looked at");
            looked_at.opened = true;
            tx.put(&looked_at)?;
            tx.delete::<Message>(&(MailBox::Inbox, MessageId::new([byte + 60; 16])))?;
        }
        // Sealed again: an earlier envelope of it is still asked about.
        let mut again = message(MailBox::Sent, 3, "short");
        again.recipients[0].deliveries[0].envelope = EnvelopeId::new([203; 16]);
        tx.put(&again)
    };
    open.store().commit(rng, rest).unwrap();
}

/// Everything that a person, a loop or a window can ask for.
#[derive(Debug, PartialEq)]
struct Seen {
    messages: Vec<(Vec<Head>, Vec<Message>)>,
    unopened: u64,
    sets: [Vec<String>; 7],
    outbox: Vec<Vec<(EnvelopeId, u64, Vec<u8>)>>,
    incoming: Vec<(Place, Vec<u8>)>,
    rest: [Vec<String>; 2],
    cursors: [u64; 2],
    envelopes: Vec<Option<(MailBox, MessageId)>>,
}

fn sorted<T: std::fmt::Debug>(rows: &[T]) -> Vec<String> {
    let mut rows: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
    rows.sort();
    rows
}

fn see(open: &Open) -> Seen {
    let (store, carriage) = (open.store(), open.carriage());
    let messages = [MailBox::Inbox, MailBox::Sent].map(|mailbox| {
        let heads = store.messages(mailbox, &Page::oldest(1000)).unwrap().rows;
        let load = |head: &Head| store.load::<Message>(&(mailbox, head.id)).unwrap().unwrap();
        let whole = heads.iter().map(load).collect();
        (heads, whole)
    });
    let mut accounts: Vec<u8> = (1..=5).collect();
    accounts.push(STRANGER);
    let outbox = accounts
        .iter()
        .map(|byte| {
            let lane = store.lane(&AccountId::new([*byte; 32])).unwrap();
            let rows = carriage.in_lane(&lane).unwrap();
            rows.iter()
                .map(|row| {
                    let bytes = carriage.submission(&row.id).unwrap().unwrap();
                    (row.envelope, row.position, bytes)
                })
                .collect()
        })
        .collect();
    let incoming = carriage.incoming().unwrap();
    Seen {
        messages: messages.into(),
        unopened: store.unopened().unwrap(),
        sets: [
            sorted(&store.all::<Contact>().unwrap()),
            sorted(
                &store
                    .all::<Draft>()
                    .unwrap()
                    .iter()
                    .map(|draft| (draft.id, draft.subject.clone(), draft.body.clone()))
                    .collect::<Vec<_>>(),
            ),
            sorted(&store.all::<Replay>().unwrap()),
            sorted(
                &store
                    .all::<DropBox>()
                    .unwrap()
                    .iter()
                    .map(told)
                    .collect::<Vec<_>>(),
            ),
            sorted(&store.all::<OwnCard>().unwrap()),
            sorted(&store.all::<Thread>().unwrap()),
            sorted(&carriage.watched().unwrap()),
        ],
        outbox,
        incoming: incoming
            .iter()
            .map(|row| (row.place(), carriage.fetched(row.place()).unwrap().unwrap()))
            .collect(),
        rest: [
            sorted(&carriage.relays().unwrap()),
            sorted(&carriage.owed_acks().unwrap()),
        ],
        cursors: [0, 1].map(|relay| carriage.cursor(relay).unwrap()),
        envelopes: (0..=255)
            .map(|byte| store.find_envelope(&EnvelopeId::new([byte; 16])).unwrap())
            .collect(),
    }
}

fn any(_: BackupProgress) -> bool {
    true
}

fn back_up(open: &Open, rng: &mut StdRng, target: &Path) -> Backup {
    let writer = open.begin_backup(NOW, rng).unwrap();
    writer.write(target, &mut any).unwrap()
}

fn restore(
    dir: &Path,
    file: &Path,
    code: &RecoveryCode,
    rng: &mut StdRng,
) -> Result<Restored, VaultError> {
    let new = NewVault {
        code,
        passphrase: &new(),
        params: KdfParams::FLOOR,
        now: NOW + 9,
    };
    Vault::restore(dir, &BackupFile::look(file)?, &new, &mut any, rng)
}

fn attach(home: &mut Home, open: &Open, byte: u8, length: usize) {
    let plain = home.dir.with_file_name("photo");
    fs::write(&plain, vec![byte; length]).unwrap();
    let key = AttachmentKey::new([byte; 32]);
    let files = open.carriage().files().unwrap();
    let id = AttachmentId::new([byte; 16]);
    files
        .seal(&plain, id, &key, &mut |_, _| true, &mut home.rng)
        .unwrap();
}

fn elsewhere(home: &Home) -> PathBuf {
    home.dir.with_file_name("elsewhere")
}

/// What lies beside the profile: nothing of a try that failed.
fn beside(dir: &Path) -> Vec<String> {
    let all = fs::read_dir(dir.parent().unwrap()).unwrap();
    let mut names: Vec<String> = all
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let ending = path.extension().unwrap_or_default();
            ending == "part" || ending == "restoring"
        })
        .map(|path| path.display().to_string())
        .collect();
    names.sort();
    names
}

#[test]
fn a_fresh_computer_becomes_the_same_person() {
    let mut home = home();
    let (open, code) = home.create();
    let mut rng = StdRng::seed_from_u64(1);
    fill(&open, &mut rng);
    attach(&mut home, &open, 41, 3 << 20);
    attach(&mut home, &open, 42, 10);
    // Being fetched still: not in the backup.
    let files = open.carriage().files().unwrap();
    files
        .append_fetched(AttachmentId::new([43; 16]), 0, b"half")
        .unwrap();
    drop(files);
    let earlier = Backup {
        id: [9; 16],
        place: "earlier".into(),
        made_at: 1,
        generation: 1,
        size: 2,
        messages: 3,
        contacts: 4,
        files: 5,
        recovery: open.recovery_id(),
    };
    let keep = open.store().commit(&mut rng, |tx| tx.put(&earlier));
    keep.unwrap();
    let target = home.dir.with_file_name("alice.waxwing-backup");
    let row = back_up(&open, &mut rng, &target);
    assert_eq!(row.size, fs::metadata(&target).unwrap().len());
    assert_eq!((row.messages, row.contacts, row.files), (161, 90, 2));
    assert_eq!(row.recovery, open.recovery_id());
    assert_eq!(beside(&home.dir), Vec::<String>::new());
    let before = see(&open);
    let did: Vec<Activity> = lines(&open);

    let dir = elsewhere(&home);
    let restored = restore(&dir, &target, &code, &mut rng).unwrap();
    assert_eq!(restored.relays, open.carriage().relays().unwrap());
    assert_eq!(restored.place("2026-11-21"), Ok(None));
    let (old, error) = locked(&dir).unlock(&passphrase()).unwrap_err();
    assert_eq!(error, UnlockError::WrongPassphrase);
    let copy = old.unlock(&new()).unwrap();
    // Too long to be printed.
    assert!(see(&copy) == before);
    let mut now_did = lines(&copy);
    assert_eq!(
        now_did.pop().map(|line| line.kind),
        Some(ActivityKind::BackupRestored)
    );
    assert_eq!(now_did, did);
    copy.store().check_activity().unwrap();

    // The same keys, and none of those that are destroyed week by week.
    let (one, two) = (open.keyring(), copy.keyring());
    assert_eq!(one.account.expose(), two.account.expose());
    assert_eq!(one.device.expose(), two.device.expose());
    assert_eq!(one.transport.expose(), two.transport.expose());
    assert_eq!(one.mailbox_id, two.mailbox_id);
    assert_eq!(two.epochs().count(), 0);
    assert_eq!(copy.store().count::<PrekeySecret>(), Ok(0));
    assert_eq!(copy.vault_id(), open.vault_id());
    assert_eq!(copy.generation(), open.generation() + 1);

    // What others know of attachments stayed, and what lies at rest is under another key.
    for byte in [41, 42] {
        let id = AttachmentId::new([byte; 16]);
        let [there, here] = [&open, &copy].map(|open| {
            let files = open.carriage().files().unwrap();
            files.read(id, 0, 16 << 20).unwrap()
        });
        assert!(there == here && !here.is_empty());
        let at_rest = |dir: &Path| fs::read(dir.join("store/files").join(id.to_string())).unwrap();
        assert!(at_rest(&home.dir) != at_rest(&dir));
    }
    assert_eq!(fs::read_dir(dir.join("store/files")).unwrap().count(), 2);
    let mut backups = copy.store().all::<Backup>().unwrap();
    backups.sort_by_key(|backup| backup.made_at);
    assert_eq!(backups.len(), 2);
    assert!(backups.iter().all(|row| row.recovery == copy.recovery_id()));
    assert_eq!(backups[1].place, target);

    // The code that was typed opens it, under another root key.
    assert!(copy.check_recovery(&code).unwrap());
    let header = fs::read(dir.join("vault.cbor")).unwrap();
    drop(copy);
    drop(open);
    fs::write(home.dir.join("vault.cbor"), header).unwrap();
    let mixed = locked(&home.dir).unlock(&new()).unwrap();
    assert!(mixed.store().all::<Contact>().is_err());
}

fn lines(open: &Open) -> Vec<Activity> {
    let mut lines = open.store().all::<Activity>().unwrap();
    lines.sort_by_key(|line| line.number);
    lines
}

#[test]
fn rows_are_of_one_moment_while_everybody_goes_on_writing() {
    let mut home = home();
    let (open, code) = home.create();
    let store = open.store();
    let pair = |rng: &mut StdRng, number: u64| {
        store.commit(rng, |tx| {
            let mut name = contact(1);
            name.added_at = number;
            tx.put(&name)?;
            let mut draft = draft(1);
            draft.saved_at = number;
            tx.put(&draft)?;
            tx.put(&message(MailBox::Sent, (number % 200) as u8, "x"))
        })
    };
    let is_over = AtomicBool::new(false);
    let written = AtomicU64::new(0);
    for byte in 0..200 {
        pair(&mut home.rng, byte).unwrap();
    }
    let target = home.dir.with_file_name("one");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut rng = StdRng::seed_from_u64(3);
            while !is_over.load(Ordering::Relaxed) {
                let number = 200 + written.fetch_add(1, Ordering::Relaxed);
                pair(&mut rng, number).unwrap();
            }
        });
        while written.load(Ordering::Relaxed) < 3 {
            std::thread::yield_now();
        }
        back_up(&open, &mut StdRng::seed_from_u64(4), &target);
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(written.load(Ordering::Relaxed) > 3);
    let dir = elsewhere(&home);
    let restored = restore(&dir, &target, &code, &mut home.rng).unwrap();
    restored.place("x").unwrap();
    let copy = locked(&dir).unlock(&new()).unwrap();
    let contact = copy.store().all::<Contact>().unwrap().remove(0);
    let draft = copy.store().all::<Draft>().unwrap().remove(0);
    assert_eq!(contact.added_at, draft.saved_at);
    assert!(contact.added_at >= 200);
}

#[test]
fn who_cancels_has_no_file_and_who_locks_has_none() {
    let mut home = home();
    let (open, _) = home.create();
    let mut rng = StdRng::seed_from_u64(1);
    fill(&open, &mut rng);
    let target = home.dir.with_file_name("cancelled");
    for stop in [1, 3] {
        for checking in [false, true] {
            let mut calls = 0;
            let mut watcher = |progress: BackupProgress| {
                calls += u32::from(progress.is_checking == checking);
                calls < stop
            };
            let writer = open.begin_backup(NOW, &mut rng).unwrap();
            let stopped = writer.write(&target, &mut watcher);
            if stop == 1 || !checking {
                assert_eq!(stopped, Err(VaultError::Cancelled));
                assert!(!target.exists());
            }
            assert_eq!(beside(&home.dir), Vec::<String>::new());
        }
    }
    fs::write(&target, "mine").unwrap();
    let writer = open.begin_backup(NOW, &mut rng).unwrap();
    drop(open);
    assert_eq!(writer.write(&target, &mut any), Err(VaultError::Locked));
    assert_eq!(fs::read(&target).unwrap(), b"mine");
    assert_eq!(beside(&home.dir), Vec::<String>::new());
}

#[test]
fn another_code_another_header_and_any_passphrase_open_nothing() {
    let mut home = home();
    let (mut open, code) = home.create();
    let mut rng = StdRng::seed_from_u64(1);
    fill(&open, &mut rng);
    let target = home.dir.with_file_name("one");
    back_up(&open, &mut rng, &target);
    let dir = elsewhere(&home);
    let other = RecoveryCode::generate(&mut rng);
    let refused = restore(&dir, &target, &other, &mut rng).unwrap_err();
    assert_eq!(refused, VaultError::WrongPassphrase);
    let file = BackupFile::look(&target).unwrap();
    assert_eq!(file.is_opened_by(&other), Ok(false));
    assert_eq!(file.is_opened_by(&code), Ok(true));

    // Replaced, the old code still opens the old file, and the new one only what comes after.
    let next = open.replace_recovery(&passphrase(), &mut rng).unwrap();
    assert_eq!(file.is_opened_by(&next), Ok(false));
    let later = home.dir.with_file_name("two");
    let row = back_up(&open, &mut rng, &later);
    assert_ne!(row.recovery, file.header().recovery_id());
    assert_eq!(
        BackupFile::look(&later).unwrap().is_opened_by(&next),
        Ok(true)
    );

    // The content of one under the header of the other.
    let (one, two) = (fs::read(&target).unwrap(), fs::read(&later).unwrap());
    let behind = |file: &[u8]| 2 + usize::from(u16::from_be_bytes([file[0], file[1]]));
    let mixed = home.dir.with_file_name("mixed");
    fs::write(
        &mixed,
        [&two[..behind(&two)], &one[behind(&one)..]].concat(),
    )
    .unwrap();
    assert!(matches!(
        restore(&dir, &mixed, &next, &mut rng),
        Err(VaultError::Stream(_))
    ));
    // No seed and no text stands in it in the open.
    let seed = open.keyring().account.expose();
    assert!(!two.windows(32).any(|window| window == seed));
    assert!(!two.windows(7).any(|window| window == b"Subject"));
    assert_eq!(beside(&home.dir), Vec::<String>::new());
    assert!(!dir.exists());
}

#[test]
fn every_flipped_byte_and_cut_is_damage_and_leaves_nothing() {
    let mut home = home();
    let (open, code) = home.create();
    let keep = open.store().commit(&mut home.rng, |tx| tx.put(&contact(1)));
    keep.unwrap();
    let target = home.dir.with_file_name("one");
    back_up(&open, &mut StdRng::seed_from_u64(2), &target);
    let whole = fs::read(&target).unwrap();
    let dir = elsewhere(&home);
    let bent = home.dir.with_file_name("bent");
    let mut rng = StdRng::seed_from_u64(8);
    let mut refuses = |bytes: &[u8], what: &str| {
        fs::write(&bent, bytes).unwrap();
        let error = restore(&dir, &bent, &code, &mut rng).unwrap_err();
        let told = matches!(
            error,
            VaultError::Corrupt(_) | VaultError::Stream(_) | VaultError::Newer
        );
        assert!(told, "{what}: {error:?}");
    };
    // All of both headers; one segment is sealed as a whole, so any of its bytes stands for all.
    let headers = 2 + usize::from(u16::from_be_bytes([whole[0], whole[1]])) + 40;
    for at in (0..headers).chain((headers..whole.len()).step_by(41)) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        refuses(&flipped, &format!("byte {at}"));
        refuses(&whole[..at], &format!("cut at {at}"));
    }
    refuses(&[whole.as_slice(), b"x"].concat(), "more");
    assert!(!dir.exists());
    assert_eq!(beside(&home.dir), Vec::<String>::new());
}

#[test]
fn a_vault_that_is_there_is_renamed_and_a_crash_between_is_mended() {
    let mut home = home();
    let (open, code) = home.create();
    let mut rng = StdRng::seed_from_u64(1);
    fill(&open, &mut rng);
    let target = home.dir.with_file_name("one");
    back_up(&open, &mut rng, &target);
    let restored = restore(&home.dir, &target, &code, &mut rng).unwrap();
    assert_eq!(restored.place("today"), Err(VaultError::InUse));
    assert_eq!(open.store().count::<Contact>(), Ok(90));
    drop(open);
    let aside = restored.place("today").unwrap().unwrap();
    assert_eq!(aside, home.dir.with_file_name("alice-today"));
    assert!(locked(&aside).unlock(&passphrase()).is_ok());
    let copy = locked(&home.dir).unlock(&new()).unwrap();
    assert_eq!(copy.store().count::<Contact>(), Ok(90));
    drop(copy);

    // Between the two renames: nothing at the place, and a whole vault beside it.
    let between = home.dir.with_file_name("alice.restoring");
    fs::rename(&home.dir, &between).unwrap();
    assert!(matches!(Vault::look(&home.dir), Ok(State::Locked(_))));
    assert!(!between.exists());
    // Unfinished, it counts as nothing.
    fs::rename(&home.dir, &between).unwrap();
    fs::write(between.join("unfinished"), "").unwrap();
    assert!(matches!(Vault::look(&home.dir), Ok(State::None)));
    assert!(!between.exists());
}

#[test]
fn there_is_no_backup_of_a_root_key_that_is_given_up() {
    let mut home = home();
    let (mut open, _) = home.create();
    let writer = open.begin_backup(NOW, &mut home.rng).unwrap();
    open.begin_rekey(&passphrase(), &new(), KdfParams::FLOOR, &mut home.rng)
        .unwrap();
    let refused = open.begin_backup(NOW, &mut home.rng).unwrap_err();
    assert_eq!(refused, VaultError::RekeyUnderWay);
    let target = home.dir.with_file_name("one");
    let refused = writer.write(&target, &mut any);
    assert_eq!(refused, Err(VaultError::RekeyUnderWay));
    assert!(!target.exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn what_is_backed_up_is_restored(
        contacts in proptest::collection::btree_set(1u8..=250, 0..40),
        texts in proptest::collection::vec("\\PC{0,300}", 0..30),
        length in 0usize..2_200_000,
    ) {
        let mut home = home();
        let (open, code) = home.create();
        let mut rng = StdRng::seed_from_u64(5);
        open.store().commit(&mut rng, |tx| {
            for byte in &contacts {
                tx.put(&contact(*byte))?;
            }
            for (byte, text) in (1..).zip(&texts) {
                tx.put(&message(MailBox::Inbox, byte, text))?;
            }
            Ok::<_, VaultError>(())
        }).unwrap();
        attach(&mut home, &open, 7, length);
        let target = home.dir.with_file_name("one");
        back_up(&open, &mut rng, &target);
        let dir = elsewhere(&home);
        restore(&dir, &target, &code, &mut rng).unwrap().place("x").unwrap();
        let copy = locked(&dir).unlock(&new()).unwrap();
        prop_assert!(see(&copy) == see(&open));
    }
}

/// How long that is for many messages stands in docs/decisions.md.
#[test]
fn writers_wait_while_rows_are_read_and_not_while_attachments_are() {
    let mut home = home();
    let (open, _) = home.create();
    let mut rng = StdRng::seed_from_u64(1);
    let numbers: Vec<u32> = (0..300).collect();
    for some in numbers.chunks(50) {
        let put = |tx: &mut waxwing_vault::Tx<'_>| {
            for number in some {
                let mut id = [0; 16];
                id[..4].copy_from_slice(&number.to_be_bytes());
                let mut message = message(MailBox::Inbox, 1, &"word ".repeat(300));
                message.id = MessageId::new(id);
                message.recipients[0].deliveries[0].envelope = EnvelopeId::new(id);
                tx.put(&message)?;
            }
            Ok::<_, VaultError>(())
        };
        open.store().commit(&mut rng, put).unwrap();
    }
    attach(&mut home, &open, 1, 40 << 20);
    let target = home.dir.with_file_name("one");
    let is_over = AtomicBool::new(false);
    let begun = Instant::now();
    let (longest, took) = std::thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let mut rng = StdRng::seed_from_u64(3);
            let mut longest = Duration::ZERO;
            while !is_over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                open.store()
                    .commit(&mut rng, |tx| tx.put(&draft(1)))
                    .unwrap();
                longest = longest.max(begun.elapsed());
            }
            longest
        });
        back_up(&open, &mut StdRng::seed_from_u64(4), &target);
        let took = begun.elapsed();
        is_over.store(true, Ordering::Relaxed);
        (waits.join().unwrap(), took)
    });
    assert!(longest < took, "waited {longest:?} of {took:?}");
}
