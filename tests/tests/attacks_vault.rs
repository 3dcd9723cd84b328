//! The rows of docs/protocol.md section 10 that are the vault's: one named test each, plus what an
//! independent reading of section 6 gives. The attacker has the folder, and sometimes an older copy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use argon2::{Algorithm, Argon2, Params, Version};
use ciborium::Value;
use hkdf::Hkdf;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use sha2::{Digest as _, Sha256};
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_crypto::stream::AttachmentKey;
use waxwing_crypto::vault_header::{
    AccountSeed, DeviceSeed, EpochId, Header, HeaderError, Keyring, TransportSeed,
};
use waxwing_vault::rows::{
    Contact, Draft, DraftId, LaneId, MailBox, Message, Place, PrekeyKind, PrekeySecret, Replay,
};
use waxwing_vault::{
    BackupFile, NewVault, Open, Page, RekeyStep, State, UnlockError, Vault, VaultError,
};
use waxwing_wire::ids::{
    AccountId, AttachmentId, ConversationId, DeviceId, Digest, KeyId, MailboxId, MessageId,
};
use zeroize::Zeroizing;

const PASSPHRASE: &str = "seven quiet wax seals";
const EPOCH: EpochId = EpochId(2900);

struct Home {
    place: tempfile::TempDir,
    rng: StdRng,
}

impl Home {
    fn new() -> Self {
        Self {
            place: tempfile::tempdir().unwrap(),
            rng: StdRng::seed_from_u64(1),
        }
    }

    fn dir(&self) -> PathBuf {
        self.place.path().join("alice")
    }

    fn header(&self) -> PathBuf {
        self.dir().join("vault.cbor")
    }

    fn create(&mut self) -> (Open, RecoveryCode) {
        let rng = &mut self.rng;
        let mut keyring = Keyring::new(
            AccountId::new([1; 32]),
            DeviceId::new([2; 16]),
            MailboxId::new([3; 16]),
            AccountSeed::new([0xA1; 32]),
            DeviceSeed::generate(rng),
            TransportSeed::generate(rng),
        );
        keyring.add_epoch(EPOCH, rng);
        let passphrase = Passphrase::new(PASSPHRASE);
        let dir = self.place.path().join("alice");
        Vault::create(&dir, &passphrase, KdfParams::FLOOR, keyring, rng).unwrap()
    }

    fn unlock(&self) -> Open {
        unlock(&self.dir(), PASSPHRASE).unwrap()
    }
}

fn unlock(dir: &Path, passphrase: &str) -> Result<Open, UnlockError> {
    match Vault::look(dir).unwrap() {
        State::Locked(locked) => locked
            .unlock(&Passphrase::new(passphrase))
            .map_err(|(_, error)| error),
        other => panic!("{other:?}"),
    }
}

/// Every file under a folder with its bytes.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found
}

