//! Writes `tests/vectors/own.json`: our own formats, frozen. Run once, commit the result, and never
//! again for the same version of the protocol: `tests/tests/vectors.rs` holds us to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use serde_json::json;
use waxwing_crypto::card::{sign_rotation, sign_successor};
use waxwing_crypto::envelope::seal;
use waxwing_crypto::key_code::{KeyCode, Side};
use waxwing_crypto::keys::AccountKey;
use waxwing_crypto::message::{Attachment, Body, Message};
use waxwing_crypto::prekey::generate;
use waxwing_crypto::request::sign_request;
use waxwing_crypto::retry::sign_retry;
use waxwing_crypto::revocation::sign_revocation;
use waxwing_crypto::stream::AttachmentKey;
use waxwing_crypto::vault_header::AccountSeed;
use waxwing_tests::people::{DAY, NOW, Person, terms};
use waxwing_wire::cose_key::Suite;
use waxwing_wire::envelope::Header;
use waxwing_wire::ids::{AttachmentId, ConversationId, Digest, EnvelopeId, MessageId};
use waxwing_wire::prekey::PrekeyKind;
use waxwing_wire::request::{Params, Target, content_digest};
use waxwing_wire::retry::{RetryBody, RetryReason};

fn message(from: &Person, to: &Person) -> Message {
    let members = [from.own().account_id, to.own().account_id];
    Message {
        msg_id: MessageId::new([1; 16]),
        conversation: ConversationId::derive(&members),
        sender: from.own().account_id,
        device: from.device_id,
        sender_card: from.card.hash(),
        recipients: vec![(to.own().account_id, 1)],
        sent_at: NOW,
        seq: 2,
        previous: Some(Digest::of(b"before")),
        body: Body::text("A subject", "A text."),
        attachments: vec![Attachment {
            att_id: AttachmentId::new([2; 16]),
            key: AttachmentKey::new([3; 32]),
            sealed_length: 1080,
            sha256: Digest::of(b"ciphertext"),
            length: 1000,
            name: "picture.png".to_owned(),
            media_type: "image/png".to_owned(),
        }],
    }
}

fn main() {
    let rng = &mut rand::rng();
    let (alice, bob) = (Person::from_number(10), Person::from_number(20));
    let next = sign_successor(
        &alice.account,
        &alice.card,
        vec![alice.entry()],
        terms(NOW + DAY),
    )
    .unwrap();
    let new = AccountKey::from_seed(&AccountSeed::new([30; 32]));
    let rotated = sign_rotation(
        &alice.account,
        &new,
        &next,
        vec![alice.entry()],
        terms(NOW + 2 * DAY),
    )
    .unwrap();
    let header = Header {
        env_id: EnvelopeId::new([4; 16]),
        expires_at: NOW + 7 * DAY,
    };
    let message = message(&alice, &bob);
    let sealed: Vec<_> = [Suite::S1, Suite::S2]
        .into_iter()
        .map(|suite| {
            let prekey_terms = bob.prekey_terms(suite, PrekeyKind::OneTime);
            let (own, record) = generate(&bob.device, &prekey_terms, rng).unwrap();
            let bytes = hex::encode(record.as_bytes());
            let verified = record.verify(&bob.card, NOW).unwrap();
            let submission = seal(&message, &alice.device, &[verified], header, rng)
                .unwrap()
                .submissions
                .remove(0)
                .1;
            json!({
                "suite": suite.number(),
                "record": bytes,
                "kid": own.kid(),
                "own_prekey": hex::encode(own.expose().as_slice()),
                "submission": hex::encode(submission.encode()),
                "envelope": hex::encode(submission.envelopes().next().unwrap().encode()),
            })
        })
        .collect();
    let side = |person: &Person| Side::derive(person.account.public(), &person.own().account_id);
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
    let retry = RetryBody {
        env_id: header.env_id,
        to: bob.mailbox,
        reason: RetryReason::UnknownPrekey,
        at: NOW,
    };
    let own = json!({
        "alice_account_id": alice.own().account_id,
        "alice_card": hex::encode(alice.card.as_bytes()),
        "alice_card_2": hex::encode(next.as_bytes()),
        "alice_card_3_rotated": hex::encode(rotated.as_bytes()),
        "bob_card": hex::encode(bob.card.as_bytes()),
        "message_payload": hex::encode(message.encode().as_slice()),
        "key_code": KeyCode::new(side(&alice), side(&bob)).to_string(),
        "alice_side": side(&alice).to_string(),
        "retry": hex::encode(sign_retry(&bob.device, &retry)),
        "revocation": hex::encode(sign_revocation(&alice.account, alice.own().account_id, NOW)),
        "signature_input": headers.signature_input,
        "signature": headers.signature,
        "sealed": sealed,
    });
    let path = waxwing_tests::desk::root().join("tests/vectors/own.json");
    let text = serde_json::to_string_pretty(&own).unwrap();
    std::fs::write(path, text + "\n").unwrap();
}
