//! Our side of the exchange with independent programs (tools/interop): `produce DIR` writes what
//! they are to open, `check DIR` opens what they made and prints a JSON line for each case.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};
use waxwing_compat::{RsaPrivate, Sealed};
use waxwing_crypto::card::{sign_rotation, sign_successor};
use waxwing_crypto::envelope::Received;
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::keys::AccountKey;
use waxwing_crypto::prekey::OwnPrekey;
use waxwing_crypto::request::sign_request;
use waxwing_crypto::stream::{AttachmentKey, HEADER_LEN, Opener, Sealer};
use waxwing_crypto::vault_header::{AccountSeed, DeviceSeed, Header, Keyring, TransportSeed};
use waxwing_tests::people::{DAY, NOW, Person, header, terms};
use waxwing_wire::card::{CARD_LABEL, Card};
use waxwing_wire::cbor::{self, Value};
use waxwing_wire::cose_key::Suite;
use waxwing_wire::ids::{AttachmentId, Digest};
use waxwing_wire::request::{Params, SignedRequest, Target, content_digest};

const LENGTHS: [usize; 5] = [0, 1, 1_048_520, 1_048_521, 3_000_000];
const PASSPHRASE: &str = "a long passphrase for an example";
const BODY: &[u8] = b"a submission";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let folder = Path::new(&arguments[2]);
    match arguments[1].as_str() {
        "produce" => {
            let ours = json!({
                "now": NOW,
                "envelopes": [envelope(Suite::S1), envelope(Suite::S2)],
                "cards": cards(),
                "request": request(),
                "attachments": attachments(folder),
                "vault": vault(),
                "key_service": key_service(),
            });
            std::fs::write(folder.join("ours.json"), ours.to_string()).unwrap();
        }
        "check" => check(folder),
        other => panic!("unknown: {other}"),
    }
}

fn read(folder: &Path, name: &str) -> Json {
    serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

fn bytes(json: &Json, name: &str) -> Vec<u8> {
    hex::decode(json[name].as_str().unwrap_or_else(|| panic!("{name}"))).unwrap()
}

/// Alice writes to Bob; everything that Bob's program knows goes along.
fn envelope(suite: Suite) -> Json {
    let (alice, bob) = (Person::from_number(10), Person::from_number(20));
    let (own, prekey) = bob.prekey(suite);
    let message = alice.message(&[&bob], "Hello from here.");
    let sealed = alice.seal_to(&message, &prekey, header());
    // What another program needs as inputs: HPKE's extra info as docs/protocol.md section 3 says.
    let extra = cbor::encode(&Value::Array(vec![
        Value::from("waxwing/rcpt/v1"),
        cbor::bytes(sealed.header.hash()),
        cbor::bytes(bob.own().account_id),
        cbor::bytes(bob.device_id),
        cbor::bytes(prekey.hash()),
        cbor::bytes(bob.mailbox),
    ]));
    let message_aad = cbor::encode(&Value::Array(vec![
        Value::from("waxwing/msg/v1"),
        cbor::bytes(sealed.header.hash()),
    ]));
    let exposed = cbor::decode(&own.expose(), 512).unwrap();
    let secret = cbor::Fields::open(exposed, "x")
        .unwrap()
        .bytes(6, "x")
        .unwrap();
    json!({
        "suite": suite.number(),
        "alg": suite.alg(),
        "cose_encrypt": hex::encode(sealed.cose_encrypt()),
        "header": hex::encode(sealed.header.encode()),
        "env_id": sealed.header.env_id,
        "expires_at": sealed.header.expires_at,
        "to": bob.mailbox,
        "extra": hex::encode(extra),
        "kid": own.kid(),
        "secret": hex::encode(secret),
        "public": hex::encode(prekey.body().key.as_bytes()),
        "own_prekey": hex::encode(own.expose().as_slice()),
        "message_aad": hex::encode(message_aad),
        "payload": hex::encode(message.encode().as_slice()),
        "sender_public": hex::encode(alice.device.public().as_bytes()),
        "sender_seed": hex::encode(alice.device.to_seed().expose()),
    })
}

fn cards() -> Json {
    let alice = Person::from_number(10);
    let new = AccountKey::from_seed(&AccountSeed::new([30; 32]));
    let devices = || vec![alice.entry()];
    let rotated = sign_rotation(&alice.account, &new, &alice.card, devices(), terms(NOW)).unwrap();
    let next = sign_successor(&alice.account, &alice.card, devices(), terms(NOW)).unwrap();
    json!({
        "label": hex::encode(CARD_LABEL),
        "genesis": hex::encode(alice.card.as_bytes()),
        "rotated": hex::encode(rotated.as_bytes()),
        "old": hex::encode(alice.account.public().as_bytes()),
        "new": hex::encode(new.public().as_bytes()),
        "old_seed": hex::encode(alice.account.to_seed().expose()),
        "body_to_sign": hex::encode(next.body().encode()),
    })
}

fn request() -> Json {
    let alice = Person::from_number(10);
    let digest = content_digest(BODY);
    let target = target(&digest);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let params = Params {
        account_id: alice.own().account_id,
        device_id: alice.device_id,
        created: now,
        nonce: [5; 16],
    };
    let headers = sign_request(&alice.transport, &target, &params).unwrap();
    json!({
        "method": target.method,
        "url": format!("http://{}{}?after=1", target.authority, target.path),
        "body": hex::encode(BODY),
        "content_digest": digest,
        "content_type": target.content_type,
        "signature_input": headers.signature_input,
        "signature": headers.signature,
        "key_id": format!("{}.{}", params.account_id, params.device_id),
        "public": hex::encode(alice.transport.public().as_bytes()),
        "seed": hex::encode(alice.transport.to_seed().expose()),
    })
}

fn target(digest: &str) -> Target<'_> {
    Target {
        method: "POST",
        authority: "localhost:8443",
        path: "/v1/envelopes",
        query: Some("after=1"),
        content_digest: Some(digest),
        content_type: Some("application/cbor"),
        upload_offset: None,
    }
}