fn appears(dir: &Path, needle: &[u8]) -> Option<PathBuf> {
    files(dir)
        .into_iter()
        .find(|(_, bytes)| bytes.windows(needle.len()).any(|window| window == needle))
        .map(|(path, _)| path)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn prekey(byte: u8) -> PrekeySecret {
    PrekeySecret {
        kid: KeyId::new([byte; 16]),
        kind: PrekeyKind::OneTime,
        suite: 2,
        epoch: EPOCH.0,
        secret: Zeroizing::new(vec![0xC7; 64]),
        record: vec![0xD8; 64],
        made_at: 1,
        not_after: 2,
    }
}

fn message() -> Message {
    Message {
        id: MessageId::new([0x4D; 16]),
        mailbox: MailBox::Inbox,
        sender: AccountId::new([0xB0; 32]),
        sender_device: DeviceId::new([0xB1; 16]),
        recipients: Vec::new(),
        subject: Zeroizing::new("A subject about the surgery".into()),
        body: Zeroizing::new("The appointment is on Tuesday. ".repeat(900)),
        unknown: None,
        at: 1,
        claimed_at: 1,
        relay_seq: Some(1),
        relay_at: Some(1),
        conversation: ConversationId::new([0xB2; 32]),
        seq: 1,
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

// ---- an independent reading of section 6 ----

fn field(value: &Value, label: i64) -> &Value {
    let entries = value.as_map().unwrap();
    let found = entries.iter().find(|(key, _)| *key == Value::from(label));
    &found.unwrap().1
}

fn field_mut(value: &mut Value, label: i64) -> &mut Value {
    let entries = value.as_map_mut().unwrap();
    let found = entries
        .iter_mut()
        .find(|(key, _)| *key == Value::from(label));
    &mut found.unwrap().1
}

fn bytes(value: &Value) -> &[u8] {
    value.as_bytes().unwrap()
}

fn cbor(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    ciborium::into_writer(value, &mut out).unwrap();
    out
}

fn load(path: &Path) -> Value {
    ciborium::from_reader(fs::read(path).unwrap().as_slice()).unwrap()
}

/// Writes an altered header with a right digest, as an attacker who knows the format would.
fn save_with_digest(path: &Path, header: &Value) {
    let mut entries = header.as_map().unwrap().clone();
    entries.retain(|(key, _)| *key != Value::from(6));
    let digest = Sha256::digest(cbor(&Value::Map(entries.clone())));
    entries.push((Value::from(6), Value::Bytes(digest.to_vec())));
    fs::write(path, cbor(&Value::Map(entries))).unwrap();
}

fn slot(header: &Value, number: usize) -> &Value {
    &field(header, 4).as_array().unwrap()[number]
}

fn slot_mut(header: &mut Value, number: usize) -> &mut Value {
    &mut field_mut(header, 4).as_array_mut().unwrap()[number]
}

/// `KEK || commit` of the passphrase slot, from the primitives alone.
fn kek_and_commit(header: &Value, passphrase: &[u8]) -> [u8; 64] {
    let kdf = field(slot(header, 0), 2);
    let number = |label| u32::try_from(field(kdf, label).as_integer().unwrap()).unwrap();
    assert_eq!(number(1), 0x13);
    let params = Params::new(number(2), number(3), number(4), Some(32)).unwrap();
    let mut prk = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase, bytes(field(kdf, 5)), &mut prk)
        .unwrap();
    let mut out = [0; 64];
    Hkdf::<Sha256>::new(Some(bytes(field(header, 2))), &prk)
        .expand(b"waxwing/vault/kek/v1", &mut out)
        .unwrap();
    out
}

fn slot_aad(header: &Value, number: usize) -> Vec<u8> {
    cbor(&Value::Array(vec![
        Value::from("waxwing/vault/slot/v1"),
        field(header, 2).clone(),
        field(slot(header, number), 1).clone(),
        field(slot(header, number), 2).clone(),
    ]))
}

fn gcm_open(key: &[u8], nonce: &Value, aad: &[u8], ct: &Value) -> Option<Vec<u8>> {
    let nonce = Nonce::try_from(bytes(nonce)).unwrap();
    let payload = Payload {
        msg: bytes(ct),
        aad,
    };
    Aes256Gcm::new_from_slice(key)
        .unwrap()
        .decrypt(&nonce, payload)
        .ok()
}

#[test]
fn an_independent_reading_of_section_6_opens_the_vault() {
    let mut home = Home::new();
    let (open, _) = home.create();
    drop(open);
    let header = load(&home.header());
    assert_eq!(field(&header, 1).as_text(), Some("waxwing/vault/v1"));
    let keys = kek_and_commit(&header, PASSPHRASE.as_bytes());
    let pass = slot(&header, 0);
    assert_eq!(bytes(field(pass, 3)), &keys[32..]);
    let aad = slot_aad(&header, 0);
    let root = gcm_open(&keys[..32], field(pass, 4), &aad, field(pass, 5)).unwrap();

    let keyring = field(&header, 5);
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(bytes(field(keyring, 1))), &root)
        .expand(b"waxwing/vault/keyring/v1", &mut key)
        .unwrap();
    let aad = cbor(&Value::Array(vec![
        Value::from("waxwing/vault/keyring/v1"),
        field(&header, 2).clone(),
        field(&header, 3).clone(),
        Value::Bytes(Sha256::digest(cbor(field(&header, 4))).to_vec()),
    ]));
    let plain = gcm_open(&key, field(keyring, 2), &aad, field(keyring, 3)).unwrap();
    let plain: Value = ciborium::from_reader(plain.as_slice()).unwrap();
    assert_eq!(bytes(&plain.as_array().unwrap()[4]), &[0xA1; 32]);
}

// ---- section 10, row by row ----

/// Row "counter nonce in sled": an older copy of the folder is put back and goes on writing.
#[test]
fn a_restored_copy_never_seals_twice_under_one_key_and_nonce() {
    let mut home = Home::new();
    let (open, _) = home.create();
    drop(open);
    let copy_dir = home.place.path().join("copy");
    copy(&home.dir(), &copy_dir);
    let mut seals = BTreeSet::new();
    for _ in 0..3 {
        // the same generation, the same change, from the same state, with the same passphrase
        fs::remove_dir_all(home.dir()).unwrap();
        copy(&copy_dir, &home.dir());
        let mut open = home.unlock();
        open.update_keyring(&mut rand::rng(), |keyring, _| {
            Ok::<_, VaultError>(keyring.drop_epochs_before(EPOCH))
        })
        .unwrap();
        assert_eq!(open.generation(), 2);
        drop(open);
        let header = load(&home.header());
        let keyring = field(&header, 5);
        assert!(
            seals.insert(bytes(field(keyring, 1)).to_vec()),
            "keyring salt repeats"
        );
        assert!(
            seals.insert(bytes(field(keyring, 2)).to_vec()),
            "keyring nonce repeats"
        );
    }
}

/// Row "one AES key for vault, messages, files": what is sealed for one place opens nowhere else.
#[test]
fn keys_of_different_places_are_different_keys() {
    let mut rng = StdRng::seed_from_u64(3);
    let mut home = Home::new();
    let (open, _) = home.create();
    let bytes = fs::read(home.header()).unwrap();
    let root = Header::decode(&bytes)
        .unwrap()
        .unwrap_with_passphrase(&Passphrase::new(PASSPHRASE))
        .unwrap();
    let keys = [
        root.record_key("messages", 0),
        root.record_key("messages", 1),
        root.record_key("contacts", 0),
        open.keyring().epoch(EPOCH).unwrap().record_key(),
    ];
    for (sealer, key) in keys.iter().enumerate() {
        let sealed = key.seal(b"place", b"text", &mut rng);
        for (opener, key) in keys.iter().enumerate() {
            assert_eq!(key.open(b"place", &sealed).is_ok(), sealer == opener);
        }
    }
}

/// Row "GCM under password key, no commitment": a slot whose ciphertext opens but whose commitment is
/// another's is refused before anything is opened.
#[test]
fn a_slot_that_does_not_commit_to_its_key_is_refused() {
    let mut home = Home::new();
    drop(home.create());
    let mut header = load(&home.header());
    let keys = kek_and_commit(&header, PASSPHRASE.as_bytes());
    let pass = slot(&header, 0);
    let aad = slot_aad(&header, 0);
    assert!(gcm_open(&keys[..32], field(pass, 4), &aad, field(pass, 5)).is_some());
    *field_mut(slot_mut(&mut header, 0), 3) = Value::Bytes(vec![0x55; 32]);
    save_with_digest(&home.header(), &header);
    assert_eq!(
        unlock(&home.dir(), PASSPHRASE).unwrap_err(),
        UnlockError::WrongPassphrase
    );
}

/// Row "argon2 params from file unchecked": too much is refused before memory is taken, too little
/// before a passphrase is stretched.
#[test]
fn parameters_from_the_file_are_bounded() {
    let mut home = Home::new();
    drop(home.create());
    let good = load(&home.header());
    let absurd: [(i64, u64); 8] = [
        (2, 64 << 20),
        (2, u64::MAX),
        (2, 19 << 10),
        (2, 0),
        (3, 17),
        (3, 1),
        (4, 17),
        (4, 0),
    ];
    for (label, number) in absurd {
        let mut header = good.clone();
        *field_mut(field_mut(slot_mut(&mut header, 0), 2), label) = Value::from(number);
        save_with_digest(&home.header(), &header);
        assert!(
            matches!(Vault::look(&home.dir()).unwrap(), State::Corrupt { .. }),
            "parameter {label} = {number} was accepted"
        );
    }
    save_with_digest(&home.header(), &good);
    drop(home.unlock());
}

/// Weaker but allowed parameters cannot be slipped in either: they are part of the slot's aad.
#[test]
fn parameters_and_slots_cannot_be_exchanged() {
    let mut home = Home::new();
    let (mut open, _) = home.create();
    let old = load(&home.header());
    let stronger = KdfParams::new(64 << 10, 4, 4).unwrap();
    let passphrase = Passphrase::new(PASSPHRASE);
    open.rewrap(
        &passphrase,
        &Passphrase::new("new words"),
        stronger,
        &mut home.rng,
    )
    .unwrap();
    drop(open);
    let mut mixed = load(&home.header());
    *slot_mut(&mut mixed, 0) = slot(&old, 0).clone();
    save_with_digest(&home.header(), &mixed);
    // the old passphrase opens the old slot, and the keyring notices
    assert!(matches!(
        unlock(&home.dir(), PASSPHRASE),
        Err(UnlockError::Corrupt(_))
    ));
}

/// Row "passphrase bytes as typed".
#[test]
fn a_passphrase_typed_with_other_code_points_opens() {
    let mut home = Home::new();
    let (mut open, _) = home.create();
    let composed = "Z\u{fc}rich caf\u{e9}";
    let decomposed = "Zu\u{308}rich cafe\u{301}";
    let old = Passphrase::new(PASSPHRASE);
    open.rewrap(
        &old,
        &Passphrase::new(composed),
        KdfParams::FLOOR,
        &mut home.rng,
    )
    .unwrap();
    drop(open);
    drop(unlock(&home.dir(), decomposed).unwrap());
}

/// Row "delete row = key gone": the bytes of a deleted one-time prekey are still in the store's file,
/// and nothing that is left opens them once its epoch is destroyed.
#[test]
fn a_destroyed_one_time_prekey_is_unreadable_from_every_file() {
    let mut home = Home::new();
    let (mut open, _) = home.create();
    let store = open.store();
    store
        .commit(&mut home.rng, |tx| tx.put(&prekey(7)))
        .unwrap();
    let secret = [0xC7; 64];
    assert_eq!(
        appears(&home.dir(), &secret),
        None,
        "never in the clear, not even while it lives"
    );
    store
        .commit(&mut home.rng, |tx| {
            tx.delete::<PrekeySecret>(&prekey(7).kid)
        })
        .unwrap();
    let destroyed = *open.keyring().epoch(EPOCH).unwrap().expose();
    open.update_keyring(&mut home.rng, |keyring, rng| {
        keyring.add_epoch(EpochId(EPOCH.0 + 1), rng);
        Ok::<_, VaultError>(keyring.drop_epochs_before(EpochId(EPOCH.0 + 1)))
    })
    .unwrap();
    let left: Vec<_> = open
        .keyring()
        .epochs()
        .map(|(_, key)| key.record_key())
        .collect();
    drop((store, open));

    // The attacker has the passphrase and every byte of the folder: he tries every offset of every
    // file as the sealed row, under every key that is left, and under the destroyed one to show that
    // the search would find it.
    let root = Header::decode(&fs::read(home.header()).unwrap())
        .unwrap()
        .unwrap_with_passphrase(&Passphrase::new(PASSPHRASE))
        .unwrap();
    let row_key = root.index_key("prekeys").derive(prekey(7).kid.as_bytes());
    let aad = cbor(&Value::Array(vec![
        Value::from("prekeys"),
        Value::Bytes(row_key.to_vec()),
        Value::from(1),
    ]));
    let lengths = sealed_lengths();
    let find = |key: &waxwing_crypto::vault_header::RecordKey| {
        files(&home.dir()).iter().any(|(_, bytes)| {
            let at_epoch =
                (0..bytes.len()).filter(|at| bytes[*at..].starts_with(&EPOCH.0.to_be_bytes()));
            at_epoch.into_iter().any(|at| {
                lengths.clone().any(|length| {
                    bytes
                        .get(at + 4..at + 4 + length)
                        .is_some_and(|sealed| key.open(&aad, sealed).is_ok())
                })
            })
        })
    };
    let mut with_destroyed = Keyring::new(
        AccountId::new([0; 32]),
        DeviceId::new([0; 16]),
        MailboxId::new([0; 16]),
        AccountSeed::new([0; 32]),
        DeviceSeed::new([0; 32]),
        TransportSeed::new([0; 32]),
    );
    with_destroyed.add_epoch(EPOCH, &mut Repeats(destroyed));
    let destroyed = with_destroyed.epoch(EPOCH).unwrap().record_key();
    assert!(
        find(&destroyed),
        "the store no longer keeps deleted rows: the test is blind"
    );
    assert!(
        left.iter().all(|key| !find(key)),
        "a key that is left opens it"
    );
    assert!(!find(&root.record_key("prekeys", 0)));
    assert_eq!(
        appears(&home.dir(), with_destroyed.epoch(EPOCH).unwrap().expose()),
        None
    );
}

/// Lengths that a sealed prekey row may have.
fn sealed_lengths() -> std::ops::Range<usize> {
    let mut plain = Vec::new();
    ciborium::into_writer(&prekey(7), &mut plain).unwrap();
    let sealed = 12 + plain.len() + 16;
    sealed..sealed + 1
}

/// A generator that gives the bytes it was made of, to rebuild a key from them.
struct Repeats([u8; 32]);

impl rand::TryRng for Repeats {
    type Error = core::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(0)
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(0)
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        out.copy_from_slice(&self.0);
        Ok(())
    }
}

