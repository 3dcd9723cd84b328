//! Who wrote it, to whom, where: rows "HPKE Auth", "sign the body only", "encrypt-then-sign",
//! "Ed25519 verify".

use ed25519_dalek::VerifyingKey;
use waxwing_crypto::envelope::{OpenError, Received};
use waxwing_crypto::message::Body;
use waxwing_tests::people::{NOW, Person, header};
use waxwing_wire::cose::Sign1;
use waxwing_wire::cose_key::{DevicePublic, Suite, Verifier as _};

use crate::forge::{self, is_refused, receive};

#[test]
fn an_honest_message_arrives_with_its_sender_and_text() {
    for suite in [Suite::S1, Suite::S2] {
        let (alice, bob) = (Person::new(), Person::new());
        let (own, prekey) = bob.prekey(suite);
        let sent = alice.message(&[&bob], "See you at noon.");
        let envelope = alice.seal_to(&sent, &prekey, header());
        let opened = receive(&envelope.encode(), &bob, &own, &alice.card, NOW).unwrap();
        assert_eq!(opened.message.sender, alice.own().account_id);
        assert_eq!(opened.message.msg_id, sent.msg_id);
        assert!(opened.sender_card_is_current);
        assert_eq!(opened.used_prekey, prekey.kid());
        let Body::Text(text) = &opened.message.body else {
            panic!("not a text")
        };
        assert_eq!(text.text.as_str(), "See you at noon.");
    }
}

#[test]
fn the_thief_of_bobs_prekey_cannot_write_to_bob_as_alice() {
    let (alice, bob, stranger) = (Person::new(), Person::new(), Person::new());
    let (stolen, prekey) = bob.prekey(Suite::S1);
    // The thief has all of Bob's decryption keys, and still only her own signing key.
    let forged = alice.message(&[&bob], "Pay Stranger.");
    let header = header();
    let payload = forged.encode().to_vec();
    let signed = forge::sign1(
        stranger.device.to_seed().expose(),
        &forge::message_aad(&header),
        payload,
    );
    let envelope = forge::seal_plain(&signed.encode(), &prekey, header);
    assert!(is_refused(&envelope, &bob, &stolen, &alice));
    // Nor by signing with Bob's own stolen device key.
    let signed = forge::sign1(
        bob.device.to_seed().expose(),
        &forge::message_aad(&header),
        forged.encode().to_vec(),
    );
    let envelope = forge::seal_plain(&signed.encode(), &prekey, header);
    assert!(is_refused(&envelope, &bob, &stolen, &alice));
}

#[test]
fn bob_cannot_pass_alices_signed_text_on_as_written_to_another() {
    let (alice, bob, third) = (Person::new(), Person::new(), Person::new());
    let (bobs, to_bob) = bob.prekey(Suite::S1);
    let (theirs, to_third) = third.prekey(Suite::S1);
    let envelope = alice.seal_to(&alice.message(&[&bob], "I quit."), &to_bob, header());
    let signed = forge::plaintext(&envelope, &bobs, &to_bob);
    // Under the same header, so that even the header's binding holds: the third person is not a recipient.
    let passed_on = forge::seal_plain(&signed, &to_third, envelope.header);
    assert!(is_refused(&passed_on, &third, &theirs, &alice));
    // And under a header of its own.
    let passed_on = forge::seal_plain(&signed, &to_third, header());
    assert!(is_refused(&passed_on, &third, &theirs, &alice));
}

#[test]
fn a_signed_text_cannot_be_put_under_another_header() {
    let (alice, bob) = (Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S1);
    let envelope = alice.seal_to(&alice.message(&[&bob], "Yes."), &prekey, header());
    let signed = forge::plaintext(&envelope, &own, &prekey);
    assert!(!is_refused(
        &forge::seal_plain(&signed, &prekey, envelope.header),
        &bob,
        &own,
        &alice
    ));
    let mut later = envelope.header;
    later.expires_at += 1;
    assert!(is_refused(
        &forge::seal_plain(&signed, &prekey, later),
        &bob,
        &own,
        &alice
    ));
}

#[test]
fn a_text_cannot_be_moved_to_another_conversation() {
    let (alice, bob, third) = (Person::new(), Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S1);
    let header = header();
    let message = alice.message(&[&bob], "Yes.");
    let envelope = alice.seal_to(&message, &prekey, header);
    let plain = forge::plaintext(&envelope, &own, &prekey);
    let signed = Sign1::decode(&plain, 4096).unwrap();
    // The same text in the conversation with a third person, under the old signature.
    let mut moved = alice.message(&[&bob, &third], "Yes.");
    moved.msg_id = message.msg_id;
    let forged = Sign1 {
        payload: moved.encode().to_vec(),
        signature: signed.signature,
    };
    let envelope = forge::seal_plain(&forged.encode(), &prekey, header);
    assert!(is_refused(&envelope, &bob, &own, &alice));
}