fn content(length: usize) -> Vec<u8> {
    (0u8..251).cycle().take(length).collect()
}

fn attachments(folder: &Path) -> Json {
    let rng = &mut rand::rng();
    let made = LENGTHS.map(|length| {
        let (key, id) = (AttachmentKey::generate(rng), AttachmentId::generate(rng));
        let mut sealer = Sealer::new(&key, &id, length as u64, rng).unwrap();
        let plain = content(length);
        let mut sealed = sealer.header().to_vec();
        let mut at = 0;
        while let Some(ticket) = sealer.next_ticket() {
            let end = at + ticket.true_bytes();
            let mut segment = plain[at..end].to_vec();
            at = end;
            ticket.seal(&mut segment).unwrap();
            sealed.extend(segment);
        }
        let name = format!("ours-{length}.sealed");
        std::fs::write(folder.join(&name), &sealed).unwrap();
        let padded = sealer.plan().padded_length();
        let mut padded_plain = plain;
        padded_plain.resize(usize::try_from(padded).unwrap(), 0);
        json!({
            "file": name,
            "length": length,
            "padded": padded,
            "key": hex::encode(key.expose()),
            "att_id": id,
            "aad": hex::encode(attachment_aad(&id)),
            "sha256": Digest::of(&padded_plain),
        })
    });
    Json::from(made.to_vec())
}

fn attachment_aad(id: &AttachmentId) -> Vec<u8> {
    cbor::encode(&Value::Array(vec![
        Value::from("waxwing/att/v1"),
        cbor::bytes(id),
    ]))
}