impl rand::TryCryptoRng for Repeats {}

/// Row "accept same ciphertext twice": the second acceptance fails as a whole, and stays refused
/// after a restart.
#[test]
fn a_message_is_accepted_once() {
    let mut home = Home::new();
    let (open, _) = home.create();
    let accept = |open: &Open| {
        open.store().commit(&mut rand::rng(), |tx| {
            tx.create(&Replay {
                sender: message().sender,
                message: message().id,
                until: 100,
            })?;
            tx.put(&message())
        })
    };
    accept(&open).unwrap();
    assert_eq!(accept(&open).unwrap_err(), VaultError::Exists("replays"));
    drop(open);
    let open = home.unlock();
    assert_eq!(accept(&open).unwrap_err(), VaultError::Exists("replays"));
    assert_eq!(
        open.store()
            .messages(MailBox::Inbox, &Page::newest(9))
            .unwrap()
            .total,
        1
    );
}

/// Row "ack before durable write": an envelope is owed an acknowledgement only together with its
/// bytes, and being shown it again after the acknowledgement was lost does not double it.
#[test]
fn an_acknowledgement_is_owed_only_with_the_envelope_on_disk() {
    let mut home = Home::new();
    let (open, _) = home.create();
    let carriage = open.carriage();
    let place = Place { relay: 0, seq: 1 };
    let failed = carriage.commit(|tx| {
        tx.keep(place, 1, 1, b"ciphertext")?;
        Err::<(), _>(VaultError::DiskFull)
    });
    assert_eq!(failed.unwrap_err(), VaultError::DiskFull);
    assert!(carriage.owed_acks().unwrap().is_empty());
    assert_eq!(carriage.cursor(0).unwrap(), 0);
    assert!(
        carriage
            .commit(|tx| tx.keep(place, 1, 1, b"ciphertext"))
            .unwrap()
    );
    assert!(
        !carriage
            .commit(|tx| tx.keep(place, 1, 1, b"ciphertext"))
            .unwrap()
    );
    assert_eq!(carriage.incoming_count().unwrap(), 1);
    assert_eq!(carriage.owed_acks().unwrap().len(), 1);
}