#[test]
fn the_relay_sees_no_sender_and_no_signature() {
    let (alice, bob) = (Person::new(), Person::new());
    let (_, prekey) = bob.prekey(Suite::S2);
    let sealed = alice.seal_all(&alice.message(&[&bob], "Hello."), &[prekey], header());
    let bytes = sealed.submissions[0].1.encode();
    let contains = |needle: &[u8]| bytes.windows(needle.len()).any(|part| part == needle);
    assert!(!contains(alice.own().account_id.as_bytes()));
    assert!(!contains(alice.device_id.as_bytes()));
    assert!(!contains(alice.device.public().as_bytes()));
    assert!(!contains(alice.mailbox.as_bytes()));
    assert!(!contains(alice.card.hash().as_bytes()));
    assert!(!contains(b"Hello."));
    // The recipient's account is not named either, only its mailbox.
    assert!(!contains(bob.own().account_id.as_bytes()));
    assert!(contains(bob.mailbox.as_bytes()));
}

#[test]
fn a_stripped_signature_cannot_be_replaced_by_ones_own() {
    let (alice, bob, stranger) = (Person::new(), Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S1);
    let header = header();
    let envelope = alice.seal_to(&alice.message(&[&bob], "My idea."), &prekey, header);
    // Even a recipient who holds the plaintext cannot make it somebody else's: the payload names
    // its sender, and the claimed sender's card decides.
    let plain = forge::plaintext(&envelope, &own, &prekey);
    let payload = Sign1::decode(&plain, 4096).unwrap().payload;
    let seed = stranger.device.to_seed();
    let stolen = forge::sign1(seed.expose(), &forge::message_aad(&header), payload);
    let envelope = forge::seal_plain(&stolen.encode(), &prekey, header);
    assert!(is_refused(&envelope, &bob, &own, &stranger));
    assert!(is_refused(&envelope, &bob, &own, &alice));
}

#[test]
fn a_removed_device_can_no_longer_write() {
    let (mut alice, bob) = (Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S1);
    let envelope = alice.seal_to(&alice.message(&[&bob], "Hello."), &prekey, header());
    let other = Person::new();
    let next = waxwing_crypto::card::sign_successor(
        &alice.account,
        &alice.card,
        vec![other.entry()],
        waxwing_tests::people::terms(NOW),
    );
    alice.card = next.unwrap();
    assert!(is_refused(&envelope, &bob, &own, &alice));
}

#[test]
fn a_signature_that_was_altered_by_the_group_order_is_refused() {
    // RFC 8032 section 8.4: S + L would verify in a lax verifier and make the signature malleable.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let (alice, bob) = (Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S1);
    let header = header();
    let envelope = alice.seal_to(&alice.message(&[&bob], "Hello."), &prekey, header);
    let plain = forge::plaintext(&envelope, &own, &prekey);
    let mut signed = Sign1::decode(&plain, 4096).unwrap();
    let mut carry = 0u16;
    for (byte, order) in signed.signature[32..].iter_mut().zip(ORDER) {
        carry += u16::from(*byte) + u16::from(order);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    let envelope = forge::seal_plain(&signed.encode(), &prekey, header);
    assert!(is_refused(&envelope, &bob, &own, &alice));
}

#[test]
fn keys_of_small_order_are_no_keys() {
    // All eight torsion points' encodings that decompress; under `verify` they sign everything.
    let points = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ];
    for point in points {
        let bytes: [u8; 32] = hex::decode(point).unwrap().try_into().unwrap();
        assert!(
            VerifyingKey::from_bytes(&bytes).is_ok(),
            "{point} is a point"
        );
        assert!(
            DevicePublic::from_bytes(&bytes).is_err(),
            "{point} was taken"
        );
    }
}

#[test]
fn a_signature_that_only_a_lax_verifier_takes_is_refused() {
    // R of small order with S = 0 verifies for A of small order without strictness; for an honest
    // key the strict check refuses small-order R as well.
    let key = Person::new();
    let mut signature = [0u8; 64];
    signature[0] = 1;
    assert!(
        key.device
            .public()
            .verify_strict(b"anything", &signature)
            .is_err()
    );
}

#[test]
fn every_failure_before_the_signature_looks_the_same() {
    let (alice, bob) = (Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S1);
    let good = alice.seal_to(&alice.message(&[&bob], "Hello."), &prekey, header());
    let mut broken = vec![good.clone(); 5];
    broken[0].entry.ciphertext[0] ^= 1;
    broken[1].content.ciphertext[0] ^= 1;
    broken[2].content.iv[0] ^= 1;
    broken[3].header.expires_at += 1;
    broken[4].entry.ek[0] ^= 1;
    for envelope in broken {
        let error = Received::decode(&envelope.encode())
            .and_then(|received| received.open(&own, &bob.own()))
            .unwrap_err();
        assert_eq!(error, OpenError::Refused);
        assert_eq!(error.to_string(), OpenError::Refused.to_string());
    }
    assert_eq!(
        Received::decode(b"not an envelope").unwrap_err(),
        OpenError::Refused
    );
}