fn vault() -> Json {
    let alice = Person::from_number(10);
    let keyring = Keyring::new(
        alice.own().account_id,
        alice.device_id,
        alice.mailbox,
        AccountSeed::new([10; 32]),
        DeviceSeed::new([11; 32]),
        TransportSeed::new([12; 32]),
    );
    let passphrase = Passphrase::new(PASSPHRASE);
    let (header, _, _) =
        Header::create(&passphrase, KdfParams::FLOOR, &keyring, &mut rand::rng()).unwrap();
    json!({
        "header": hex::encode(header.encode()),
        "passphrase": PASSPHRASE,
        "account_seed": hex::encode([10; 32]),
    })
}

fn key_service() -> Json {
    let key = RsaPrivate::generate(2048).unwrap();
    let (text, name, content) = ("Grüße, 你好, \u{1f426}", "Grüße.bin", content(100_000));
    let seal = |text: &str| {
        let sealed = waxwing_compat::seal(key.public(), text).unwrap();
        json!({ "text": text, "sealed": key_service_fields(&sealed) })
    };
    let file = waxwing_compat::seal_file(key.public(), name, &content).unwrap();
    json!({
        "passphrase": PASSPHRASE,
        "text": text,
        "name": name,
        "content": hex::encode(&content),
        "under_passphrase": waxwing_compat::text::encrypt(text, PASSPHRASE).unwrap(),
        "privatekey": key.xml(),
        "publickey": key.public().to_xml().unwrap(),
        "privatekeyhash": key.hash(),
        "wrapped": waxwing_compat::text::encrypt(key.xml(), PASSPHRASE).unwrap(),
        "message": seal(text),
        "latin": seal("été"),
        "file": key_service_fields(&file),
    })
}

fn key_service_fields(sealed: &Sealed) -> Json {
    json!({
        "encryptedmessage": sealed.encryptedmessage,
        "encryptionkey": sealed.encryptionkey,
        "messagehash": sealed.messagehash,
    })
}

fn key_service_sealed(fields: &Json) -> Sealed {
    let text = |name: &str| fields[name].as_str().unwrap().to_owned();
    Sealed {
        encryptedmessage: text("encryptedmessage"),
        encryptionkey: text("encryptionkey"),
        messagehash: Some(text("messagehash")),
    }
}

/// What Python made: a key under a passphrase, texts to it and to ours, a file.
fn check_key_service(ours: &Json, theirs: &Json, report: impl Fn(&str, bool)) {
    let text = |json: &Json, name: &str| json[name].as_str().unwrap().to_owned();
    let decrypt = |sealed: &str| waxwing_compat::text::decrypt(sealed, PASSPHRASE);
    let plain = decrypt(&text(theirs, "under_passphrase"));
    report(
        "text of Python under a passphrase opens",
        plain.is_ok_and(|plain| *plain == text(ours, "text")),
    );
    let xml = decrypt(&text(theirs, "privatekey")).unwrap();
    let key = RsaPrivate::from_xml(&xml).unwrap();
    report(
        "private key of Python is read, with its hash",
        key.hash() == text(theirs, "privatekeyhash"),
    );
    let own = RsaPrivate::from_xml(&text(ours, "privatekey")).unwrap();
    for case in theirs["texts"].as_array().unwrap() {
        let is_ours = case["is_ours"].as_bool().unwrap();
        let opener = if is_ours { &own } else { &key };
        let opened = waxwing_compat::open(opener, &key_service_sealed(&case["sealed"]));
        let is_whole = opened.is_ok_and(|opened| *opened == text(case, "text"));
        report(&text(case, "case"), is_whole);
    }
    let file = waxwing_compat::open_file(&key, &key_service_sealed(&theirs["file"]));
    report(
        "file of Python opens",
        file.is_ok_and(|file| {
            file.name == text(ours, "name") && *file.bytes == bytes(ours, "content")
        }),
    );
}

