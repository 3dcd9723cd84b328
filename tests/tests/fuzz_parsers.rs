//! Every parser that reads the network or another person, against arbitrary bytes and against
//! valid bytes with changes: it never panics, and never accepts what it would not itself encode.
//! The same property runs under cargo-fuzz in `fuzz/`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::LazyLock;

use proptest::prelude::*;
use waxwing_crypto::backup::Record;
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::link::{NewDevice, OldDevice};
use waxwing_crypto::message::Message;
use waxwing_crypto::prekey::OwnPrekey;
use waxwing_crypto::request::sign_request;
use waxwing_crypto::retry::sign_retry;
use waxwing_crypto::revocation::sign_revocation;
use waxwing_crypto::vault_header::{
    AccountSeed, DeviceSeed, FileHeader, Header, Keyring, TransportSeed,
};
use waxwing_tests::parsers::{KEY_SERVICE_KEY, KEY_SERVICE_PASSPHRASE, PARSERS, check_all};
use waxwing_tests::people::{NOW, Person, header};
use waxwing_wire::cose_key::Suite;
use waxwing_wire::ids::{AccountId, AttachmentId, DeviceId, MailboxId};
use waxwing_wire::request::{Params, Target};
use waxwing_wire::retry::{RetryBody, RetryReason};

/// One valid example of everything that is parsed.
static VALID: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let (alice, bob) = (Person::new(), Person::new());
    let mut valid = vec![alice.card.as_bytes().to_vec(), alice.card.body().encode()];
    for suite in [Suite::S1, Suite::S2] {
        let (own, prekey) = bob.prekey(suite);
        let message = alice.message(&[&bob], "Hello.");
        let sealed = alice.seal_all(&message, std::slice::from_ref(&prekey), header());
        let submission = &sealed.submissions[0].1;
        valid.push(submission.encode());
        valid.push(submission.entries[0].1.encode());
        valid.push(submission.content.encode());
        valid.push(submission.envelopes().next().unwrap().encode());
        valid.push(own.expose().to_vec());
        valid.push(message.encode().to_vec());
        let terms = bob.prekey_terms(suite, waxwing_wire::prekey::PrekeyKind::Signed);
        let (_, record) =
            waxwing_crypto::prekey::generate(&bob.device, &terms, &mut rand::rng()).unwrap();
        valid.push(record.as_bytes().to_vec());
    }
    let retry = RetryBody {
        env_id: header().env_id,
        to: bob.mailbox,
        reason: RetryReason::UnknownPrekey,
        at: NOW,
    };
    let drop: serde_json::Value =
        serde_json::from_str(include_str!("../vectors/drops/drop.json")).unwrap();
    for bytes in [&drop["box"]["record"], &drop["drop"]["payload"]] {
        valid.push(hex::decode(bytes.as_str().unwrap()).unwrap());
    }
    valid.push(sign_retry(&bob.device, &retry));
    valid.push(sign_revocation(&bob.account, bob.own().account_id, NOW));
    let mut notice = alice.message(&[&bob], "");
    notice.body = waxwing_crypto::message::Body::KeyNotice { version: 2 };
    valid.push(notice.encode().to_vec());
    notice.body = waxwing_crypto::message::Body::KeyShare {
        version: 2,
        account: waxwing_crypto::vault_header::AccountSeed::new([3; 32]),
    };
    valid.push(notice.encode().to_vec());
    notice.body = waxwing_crypto::message::Body::HistoryTaken { history: [4; 16] };
    valid.push(notice.encode().to_vec());
    notice.body = waxwing_crypto::message::Body::History(waxwing_crypto::message::HistoryPart {
        history: [4; 16],
        begun: 1,
        number: 1,
        is_last: true,
        total: 9,
    });
    valid.push(notice.encode().to_vec());
    valid.push(backup_header());
    valid.extend(records().iter().map(Record::encode));
    let file = FileHeader {
        store: 3,
        id: AttachmentId::new([7; 16]),
        sealing: [8; 16],
    };
    valid.push(file.encode());
    let target = Target {
        method: "GET",
        authority: "relay.example",
        path: "/v1/mailbox",
        query: Some("after=1"),
        content_digest: None,
        content_type: None,
        upload_offset: None,
    };
    let params = Params {
        account_id: alice.own().account_id,
        device_id: alice.device_id,
        created: NOW,
        nonce: [1; 16],
    };
    let headers = sign_request(&alice.transport, &target, &params).unwrap();
    valid.push(format!("{}\n{}", headers.signature_input, headers.signature).into_bytes());
    valid.push(b"alice@localhost".to_vec());
    let rng = &mut rand::rng();
    let new = NewDevice::begin(bob.device_id, bob.mailbox, &bob.device, &bob.transport, rng);
    let (new, rng) = (new.unwrap(), &mut rand::rng());
    let text = new.text("http://127.0.0.1:8765/".to_owned(), "laptop".to_owned());
    let old = OldDevice::begin(&text, &new.offer().encode(), rng).unwrap();
    valid.push(new.offer().encode());
    valid.push(old.hello().encode());
    valid.push(text.expose().as_bytes().to_vec());
    valid.extend(key_service());
    valid
});

