//! The kill scenario of the vault: every acknowledged commit is there once and whole, every
//! acknowledged change of the header holds, and the folder always opens.
//!
//! One number is one promise. Most are a commit over many trees (message, replay row, outbox row with
//! a submission of many pieces, activity line). Every 16th rewrites the header with another keyring,
//! every 128th changes the passphrase.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::vault_header::{AccountSeed, DeviceSeed, EpochId, Keyring, TransportSeed};
use waxwing_vault::rows::{
    ActivityKind, MailBox, Message, Outgoing, OutgoingId, OutgoingState, Replay,
};
use waxwing_vault::{Open, Page, State, Store, Vault, VaultError};
use waxwing_wire::ids::{AccountId, ConversationId, DeviceId, EnvelopeId, MailboxId, MessageId};

use crate::kill::{Scenario, Tell, Told, Verdict};

const KEYRING_EVERY: u64 = 16;
const PASSPHRASE_EVERY: u64 = 128;
/// How many recipients share the outbox.
const LANES: u64 = 5;
/// Keyring epochs that are kept at a time.
const EPOCHS: u64 = 8;

/// The vault under fire.
pub struct VaultScenario;

/// What number `n` is.
enum Promise {
    Commit,
    Keyring,
    Passphrase,
}

fn promise(n: u64) -> Promise {
    if n % PASSPHRASE_EVERY == PASSPHRASE_EVERY - 1 {
        Promise::Passphrase
    } else if n % KEYRING_EVERY == KEYRING_EVERY - 1 {
        Promise::Keyring
    } else {
        Promise::Commit
    }
}

/// There are few passphrases, taken in turn, so that finding the one that opens is quick.
const TURNS: u64 = 4;

/// Whose turn it is after number `n` set the passphrase; the first is 0.
fn turn(n: u64) -> u64 {
    (n / PASSPHRASE_EVERY + 1) % TURNS
}

fn passphrase(turn: u64) -> Passphrase {
    Passphrase::new(&format!("the passphrase of turn {turn}"))
}

impl Scenario for VaultScenario {
    fn name(&self) -> &'static str {
        "vault"
    }

    fn work(&self, dir: &Path, from: u64, tell: &mut Tell) -> Result<()> {
        let mut rng = rand::rng();
        let (mut open, mut current) = open_or_create(dir)?;
        let store = open.store();
        tell.ready()?;
        for n in from.. {
            tell.tried(n)?;
            match promise(n) {
                Promise::Commit => commit(&store, n)?,
                Promise::Keyring => open.update_keyring(&mut rng, |keyring, rng| {
                    keyring.add_epoch(epoch(n), rng);
                    keyring.drop_epochs_before(epoch(n.saturating_sub(EPOCHS * KEYRING_EVERY)));
                    Ok::<_, VaultError>(())
                })?,
                Promise::Passphrase => {
                    let next = turn(n);
                    open.rewrap(
                        &passphrase(current),
                        &passphrase(next),
                        KdfParams::FLOOR,
                        &mut rng,
                    )?;
                    current = next;
                }
            }
            tell.acked(n)?;
        }
        Ok(())
    }

    fn check(&self, dir: &Path, told: &Told, full: bool) -> Result<Verdict> {
        let mut verdict = Verdict::default();
        let Some((open, turn)) = open_existing(dir)? else {
            // Nothing there is fine as long as nothing was acknowledged.
            verdict.unopenable += u64::from(!told.acked.is_empty());
            return Ok(verdict);
        };
        let last = |kind: fn(&Promise) -> bool| {
            let mut acked = told.acked.iter().rev().copied();
            acked.find(|n| kind(&promise(*n)))
        };
        let set = last(|p| matches!(p, Promise::Passphrase));
        verdict.lost += u64::from(!may_be_set(told, set, turn));
        if let Some(n) = last(|p| matches!(p, Promise::Keyring)) {
            verdict.lost += u64::from(open.keyring().epoch(epoch(n)).is_none());
        }
        let store = open.store();
        let outbox = count_by_id(&open)?;
        let looked_at = if full { &told.acked } else { &told.recent };
        for n in looked_at
            .iter()
            .filter(|n| matches!(promise(**n), Promise::Commit))
        {
            verdict.lost += u64::from(!is_whole(&open, &store, &outbox, *n)?);
        }
        verdict.doubled += outbox.values().filter(|count| **count > 1).count() as u64;
        // A number that was tried and not acknowledged is there whole or not at all.
        for n in told.tried.difference(&told.acked) {
            let any = store
                .load::<Message>(&(MailBox::Sent, message_id(*n)))?
                .is_some();
            let whole = is_whole(&open, &store, &outbox, *n)?;
            verdict.lost += u64::from(matches!(promise(*n), Promise::Commit) && any != whole);
        }
        if full {
            verdict.lost += u64::from(store.check_activity().is_err());
            verdict.doubled += doubled_messages(&store)?;
        }
        Ok(verdict)
    }
}

/// Whether this passphrase may be the one: set by the last acknowledged change, or by one that was
/// begun after it.
fn may_be_set(told: &Told, last: Option<u64>, found: u64) -> bool {
    let begun = told.tried.range(last.map_or(0, |n| n + 1)..);
    let mut begun = begun.filter(|n| matches!(promise(**n), Promise::Passphrase));
    last.map_or(0, turn) == found || begun.any(|n| turn(*n) == found)
}