fn check(folder: &Path) {
    let (ours, theirs) = (read(folder, "ours.json"), read(folder, "theirs.json"));
    let report = |case: &str, ok: bool| println!("{}", json!({ "case": case, "ok": ok }));
    for envelope in theirs["envelopes"].as_array().unwrap() {
        report(
            envelope["case"].as_str().unwrap(),
            envelope_opens(&ours, envelope),
        );
    }
    report(
        "card signed by cwt is a valid successor",
        card_is_accepted(&bytes(&theirs, "card")),
    );
    report(
        "request signed by http-message-signatures verifies",
        request_verifies(&theirs["request"]),
    );
    for file in theirs["attachments"].as_array().unwrap() {
        let case = format!("file of {} bytes sealed by tink opens", file["length"]);
        report(&case, attachment_opens(folder, file));
    }
    let header = Header::decode(&bytes(&theirs, "vault"));
    let opened = header.is_ok_and(|header| {
        let passphrase = Passphrase::new(theirs["vault_passphrase"].as_str().unwrap());
        let keyring = header
            .unwrap_with_passphrase(&passphrase)
            .and_then(|root| header.open_keyring(&root));
        keyring.is_ok_and(|keyring| keyring.account.expose() == &[10; 32])
    });
    report("vault re-wrapped with argon2-cffi opens", opened);
    check_key_service(&ours["key_service"], &theirs["key_service"], report);
}

fn envelope_opens(ours: &Json, theirs: &Json) -> bool {
    let (alice, bob) = (Person::from_number(10), Person::from_number(20));
    let suite = theirs["suite"].as_u64().unwrap();
    let listed = ours["envelopes"].as_array().unwrap();
    let ours = listed
        .iter()
        .find(|envelope| envelope["suite"].as_u64() == Some(suite))
        .unwrap();
    let own = OwnPrekey::from_exposed(&bytes(ours, "own_prekey")).unwrap();
    let envelope = cbor::encode(&cbor::map([
        (1, Value::from(1)),
        (2, Value::Bytes(bytes(ours, "env_id"))),
        (3, Value::from(ours["expires_at"].as_u64().unwrap())),
        (4, cbor::bytes(bob.mailbox)),
        (5, Value::Bytes(bytes(theirs, "cose_encrypt"))),
    ]));
    let opened = Received::decode(&envelope)
        .and_then(|received| received.open(&own, &bob.own()))
        .and_then(|unsealed| unsealed.authenticate(&alice.card, NOW));
    opened.is_ok_and(|opened| opened.payload.as_slice() == bytes(ours, "payload"))
}

fn card_is_accepted(card: &[u8]) -> bool {
    let alice = Person::from_number(10);
    Card::decode(card).is_ok_and(|card| card.verify_successor(&alice.card, NOW + DAY).is_ok())
}

fn request_verifies(theirs: &Json) -> bool {
    let alice = Person::from_number(10);
    let text = |name: &str| theirs[name].as_str().unwrap();
    let target = target(text("content_digest"));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    SignedRequest::parse(text("signature_input"), text("signature"))
        .and_then(|signed| signed.verify(&target, alice.transport.public()))
        .and_then(|verified| verified.check_time(now))
        .and_then(|()| waxwing_wire::request::check_content_digest(text("content_digest"), BODY))
        .is_ok()
}

fn attachment_opens(folder: &Path, file: &Json) -> bool {
    let sealed = std::fs::read(folder.join(file["file"].as_str().unwrap())).unwrap();
    let length = file["length"].as_u64().unwrap();
    let key = AttachmentKey::new(bytes(file, "key").try_into().unwrap());
    let id: AttachmentId = file["att_id"].as_str().unwrap().parse().unwrap();
    let header: [u8; HEADER_LEN] = sealed[..HEADER_LEN].try_into().unwrap();
    let Ok(opener) = Opener::new(&key, &id, &header, length, sealed.len() as u64) else {
        return false;
    };
    let mut plain = Vec::new();
    for index in 0..opener.plan().segments() {
        let range = opener.plan().sealed_range(index);
        let (start, end) = (range.start, range.end);
        let range = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
        let mut segment = sealed[range].to_vec();
        if opener.open_segment(index, &mut segment).is_err() {
            return false;
        }
        plain.extend(segment);
    }
    plain == content(usize::try_from(length).unwrap())
}