/// What clients of the key service send.
fn key_service() -> Vec<Vec<u8>> {
    let key = &*KEY_SERVICE_KEY;
    let line = |sealed: waxwing_compat::Sealed| {
        format!("{}\n{}", sealed.encryptionkey, sealed.encryptedmessage)
    };
    let packed = waxwing_compat::pack_text("Grüße, 你好").unwrap();
    vec![
        key.public().to_xml().unwrap().into_bytes(),
        key.xml().as_bytes().to_vec(),
        waxwing_compat::text::encrypt("Hello.", KEY_SERVICE_PASSPHRASE)
            .unwrap()
            .into_bytes(),
        line(waxwing_compat::seal(key.public(), "Hello.").unwrap()).into_bytes(),
        packed
            .chars()
            .map(|char| u8::try_from(char).unwrap())
            .collect(),
        waxwing_compat::pack_file("a.txt", b"Hello.")
            .unwrap()
            .as_bytes()
            .to_vec(),
    ]
}

/// A change to valid bytes.
fn backup_header() -> Vec<u8> {
    let keyring = Keyring::new(
        AccountId::new([1; 32]),
        DeviceId::new([2; 16]),
        MailboxId::new([3; 16]),
        AccountSeed::new([4; 32]),
        DeviceSeed::new([5; 32]),
        TransportSeed::new([6; 32]),
    );
    let passphrase = Passphrase::new("one");
    let vault = Header::create(&passphrase, KdfParams::FLOOR, &keyring, &mut rand::rng());
    vault.unwrap().0.backup(NOW).encode()
}

fn records() -> [Record; 5] {
    [
        Record::Keyring { length: 300 },
        Record::Row {
            tree: "contacts".into(),
            schema: 1,
            length: 70_000,
        },
        Record::Carried {
            tree: "carriage/plain".into(),
            key: b"relays".to_vec(),
            length: 9,
        },
        Record::File {
            id: AttachmentId::new([7; 16]),
            length: 1 << 33,
        },
        Record::End {
            rows: [("own".to_owned(), 1), ("contacts".to_owned(), 2)].into(),
            files: 5,
        },
    ]
}