/// The folder shows nothing of names, texts, keys or files, in any file of it.
#[allow(clippy::too_many_lines)] // a list of all that must not be found
#[test]
fn nothing_readable_is_ever_on_disk() {
    let mut home = Home::new();
    let (open, code) = home.create();
    let store = open.store();
    let draft = Draft {
        id: DraftId([0x77; 16]),
        to: vec![AccountId::new([0xB0; 32])],
        subject: Zeroizing::new("Draft about the surgery".into()),
        body: Zeroizing::new("Not yet written".into()),
        in_reply_to: None,
        files: Vec::new(),
        saved_at: 1,
    };
    let contact = Contact {
        account: AccountId::new([0xB0; 32]),
        petname: "Bob of the clinic".into(),
        address: "bob@localhost".into(),
        card: vec![0xE5; 200],
        card_digest: Digest::new([0xE6; 32]),
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
    };
    let mut files_id = [0; 16];
    files_id[0] = 1;
    let source = home.place.path().join("plain.txt");
    fs::write(&source, "The X-ray shows nothing unusual. ".repeat(1000)).unwrap();
    let key = AttachmentKey::new([0xF1; 32]);
    store
        .commit(&mut home.rng, |tx| {
            tx.put(&message())?;
            tx.put(&draft)?;
            tx.put(&contact)?;
            tx.put(&prekey(0x66))
        })
        .unwrap();
    let files = open.carriage().files().unwrap();
    let id = AttachmentId::new(files_id);
    files
        .seal(&source, id, &key, &mut |_, _| true, &mut home.rng)
        .unwrap();
    let lane: LaneId = store.lane(&contact.account).unwrap();
    let generations = open.generation();
    drop((store, open, files));
    assert_eq!(home.unlock().generation(), generations);

    let hex = |byte: &str| byte.repeat(32).into_bytes();
    let needles: Vec<Vec<u8>> = vec![
        b"surgery".to_vec(),
        b"appointment".to_vec(),
        b"X-ray".to_vec(),
        b"Bob of the clinic".to_vec(),
        b"bob@localhost".to_vec(),
        b"Not yet written".to_vec(),
        PASSPHRASE.as_bytes().to_vec(),
        code.words()[..3].join(" ").into_bytes(),
        vec![0xB0; 16],
        hex("b0"),
        vec![0x4D; 16],
        vec![0x66; 16],
        vec![0xA1; 16],
        vec![0xC7; 16],
        vec![0xE5; 16],
        vec![0xF1; 16],
    ];
    for needle in needles {
        assert_eq!(
            appears(&home.dir(), &needle),
            None,
            "{}",
            String::from_utf8_lossy(&needle)
        );
    }
    assert_ne!(lane.as_bytes(), &[0xB0; 16]);
}

