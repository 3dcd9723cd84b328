//! What the tests of this crate share: a vault in a folder of its own, and rows to put in it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    dead_code,
    unreachable_pub
)]

use std::path::{Path, PathBuf};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_crypto::vault_header::{AccountSeed, DeviceSeed, EpochId, Keyring, TransportSeed};
use waxwing_vault::rows::{
    Contact, Delivery, DeliveryState, DropBox, DropKind, DropState, LaneId, MailBox, Message,
    Outgoing, OutgoingId, OutgoingState, Party, PrekeyKind, PrekeySecret,
};
use waxwing_vault::{Locked, Open, State, Vault};
use waxwing_wire::ids::{
    AccountId, ConversationId, DeviceId, Digest, DropId, EnvelopeId, KeyId, MailboxId, MessageId,
};
use zeroize::Zeroizing;

pub const EPOCH: EpochId = EpochId(2900);

pub struct Home {
    _temp: tempfile::TempDir,
    pub dir: PathBuf,
    pub rng: StdRng,
}

pub fn home() -> Home {
    let temp = tempfile::tempdir().unwrap();
    Home {
        dir: temp.path().join("alice"),
        _temp: temp,
        rng: StdRng::seed_from_u64(42),
    }
}

pub fn passphrase() -> Passphrase {
    Passphrase::new("seven quiet wax seals")
}

pub fn keyring(rng: &mut StdRng) -> Keyring {
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

impl Home {
    pub fn create(&mut self) -> (Open, RecoveryCode) {
        let keyring = keyring(&mut self.rng);
        Vault::create(
            &self.dir,
            &passphrase(),
            KdfParams::FLOOR,
            keyring,
            &mut self.rng,
        )
        .unwrap()
    }

    pub fn locked(&self) -> Locked {
        locked(&self.dir)
    }

    pub fn unlock(&self) -> Open {
        self.locked().unlock(&passphrase()).unwrap()
    }

    /// The store opened behind the vault's back, as a disk attacker would.
    pub fn raw_store(&self) -> sled::Db {
        raw(&self.dir.join("store"))
    }
}

/// A store opened behind the vault's back.
pub fn raw(store: &Path) -> sled::Db {
    for _ in 0..1000 {
        if let Ok(db) = sled::open(store) {
            return db;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("the store stays locked");
}

/// Closes the vault and reads the row keys of a tree of its newest store.
pub fn raw_keys(home: &Home, open: Open, tree: &str) -> Vec<Vec<u8>> {
    drop(open);
    let numbered = home.dir.join("store-1");
    let store = if numbered.exists() {
        numbered
    } else {
        home.dir.join("store")
    };
    let db = raw(&store);
    let rows = db.open_tree(tree).unwrap();
    rows.iter()
        .keys()
        .map(|key| key.unwrap().to_vec())
        .collect()
}

pub fn locked(dir: &Path) -> Locked {
    match Vault::look(dir).unwrap() {
        State::Locked(locked) => locked,
        other => panic!("{other:?}"),
    }
}

pub fn contact(byte: u8) -> Contact {
    Contact {
        account: AccountId::new([byte; 32]),
        petname: format!("Bob {byte}"),
        address: format!("bob{byte}@localhost"),
        card: vec![byte; 300],
        card_digest: Digest::of(&[byte]),
        card_version: 1,
        min_suite: 2,
        evidence: Vec::new(),
        compared_at: None,
        held: false,
        stranger: false,
        added_at: 1_800_000_000,
        spares: Vec::new(),
        former: None,
        knows_own: 0,
        looked_at: 0,
    }
}

pub fn message(mailbox: MailBox, byte: u8, body: &str) -> Message {
    Message {
        id: MessageId::new([byte; 16]),
        mailbox,
        sender: AccountId::new([9; 32]),
        sender_device: DeviceId::new([9; 16]),
        recipients: vec![Party {
            account: AccountId::new([1; 32]),
            card_version: 1,
            left_out: 0,
            is_copy: false,
            deliveries: vec![Delivery {
                to: MailboxId::new([byte; 16]),
                envelope: EnvelopeId::new([byte; 16]),
                state: DeliveryState::Sealed,
                since: 5,
            }],
        }],
        subject: Zeroizing::new(format!("Subject {byte}")),
        body: Zeroizing::new(body.to_owned()),
        unknown: None,
        at: 1_800_000_000 + u64::from(byte),
        claimed_at: 1_800_000_000,
        relay_seq: Some(u64::from(byte)),
        relay_at: Some(1_800_000_000),
        conversation: ConversationId::derive(&[AccountId::new([9; 32])]),
        seq: u64::from(byte),
        previous: None,
        sender_card: None,
        gap: false,
        missing: 0,
        other_before: false,
        in_reply_to: None,
        drop: None,
        attachments: Vec::new(),
        opened: false,
    }
}

pub fn drop_box(byte: u8) -> DropBox {
    DropBox {
        id: DropId::new([byte; 16]),
        name: format!("Box {byte}"),
        kind: DropKind::SealedHere {
            secret: Some(Zeroizing::new([byte; 32])),
        },
        record: vec![byte; 90],
        relay: 0,
        link: format!("https://relay.example/drop/{byte}"),
        once: false,
        made_at: 5,
        expires_at: 6,
        state: DropState::Open,
        is_end_told: false,
        opened: 3,
        last_drop: Some(7),
    }
}

/// All that is in a box, its secret too.
pub fn told(row: &DropBox) -> String {
    format!("{row:?}{:?}{:?}{:?}", row.secret(), row.link, row.record)
}

pub fn prekey(byte: u8, epoch: EpochId) -> PrekeySecret {
    PrekeySecret {
        kid: KeyId::new([byte; 16]),
        kind: PrekeyKind::OneTime,
        suite: 2,
        epoch: epoch.0,
        secret: Zeroizing::new(b"SECRET-PREKEY-BYTES-".repeat(4)),
        record: vec![byte; 200],
        made_at: 1_800_000_000,
        not_after: 1_803_000_000,
    }
}

pub fn outgoing(lane: LaneId, byte: u8) -> Outgoing {
    Outgoing {
        id: OutgoingId::new([byte; 16]),
        lane,
        position: 0,
        envelope: EnvelopeId::new([byte; 16]),
        to: vec![MailboxId::new([byte; 16])],
        relay: 0,
        uploads: Vec::new(),
        length: 0,
        state: OutgoingState::Queued,
        reason: None,
        attempts: 0,
        next_try: 0,
        queued_at: 1_800_000_000,
        expires_at: 1_802_000_000,
        is_notice: false,
    }
}