#[derive(Debug, Clone)]
enum Change {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    use prop::sample::Index;
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, with)| Change::Flip(at, with)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (any::<Index>(), prop::collection::vec(any::<u8>(), 1..9))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => any::<Index>().prop_map(Change::Remove),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    // Changes near the start reach the structure, later ones mostly its strings.
    let near = |at: &prop::sample::Index, bytes: &[u8]| at.index(bytes.len());
    match change {
        Change::Flip(at, with) => {
            let at = near(at, bytes);
            bytes[at] ^= *with;
        }
        Change::Cut(at) => bytes.truncate(near(at, bytes)),
        Change::Insert(at, with) => {
            let at = near(at, bytes);
            bytes.splice(at..at, with.iter().copied());
        }
        Change::Remove(at) => {
            let at = near(at, bytes);
            bytes.remove(at);
        }
        Change::Repeat(from, to) => {
            let (from, to) = (near(from, bytes), near(to, bytes));
            let part = bytes[from.min(to)..from.max(to)].to_vec();
            bytes.extend(part);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic_and_never_pass_as_another_form(
        bytes in prop::collection::vec(any::<u8>(), 0..400)
    ) {
        check_all(&bytes);
    }

    #[test]
    fn changed_valid_bytes_never_panic_and_never_pass_as_another_form(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let mut bytes = VALID[which.index(VALID.len())].clone();
        for change in &changes {
            apply(&mut bytes, change);
        }
        check_all(&bytes);
    }
}

#[test]
fn every_parser_takes_its_own_valid_bytes() {
    let mut taken = vec![false; PARSERS.len()];
    for bytes in VALID.iter() {
        for (at, (_, parse)) in PARSERS.iter().enumerate() {
            taken[at] |= parse(bytes).is_some();
        }
    }
    for ((name, _), taken) in PARSERS.iter().zip(taken) {
        assert!(taken, "no valid example for {name}");
    }
}

#[test]
fn every_cut_of_every_valid_example_is_refused() {
    for bytes in VALID.iter() {
        for end in 0..bytes.len() {
            check_all(&bytes[..end]);
            assert!(waxwing_wire::envelope::Envelope::decode(&bytes[..end]).is_err());
        }
    }
}

#[test]
fn large_claims_do_not_allocate() {
    // An array, a map, a string that claim four billion items in five bytes.
    for claim in [
        [0x9a, 0xff, 0xff, 0xff, 0xff],
        [0xba, 0xff, 0xff, 0xff, 0xff],
        [0x5a, 0xff, 0xff, 0xff, 0xff],
        [0x7a, 0xff, 0xff, 0xff, 0xff],
    ] {
        check_all(&claim);
    }
    check_all(&vec![0x81; 100_000]);
    check_all(&vec![0xa1; 100_000]);
}

#[test]
fn the_message_and_prekey_round_trip() {
    let (alice, bob) = (Person::new(), Person::new());
    let message = alice.message(&[&bob], "Grüße, 你好, \u{1f426}");
    let bytes = message.encode();
    let again = Message::decode(&bytes).unwrap().encode();
    assert_eq!(again.as_slice(), bytes.as_slice());
    let (own, _) = bob.prekey(Suite::S2);
    let bytes = own.expose();
    let again = OwnPrekey::from_exposed(&bytes).unwrap().expose();
    assert_eq!(again.as_slice(), bytes.as_slice());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever is written arrives, in both suites.
    #[test]
    fn any_text_arrives(subject in ".{0,80}", text in "(?s).{0,4000}", post_quantum in any::<bool>()) {
        use waxwing_crypto::envelope::Received;
        use waxwing_crypto::message::Body;
        let suite = if post_quantum { Suite::S2 } else { Suite::S1 };
        let (alice, bob) = (Person::new(), Person::new());
        let (own, prekey) = bob.prekey(suite);
        let mut message = alice.message(&[&bob], "");
        message.body = Body::text(subject.clone(), text.clone());
        let envelope = alice.seal_to(&message, &prekey, header());
        let opened = Received::decode(&envelope.encode()).unwrap()
            .open(&own, &bob.own()).unwrap()
            .authenticate(&alice.card, NOW).unwrap();
        let Body::Text(read) = opened.message.body else { panic!("not a text") };
        prop_assert_eq!(read.subject.as_str(), subject);
        prop_assert_eq!(read.text.as_str(), text);
    }
}