/// A damaged header is told from a wrong passphrase, whichever byte it is.
#[test]
fn no_byte_of_the_header_can_be_changed_unnoticed() {
    let mut home = Home::new();
    drop(home.create());
    let good = fs::read(home.header()).unwrap();
    for at in 0..good.len() {
        let mut bent = good.clone();
        bent[at] ^= 0x80;
        match Header::decode(&bent) {
            Err(HeaderError::Corrupt(_) | HeaderError::UnknownVersion) => {}
            other => panic!("byte {at}: {other:?}"),
        }
    }
    drop(home.unlock());
}

/// An older header put back (rollback) still opens with the passphrase of its time: nothing on this
/// computer can notice that, and the docs say so. What it must not do is open rows sealed since under
/// epochs it does not have.
#[test]
fn a_rolled_back_header_brings_no_destroyed_key_for_new_rows() {
    let mut home = Home::new();
    let (mut open, _) = home.create();
    let old = fs::read(home.header()).unwrap();
    let next = EpochId(EPOCH.0 + 1);
    open.update_keyring(&mut home.rng, |keyring, rng| {
        keyring.add_epoch(next, rng);
        Ok::<_, VaultError>(())
    })
    .unwrap();
    let mut later = prekey(9);
    later.epoch = next.0;
    open.store()
        .commit(&mut home.rng, |tx| tx.put(&later))
        .unwrap();
    drop(open);
    fs::write(home.header(), old).unwrap();
    let open = home.unlock();
    assert_eq!(open.store().load::<PrekeySecret>(&later.kid).unwrap(), None);
}