fn open_or_create(dir: &Path) -> Result<(Open, u64)> {
    if let Some(opened) = open_existing(dir)? {
        return Ok(opened);
    }
    let mut rng = rand::rng();
    let keyring = Keyring::new(
        AccountId::new([1; 32]),
        DeviceId::new([2; 16]),
        MailboxId::new([3; 16]),
        AccountSeed::generate(&mut rng),
        DeviceSeed::generate(&mut rng),
        TransportSeed::generate(&mut rng),
    );
    let (open, _) = Vault::create(dir, &passphrase(0), KdfParams::FLOOR, keyring, &mut rng)?;
    Ok((open, 0))
}

/// Opens with the passphrase that fits, and says whose turn it is.
fn open_existing(dir: &Path) -> Result<Option<(Open, u64)>> {
    let mut locked = match Vault::look(dir)? {
        State::Locked(locked) => locked,
        State::None => return Ok(None),
        other => bail!("the vault does not open: {other:?}"),
    };
    for candidate in 0..TURNS {
        match locked.unlock(&passphrase(candidate)) {
            Ok(open) => return Ok(Some((open, candidate))),
            Err((still, waxwing_vault::UnlockError::WrongPassphrase)) => locked = still,
            Err((_, error)) => return Err(error.into()),
        }
    }
    bail!("no passphrase opens the vault")
}

fn commit(store: &Store, n: u64) -> Result<()> {
    let mut rng = rand::rng();
    let lane = store.lane(&recipient(n))?;
    let submission = submission(n);
    let row = &mut Outgoing {
        id: OutgoingId::new(id(n)),
        lane,
        position: 0,
        envelope: EnvelopeId::new(id(n)),
        to: Vec::new(),
        relay: 0,
        uploads: Vec::new(),
        length: 0,
        state: OutgoingState::Queued,
        reason: None,
        attempts: 0,
        next_try: 0,
        queued_at: n,
        expires_at: n,
    };
    store.commit(&mut rng, |tx| {
        tx.put(&message(n))?;
        tx.create(&replay(n))?;
        tx.carriage().append(row, &submission)?;
        tx.record(n, ActivityKind::CardPublished, "")
    })?;
    Ok(())
}

fn is_whole(open: &Open, store: &Store, outbox: &BTreeMap<[u8; 16], u64>, n: u64) -> Result<bool> {
    let there = store.load::<Message>(&(MailBox::Sent, message_id(n)))?;
    let replay = replay(n);
    Ok(there == Some(message(n))
        && store.replay_seen(replay.sender, replay.message)?
        && outbox.get(&id(n)) == Some(&1)
        && open.carriage().submission(&OutgoingId::new(id(n)))? == Some(submission(n)))
}

fn count_by_id(open: &Open) -> Result<BTreeMap<[u8; 16], u64>> {
    let mut counts = BTreeMap::new();
    for row in open.carriage().outbox()? {
        *counts.entry(*row.id.as_bytes()).or_default() += 1;
    }
    Ok(counts)
}

fn doubled_messages(store: &Store) -> Result<u64> {
    let listing = store.messages(MailBox::Sent, &Page::oldest(usize::MAX))?;
    let mut ids: Vec<_> = listing.rows.iter().map(|message| message.id).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    Ok((all - ids.len()) as u64 + listing.total.abs_diff(all as u64))
}

fn id(n: u64) -> [u8; 16] {
    u128::from(n).to_be_bytes()
}

fn message_id(n: u64) -> MessageId {
    MessageId::new(id(n))
}

fn epoch(n: u64) -> EpochId {
    EpochId(u32::try_from(n).unwrap_or(u32::MAX))
}

fn recipient(n: u64) -> AccountId {
    AccountId::new([u8::try_from(n % LANES).unwrap_or(0); 32])
}

/// From nothing to 40 KB, so that rows in one and in many pieces are written.
fn submission(n: u64) -> Vec<u8> {
    let length = usize::try_from(n * 7919 % 40_000).unwrap_or(0);
    n.to_be_bytes().into_iter().cycle().take(length).collect()
}

fn replay(n: u64) -> Replay {
    Replay {
        sender: recipient(n),
        message: message_id(n),
        until: n,
    }
}

fn message(n: u64) -> Message {
    Message {
        id: message_id(n),
        mailbox: MailBox::Sent,
        sender: AccountId::new([1; 32]),
        sender_device: DeviceId::new([2; 16]),
        recipients: Vec::new(),
        subject: format!("number {n}").into(),
        body: "text "
            .repeat(usize::try_from(n % 2000).unwrap_or(0))
            .into(),
        unknown: None,
        at: n,
        claimed_at: n,
        relay_seq: None,
        relay_at: None,
        conversation: ConversationId::derive(&[recipient(n)]),
        seq: n,
        previous: None,
        sender_card: None,
        gap: false,
        missing: 0,
        other_before: false,
        in_reply_to: None,
        attachments: Vec::new(),
        opened: true,
    }
}
