//! What is written, as a function of the commit's number: so what must be there follows from the
//! number of the last commit alone.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use rand::rngs::StdRng;
use waxwing_crypto::stream::AttachmentKey;
use waxwing_crypto::vault_header::{AccountSeed, DeviceSeed, EpochId, Keyring, TransportSeed};
use waxwing_vault::rows::{
    ActivityKind, Contact, Delivery, DeliveryState, Draft, DraftId, Head, MailBox, Message,
    Outgoing, OutgoingId, OutgoingState, Party, Place, PrekeyKind, PrekeySecret, Replay, Watch,
};
use waxwing_vault::{Open, Page, SealedFile, Store};
use waxwing_wire::ids::{
    AccountId, AttachmentId, ConversationId, DeviceId, Digest, EnvelopeId, KeyId, MailboxId,
    MessageId,
};

/// What is older than so many commits is removed.
const KEPT: u64 = 60;
/// So many people are written to.
const PEOPLE: u64 = 5;
const EPOCH: EpochId = EpochId(2900);

fn id16(what: u8, number: u64) -> [u8; 16] {
    let mut id = [what; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    id
}

fn person(number: u64) -> AccountId {
    let mut id = [7; 32];
    id[0] = u8::try_from(number % PEOPLE).unwrap_or(0);
    AccountId::new(id)
}

fn mailbox(number: u64) -> MailBox {
    if number.is_multiple_of(2) {
        MailBox::Inbox
    } else {
        MailBox::Sent
    }
}

fn text(number: u64) -> String {
    format!("commit {number} ").repeat(1 + usize::try_from(number % 30).unwrap_or(0) * 20)
}

/// The first keyring.
pub(super) fn keyring(rng: &mut StdRng) -> Keyring {
    let mut keyring = Keyring::new(
        AccountId::new([1; 32]),
        DeviceId::new([2; 16]),
        MailboxId::new([3; 16]),
        AccountSeed::generate(rng),
        DeviceSeed::generate(rng),
        TransportSeed::generate(rng),
    );
    keyring.add_epoch(EPOCH, rng);
    keyring
}

/// What is there from the beginning: a file that was sealed for a message.
pub(super) fn begin(open: &Open, rng: &mut StdRng) -> Result<()> {
    let sha256 = seal_file(&open.store(), 0)?;
    open.store()
        .commit(rng, |tx| tx.carriage().put_plain(&file_name(0), &sha256))?;
    Ok(())
}

/// Every few commits come with an attachment.
fn has_file(number: u64) -> bool {
    number.is_multiple_of(6)
}

/// The first takes more than one step to be copied.
fn file_text(number: u64) -> String {
    if number == 0 {
        "from the beginning ".repeat(300_000)
    } else {
        text(number)
    }
}

fn file_id(number: u64) -> AttachmentId {
    AttachmentId::new(id16(9, number))
}

fn file_key() -> AttachmentKey {
    AttachmentKey::new([5; 32])
}

/// The row that says what others know the file by.
fn file_name(number: u64) -> String {
    format!("file {number}")
}

/// Seals the file of a commit; answers the digest that its recipients would have.
fn seal_file(store: &Store, number: u64) -> Result<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let source = folder.path().join("file");
    std::fs::write(&source, file_text(number))?;
    let files = store.carriage().files()?;
    let (id, rng) = (file_id(number), &mut rand::rng());
    let sealed = files.seal(&source, id, &file_key(), &mut |_, _| true, rng)?;
    Ok(sealed.sha256.as_ref().to_vec())
}

fn message(number: u64) -> Message {
    Message {
        id: MessageId::new(id16(1, number)),
        mailbox: mailbox(number),
        sender: person(number),
        sender_device: DeviceId::new([9; 16]),
        recipients: vec![Party {
            account: person(number),
            card_version: 1,
            left_out: 0,
            is_copy: false,
            deliveries: vec![Delivery {
                to: MailboxId::new([4; 16]),
                envelope: EnvelopeId::new(id16(2, number)),
                state: DeliveryState::Sealed,
                since: number,
            }],
        }],
        subject: number.to_string().into(),
        body: text(number).into(),
        unknown: None,
        at: number,
        claimed_at: number,
        relay_seq: Some(number),
        relay_at: None,
        conversation: ConversationId::new([6; 32]),
        seq: number,
        previous: None,
        sender_card: None,
        gap: false,
        missing: 0,
        other_before: false,
        in_reply_to: None,
        drop: None,
        attachments: Vec::new(),
        opened: number.is_multiple_of(4),
    }
}

fn draft(number: u64) -> Draft {
    Draft {
        id: DraftId(id16(3, number)),
        to: vec![person(number)],
        subject: number.to_string().into(),
        body: text(number).into(),
        in_reply_to: None,
        files: Vec::new(),
        saved_at: number,
    }
}