/// Row "passphrase changed, root key kept": who saw the old passphrase and kept the old header gets
/// hold of the store after a re-key.
#[test]
fn the_old_passphrase_and_header_open_nothing_of_a_rekeyed_store() {
    let mut home = Home::new();
    let (mut open, _) = home.create();
    let rng = &mut StdRng::seed_from_u64(4);
    open.store().commit(rng, |tx| tx.put(&message())).unwrap();
    let files = open.carriage().files().unwrap();
    let (file, key) = (AttachmentId::new([9; 16]), AttachmentKey::new([0xF1; 32]));
    let source = home.place.path().join("plain.txt");
    fs::write(&source, "The X-ray shows nothing unusual. ").unwrap();
    let sealed = files.seal(&source, file, &key, &mut |_, _| true, rng);
    let known = files.read(file, 0, 1 << 20).unwrap();
    assert_eq!(Digest::of(&known), sealed.unwrap().sha256);
    let old = fs::read(home.header()).unwrap();
    let root = Header::decode(&old)
        .unwrap()
        .unwrap_with_passphrase(&Passphrase::new(PASSPHRASE))
        .unwrap();
    let name = [&[0], message().id.as_ref()].concat();
    let row_key = root.index_key("messages").derive(&name);
    assert!(appears(&home.dir(), &row_key).is_some());

    let new = Passphrase::new("another set of words");
    let code = open
        .begin_rekey(&Passphrase::new(PASSPHRASE), &new, KdfParams::FLOOR, rng)
        .unwrap();
    while open.step_rekey(rng).unwrap() != RekeyStep::Ready {}
    open.finish_rekey(&new, &code, rng).unwrap();
    assert_eq!(files.read(file, 0, 1 << 20).unwrap(), known);
    drop((open, files));
    assert_eq!(appears(&home.dir(), &row_key), None, "a row keeps its key");
    assert_eq!(appears(&home.dir(), &known[60..92]), None, "a file is bare");

    // The old header in its place, and the new store under the name that it has for its own.
    fs::rename(home.dir().join("store-1"), home.dir().join("store")).unwrap();
    fs::write(home.header(), old).unwrap();
    let open = home.unlock();
    let key = (MailBox::Inbox, message().id);
    assert_eq!(open.store().load::<Message>(&key).unwrap(), None);
    assert_eq!(
        open.store().all::<Message>().unwrap_err(),
        VaultError::DoesNotOpen("messages")
    );
    let page = open.store().messages(MailBox::Inbox, &Page::newest(10));
    assert!(matches!(page, Err(VaultError::DoesNotOpen(_))));
    // The key itself: `who_has_the_old_vault_and_its_root_key_opens_no_file_of_the_new_one`.
    let files = open.carriage().files().unwrap();
    let refused = files.read(file, 0, 1);
    assert_eq!(
        refused.unwrap_err(),
        VaultError::Corrupt("a file of another store")
    );
}

