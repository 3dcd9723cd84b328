#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
//! Index rows of the time before they named their envelope.
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::vault_header::{AccountSeed, DeviceSeed, Keyring, TransportSeed};
use waxwing_wire::ids::{AccountId, ConversationId, DeviceId, EnvelopeId, MailboxId, MessageId};

use crate::engine::{Change, Op};
use crate::rows::{Delivery, DeliveryState, MailBox, Message, Party, Row as _, Watch};
use crate::{Open, RekeyStep, Vault, VaultError, lists, trees};

fn open(dir: &std::path::Path, rng: &mut StdRng) -> Open {
    let keyring = Keyring::new(
        AccountId::new([1; 32]),
        DeviceId::new([2; 16]),
        MailboxId::new([3; 16]),
        AccountSeed::generate(rng),
        DeviceSeed::generate(rng),
        TransportSeed::generate(rng),
    );
    let passphrase = Passphrase::new("one");
    Vault::create(dir, &passphrase, KdfParams::FLOOR, keyring, rng)
        .unwrap()
        .0
}

fn sent(byte: u8, envelope: u8) -> Message {
    Message {
        id: MessageId::new([byte; 16]),
        mailbox: MailBox::Sent,
        sender: AccountId::new([1; 32]),
        sender_device: DeviceId::new([2; 16]),
        recipients: vec![Party {
            account: AccountId::new([7; 32]),
            card_version: 1,
            left_out: 0,
            is_copy: false,
            deliveries: vec![Delivery {
                to: MailboxId::new([byte; 16]),
                envelope: EnvelopeId::new([envelope; 16]),
                state: DeliveryState::AtRelay,
                since: 1,
            }],
        }],
        subject: String::new().into(),
        body: String::new().into(),
        unknown: None,
        at: 1,
        claimed_at: 1,
        relay_seq: None,
        relay_at: None,
        conversation: ConversationId::new([0; 32]),
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

/// Writes the index row of an envelope as it was before it named the envelope.
fn write_old(open: &Open, envelope: u8, message: u8, rng: &mut StdRng) {
    let keys = open.cell.opened().unwrap().keys;
    let key = keys.hide(trees::ENVELOPES, &[envelope; 16]).unwrap();
    let name = Message::name(&(MailBox::Sent, MessageId::new([message; 16])));
    let value = keys
        .seal(trees::ENVELOPES, lists::SCHEMA, &key, &name, rng)
        .unwrap();
    let op = Op {
        tree: trees::ENVELOPES,
        key,
        change: Change::Put(value),
    };
    open.shared
        .commit(|_| Ok::<_, VaultError>(((), vec![op])))
        .unwrap();
}

#[test]
fn envelopes_of_old_index_rows_are_found_by_messages_and_by_what_is_watched() {
    let place = tempfile::tempdir().unwrap();
    let mut rng = StdRng::seed_from_u64(8);
    let mut open = open(&place.path().join("alice"), &mut rng);
    let store = open.store();
    store
        .commit(&mut rng, |tx| {
            // 1: as it is. 2: sealed again, its earlier envelope 102 is watched. 3: removed meanwhile.
            tx.put(&sent(1, 101))?;
            tx.put(&sent(2, 202))?;
            tx.put(&sent(3, 103))?;
            tx.carriage().watch(&Watch {
                envelope: EnvelopeId::new([102; 16]),
                to: MailboxId::new([2; 16]),
                relay: 0,
                state: DeliveryState::Retry,
                since: 1,
                unapplied: true,
                statement: None,
                until: 9,
            })
        })
        .unwrap();
    for (envelope, message) in [(101, 1), (102, 2), (202, 2), (103, 3)] {
        write_old(&open, envelope, message, &mut rng);
    }
    let find = |byte: u8| {
        let found = store.find_envelope(&EnvelopeId::new([byte; 16])).unwrap();
        found.map(|(_, message)| message)
    };
    let [one, two] = [1, 2].map(|byte| Some(MessageId::new([byte; 16])));
    assert_eq!([101, 102, 202].map(find), [one, two, two]);

    let new = Passphrase::new("two");
    let code = open
        .begin_rekey(&Passphrase::new("one"), &new, KdfParams::FLOOR, &mut rng)
        .unwrap();
    while open.step_rekey(&mut rng).unwrap() != RekeyStep::Ready {}
    store
        .commit(&mut rng, |tx| {
            tx.delete::<Message>(&(MailBox::Sent, MessageId::new([3; 16])))
        })
        .unwrap();
    open.finish_rekey(&new, &code, &mut rng).unwrap();
    assert_eq!([101, 102, 202, 103].map(find), [one, two, two, None]);
}