fn prekey(number: u64) -> PrekeySecret {
    PrekeySecret {
        kid: KeyId::new(id16(4, number)),
        kind: PrekeyKind::OneTime,
        suite: 2,
        epoch: EPOCH.0,
        secret: text(number).into_bytes().into(),
        record: vec![4; 100],
        made_at: number,
        not_after: number + 1,
    }
}

fn contact(number: u64) -> Contact {
    Contact {
        account: person(number),
        petname: number.to_string(),
        address: "somebody@localhost".to_owned(),
        card: vec![8; 400],
        card_digest: Digest::of(b"card"),
        card_version: 1,
        min_suite: 2,
        evidence: Vec::new(),
        compared_at: None,
        held: false,
        stranger: false,
        added_at: 1,
        spares: Vec::new(),
        former: None,
        knows_own: 0,
        looked_at: 0,
    }
}

fn replay(number: u64) -> Replay {
    Replay {
        sender: person(number),
        message: MessageId::new(id16(1, number)),
        until: number,
    }
}

fn place(number: u64) -> Place {
    Place {
        relay: 0,
        seq: number,
    }
}

fn is_noted(number: u64) -> bool {
    number.is_multiple_of(5)
}

fn envelope(number: u64) -> EnvelopeId {
    EnvelopeId::new(id16(2, number))
}

/// One commit of every kind of row, with what is too old removed; and before it one that needs no
/// keys.
pub(super) fn write(store: &Store, number: u64) -> Result<()> {
    let bytes = text(number).into_bytes();
    store
        .carriage()
        .commit(|tx| tx.keep(place(number), number, number, &bytes).map(drop))?;
    let file = has_file(number).then(|| seal_file(store, number));
    let file = file.transpose()?;
    store.commit(&mut rand::rng(), |tx| {
        tx.put(&message(number))?;
        tx.put(&draft(number))?;
        tx.put(&prekey(number))?;
        tx.put(&contact(number))?;
        tx.create(&replay(number))?;
        if is_noted(number) {
            tx.record(number, ActivityKind::CardExported, &number.to_string())?;
        }
        let mut row = Outgoing {
            id: OutgoingId::new(id16(5, number)),
            lane: tx.lane(&person(number))?,
            position: 0,
            envelope: envelope(number),
            to: vec![MailboxId::new([4; 16])],
            relay: 0,
            uploads: Vec::new(),
            length: 0,
            state: OutgoingState::Queued,
            reason: None,
            attempts: 0,
            next_try: 0,
            queued_at: number,
            expires_at: number,
            is_notice: false,
        };
        tx.carriage().append(&mut row, &bytes)?;
        tx.carriage().watch(&Watch {
            envelope: envelope(number),
            to: MailboxId::new([4; 16]),
            relay: 0,
            state: DeliveryState::AtRelay,
            since: number,
            unapplied: false,
            statement: None,
            until: number,
        })?;
        tx.carriage().put_plain("last", &number)?;
        if let Some(sha256) = &file {
            tx.carriage().put_plain(&file_name(number), sha256)?;
        }
        if let Some(old) = number.checked_sub(KEPT).filter(|old| *old > 0) {
            tx.delete::<Message>(&(mailbox(old), message(old).id))?;
            tx.delete::<Draft>(&draft(old).id)?;
            tx.delete::<PrekeySecret>(&prekey(old).kid)?;
            tx.delete::<Replay>(&(person(old), message(old).id))?;
            tx.carriage()
                .unwatch(&envelope(old), &MailboxId::new([4; 16]));
            tx.carriage().paid(&[place(old)]);
            tx.carriage().remove_incoming(place(old));
        }
        Ok::<_, waxwing_vault::VaultError>(())
    })?;
    if let Some(old) = number.checked_sub(KEPT).filter(|old| *old > 0) {
        store.carriage().files()?.remove(file_id(old))?;
    }
    // The lane's oldest leaves, as the outbox does it: read first, removed after.
    if number > KEPT {
        let lane = store.lane(&person(number))?;
        let head = store.carriage().head(&lane)?.context("a head")?;
        store.carriage().commit(|tx| tx.remove(&head))?;
    }
    Ok(())
}

/// What an unfinished and a finished change leave in the folder, and nothing else.
pub(super) fn is_tidy(dir: &Path, is_under_way: bool) -> Result<bool> {
    let mut stores = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        stores += u32::from(name.starts_with("store"));
        let is_marked = entry.path().join("unfinished").exists();
        if name == "vault.tmp" || (is_marked && !is_under_way) {
            return Ok(false);
        }
    }
    Ok(stores == 1 || (is_under_way && stores == 2))
}