fn back_up(home: &mut Home, open: &Open, name: &str) -> PathBuf {
    let place = home.place.path().join(name);
    let writer = open.begin_backup(1, &mut home.rng).unwrap();
    writer.write(&place, &mut |_| true).unwrap();
    place
}

fn restore(
    home: &mut Home,
    dir: &Path,
    file: &Path,
    code: &RecoveryCode,
) -> Result<(), VaultError> {
    let new = NewVault {
        code,
        passphrase: &Passphrase::new("another passphrase of now"),
        params: KdfParams::FLOOR,
        now: 2,
    };
    let file = BackupFile::look(file)?;
    let restored = Vault::restore(dir, &file, &new, &mut |_| true, &mut home.rng)?;
    restored.place("aside").map(drop)
}

/// Neither the passphrase of then nor that of now, nor the slot of it, is of any use with a backup;
/// nor is the code of another vault or the one that came after.
#[test]
fn no_passphrase_and_no_other_code_opens_a_backup() {
    let mut home = Home::new();
    let (mut open, code) = home.create();
    let file = back_up(&mut home, &open, "one");
    let bytes = fs::read(&file).unwrap();

    // The whole of the passphrase slot: salt, commitment, wrapped key. None of it leaves.
    let header: Value = ciborium::from_reader(fs::read(home.header()).unwrap().as_slice()).unwrap();
    let slots = field(&header, 4).as_array().unwrap().clone();
    let salt = field(field(&slots[0], 2), 5).as_bytes().unwrap().clone();
    let wrapped = [3, 4, 5].map(|label| field(&slots[0], label).as_bytes().unwrap().clone());
    for part in wrapped.iter().chain([&salt]) {
        assert!(!bytes.windows(part.len()).any(|window| window == part));
    }
    let code_of_slot = field(&slots[1], 3).as_bytes().unwrap().clone();
    assert!(bytes.windows(32).any(|window| window == code_of_slot));

    let dir = home.place.path().join("elsewhere");
    let other = RecoveryCode::generate(&mut home.rng);
    let refused = restore(&mut home, &dir, &file, &other);
    assert_eq!(refused, Err(VaultError::WrongPassphrase));
    let current = Passphrase::new(PASSPHRASE);
    let next = open.replace_recovery(&current, &mut home.rng).unwrap();
    let refused = restore(&mut home, &dir, &file, &next);
    assert_eq!(refused, Err(VaultError::WrongPassphrase));
    assert!(!dir.exists());
    assert_eq!(restore(&mut home, &dir, &file, &code), Ok(()));
    assert!(unlock(&dir, PASSPHRASE).is_err());
}

/// Destroying a week's key here is worth nothing if a backup brings it back.
#[test]
fn a_backup_brings_no_destroyed_key_back() {
    let mut home = Home::new();
    let (open, code) = home.create();
    let store = open.store();
    store
        .commit(&mut home.rng, |tx| tx.put(&prekey(1)))
        .unwrap();
    let week = *open.keyring().epoch(EPOCH).unwrap().expose();
    let file = back_up(&mut home, &open, "one");
    let dir = home.place.path().join("elsewhere");
    restore(&mut home, &dir, &file, &code).unwrap();
    let copy = unlock(&dir, "another passphrase of now").unwrap();
    assert_eq!(copy.keyring().epochs().count(), 0);
    assert_eq!(copy.store().count::<PrekeySecret>(), Ok(0));
    drop(copy);
    for secret in [week.to_vec(), vec![0xC7; 64]] {
        assert_eq!(appears(&dir, &secret), None);
    }
}