/// Checks that everything up to commit `acked` is there, and of `tried` all or nothing; answers the
/// last that is.
pub(super) fn check(open: &Open, acked: u64, tried: u64) -> Result<u64> {
    let (store, carriage) = (open.store(), open.carriage());
    let last: u64 = carriage.plain("last")?.unwrap_or(0);
    ensure!(
        last == acked || last == tried,
        "commit {acked} was told and {last} is the last"
    );
    let kept: Vec<u64> = (last.saturating_sub(KEPT) + 1..=last).collect();
    for list in [MailBox::Inbox, MailBox::Sent] {
        let rows = store.messages(list, &Page::oldest(10_000))?;
        let wanted = kept.iter().filter(|number| mailbox(**number) == list);
        let wanted: Vec<Head> = wanted.map(|number| message(*number).head()).collect();
        ensure!(rows.rows == wanted, "{list:?} differs");
        ensure!(
            rows.total == wanted.len() as u64,
            "{list:?} is counted wrongly"
        );
    }
    let unread = kept.iter().filter(|number| **number % 4 == 2).count();
    ensure!(store.unopened()? == unread as u64, "unopened differs");
    for number in &kept {
        let number = *number;
        let there = store.load::<Message>(&(mailbox(number), message(number).id))?;
        ensure!(there == Some(message(number)), "message {number}");
        let there = store.load::<Draft>(&draft(number).id)?;
        ensure!(there == Some(draft(number)), "draft {number}");
        let there = store.load::<PrekeySecret>(&prekey(number).kid)?;
        ensure!(there == Some(prekey(number)), "prekey {number}");
        ensure!(
            store.replay_seen(person(number), message(number).id)?,
            "replay {number}"
        );
        let there = store.find_envelope(&envelope(number))?;
        ensure!(
            there == Some((mailbox(number), message(number).id)),
            "envelope {number}"
        );
        let bytes = carriage.fetched(place(number))?;
        ensure!(bytes == Some(text(number).into_bytes()), "fetched {number}");
    }
    let counts = [
        store.count::<Draft>()?,
        store.count::<PrekeySecret>()?,
        store.count::<Replay>()?,
        store.count::<Message>()?,
        carriage.watched()?.len() as u64,
    ];
    ensure!(counts == [kept.len() as u64; 5], "counts are {counts:?}");
    ensure!(
        (last..=last + 1).contains(&carriage.cursor(0)?),
        "the cursor is wrong"
    );
    check_people(open, last)?;
    let lines = store.activity(&Page::oldest(1_000_000))?.rows;
    let noted: Vec<String> = (1..=last)
        .filter(|n| is_noted(*n))
        .map(|n| n.to_string())
        .collect();
    let there: Vec<&String> = lines.iter().map(|line| &line.about).collect();
    ensure!(there.iter().copied().eq(noted.iter()), "activity differs");
    ensure!(
        store.check_activity()? == noted.len() as u64,
        "activity is not whole"
    );
    check_files(open, &kept)?;
    Ok(last)
}

/// Contacts, and what waits for each of them in order.
fn check_people(open: &Open, last: u64) -> Result<()> {
    let (store, carriage) = (open.store(), open.carriage());
    let mut waiting = 0;
    for who in 0..PEOPLE {
        let of = |number: &u64| number % PEOPLE == who;
        let newest = (1..=last).rev().take(5).find(|number| of(number));
        let there = store.load::<Contact>(&person(who))?;
        ensure!(there == newest.map(contact), "contact {who}");
        let rows = carriage.in_lane(&store.lane(&person(who))?)?;
        let there: Vec<EnvelopeId> = rows.iter().map(|row| row.envelope).collect();
        waiting += there.len() as u64;
        // How many left depends on where the last life ended; what is there is the end of all.
        let all: Vec<EnvelopeId> = (1..=last).filter(of).map(envelope).collect();
        ensure!(all.ends_with(&there), "lane {who} differs");
        let least = all.len().min(usize::try_from(KEPT / PEOPLE)?);
        ensure!(there.len() >= least, "lane {who} has {} rows", there.len());
        for row in rows {
            let Some(bytes) = carriage.submission(&row.id)? else {
                bail!("a submission of lane {who} is missing");
            };
            ensure!(bytes == text(row.queued_at).into_bytes(), "submission");
        }
    }
    ensure!(
        carriage.outbox_count()? == waiting,
        "the outbox is counted wrongly"
    );
    Ok(())
}

/// Every file opens, and is byte for byte what its recipients know.
fn check_files(open: &Open, kept: &[u64]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let target = folder.path().join("file");
    let files = open.carriage().files()?;
    for number in kept
        .iter()
        .copied()
        .filter(|number| has_file(*number))
        .chain([0])
    {
        let id = file_id(number);
        let known: Option<Vec<u8>> = open.carriage().plain(&file_name(number))?;
        let inner = files.read(id, 0, usize::MAX)?;
        let sha256 = Digest::of(&inner);
        ensure!(
            known.as_deref() == Some(sha256.as_ref()),
            "the bytes of file {number} differ"
        );
        let sealed = SealedFile {
            id,
            length: file_text(number).len() as u64,
            sealed_length: inner.len() as u64,
            sha256,
        };
        files.open(&sealed, &file_key(), &target, &mut |_, _| true)?;
        ensure!(
            std::fs::read_to_string(&target)? == file_text(number),
            "file {number} differs"
        );
    }
    Ok(())
}
