//! Moved, replayed, redirected: rows "empty HPKE info/aad", "read alg from the wire", "accept same
//! ciphertext twice", "static X25519 key", "counter nonce".

use waxwing_crypto::envelope::{OpenError, OwnDevice, Received, SealError, seal};
use waxwing_tests::people::{DAY, NOW, Person, header};
use waxwing_wire::cbor;
use waxwing_wire::cose::Sign1;
use waxwing_wire::cose_key::Suite;
use waxwing_wire::envelope::{Entry, Envelope};
use waxwing_wire::ids::{AccountId, DeviceId, MailboxId};

use crate::forge::{self, is_refused, receive};

#[test]
fn an_entry_cannot_be_moved_to_another_mailbox_device_or_account() {
    for suite in [Suite::S1, Suite::S2] {
        let (alice, bob) = (Person::new(), Person::new());
        let (own, prekey) = bob.prekey(suite);
        let envelope = alice.seal_to(&alice.message(&[&bob], "Hello."), &prekey, header());
        let opens = |envelope: &Envelope, me: OwnDevice| {
            Received::decode(&envelope.encode()).and_then(|received| received.open(&own, &me))
        };
        assert!(opens(&envelope, bob.own()).is_ok());
        // The same HPKE key, as if it were of another device, account or mailbox.
        let mut me = bob.own();
        me.device_id = DeviceId::new([9; 16]);
        assert_eq!(opens(&envelope, me).unwrap_err(), OpenError::Refused);
        let mut me = bob.own();
        me.account_id = AccountId::new([9; 32]);
        assert_eq!(opens(&envelope, me).unwrap_err(), OpenError::Refused);
        let mut me = bob.own();
        me.mailbox = MailboxId::new([9; 16]);
        assert_eq!(opens(&envelope, me).unwrap_err(), OpenError::Refused);
        // Even when the relay changes the address to match.
        let mut moved = envelope.clone();
        moved.to = MailboxId::new([9; 16]);
        assert_eq!(opens(&moved, me).unwrap_err(), OpenError::Refused);
    }
}

#[test]
fn an_entry_is_bound_to_the_prekey_record_not_only_to_the_key() {
    let (alice, bob) = (Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S1);
    let mut key = [7u8; 32];
    key[0] = 1;
    let header = header();
    let mut info = forge::info(&header, &prekey);
    let at = info
        .windows(32)
        .position(|part| part == prekey.hash().as_bytes())
        .unwrap();
    info[at] ^= 1;
    let content = forge::encrypt(&key, forge::commit(&key), &header, &forge::pad(b"x"));
    let envelope = Envelope {
        header,
        to: prekey.mailbox(),
        content,
        entry: forge::wrap(&key, &prekey, &info),
    };
    assert!(is_refused(&envelope, &bob, &own, &alice));
}

#[test]
fn empty_hpke_info_is_refused() {
    let (alice, bob) = (Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S1);
    let good = alice.seal_to(&alice.message(&[&bob], "Hello."), &prekey, header());
    let mut naive = good.clone();
    let key = forge::content_key(&good, &own, &prekey);
    naive.entry = forge::wrap(&key, &prekey, &[]);
    assert!(is_refused(&naive, &bob, &own, &alice));
    naive.entry = forge::wrap(&key, &prekey, &forge::info(&good.header, &prekey));
    assert!(!is_refused(&naive, &bob, &own, &alice), "the control");
}

#[test]
fn the_header_cannot_be_changed() {
    let (alice, bob) = (Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S1);
    let envelope = alice.seal_to(&alice.message(&[&bob], "Hello."), &prekey, header());
    let mut longer = envelope.clone();
    longer.header.expires_at += DAY;
    assert!(is_refused(&longer, &bob, &own, &alice));
    let mut renamed = envelope;
    renamed.header.env_id = header().env_id;
    assert!(is_refused(&renamed, &bob, &own, &alice));
}

#[test]
fn the_suite_is_the_keys_and_never_the_wires() {
    let (alice, bob) = (Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S2);
    let envelope = alice.seal_to(&alice.message(&[&bob], "Hello."), &prekey, header());
    // A downgrade: the wire says S1 with a well-formed S1 entry under the S2 key's kid.
    let mut downgraded = envelope;
    downgraded.entry = Entry {
        suite: Suite::S1,
        kid: prekey.kid(),
        ek: vec![9; 32],
        ciphertext: [0; 48],
    };
    assert!(is_refused(&downgraded, &bob, &own, &alice));
}

#[test]
fn no_other_algorithm_number_is_even_read() {
    let (alice, bob) = (Person::new(), Person::new());
    let (_, prekey) = bob.prekey(Suite::S1);
    let good = alice.seal_to(&alice.message(&[&bob], "Hello."), &prekey, header());
    let bytes = good.encode();
    assert!(Received::decode(&bytes).is_ok());
    // A256GCM (3) to A128GCM (1), in the content's protected header `a2 01 03`.
    let at = bytes
        .windows(3)
        .position(|part| part == [0xa2, 1, 3])
        .unwrap();
    let mut weaker = bytes.clone();
    weaker[at + 2] = 1;
    assert!(Received::decode(&weaker).is_err());
    // HPKE-4-KE (50) to another HPKE number (51), in the entry's `a2 01 18 32`.
    let entry = [0xa2, 1, 0x18, 50];
    let at = bytes.windows(4).position(|part| part == entry).unwrap();
    let mut other = bytes;
    other[at + 3] = 51;
    assert!(Received::decode(&other).is_err());
    // EdDSA (-8) instead of Ed25519 (-19) in a signature's protected header.
    let signed = Sign1 {
        payload: vec![1],
        signature: [0; 64],
    };
    let mut bytes = signed.encode();
    let at = bytes
        .windows(3)
        .position(|part| part == [0xa1, 1, 0x32])
        .unwrap();
    assert!(Sign1::decode(&bytes, 4096).is_ok());
    bytes[at + 2] = 0x27;
    assert!(Sign1::decode(&bytes, 4096).is_err());
}

#[test]
fn the_same_message_has_one_replay_key_however_it_comes() {
    let (alice, bob) = (Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S1);
    let message = alice.message(&[&bob], "Hello.");
    let first = alice.seal_to(&message, &prekey, header());
    let again = alice.seal_to(&message, &prekey, header());
    let open =
        |envelope: &Envelope| receive(&envelope.encode(), &bob, &own, &alice.card, NOW).unwrap();
    assert_eq!(open(&first).replay_key, open(&first).replay_key);
    assert_ne!(first.header.env_id, again.header.env_id);
    assert_eq!(open(&first).replay_key, open(&again).replay_key);
    assert_eq!(open(&first).payload_hash, open(&again).payload_hash);
    let other = alice.seal_to(&alice.message(&[&bob], "Hello."), &prekey, header());
    assert_ne!(open(&first).replay_key, open(&other).replay_key);
}

#[test]
fn nothing_outlives_the_replay_table() {
    let (alice, bob) = (Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S1);
    let open_at = |expires_at: u64, now: u64| {
        let mut header = header();
        header.expires_at = expires_at;
        let envelope = alice.seal_to(&alice.message(&[&bob], "Hello."), &prekey, header);
        receive(&envelope.encode(), &bob, &own, &alice.card, now)
    };
    assert!(open_at(NOW + 30 * DAY, NOW).is_ok());
    assert!(open_at(NOW + 30 * DAY, NOW).unwrap().replay_until > NOW + 30 * DAY);
    assert!(matches!(
        open_at(NOW + 31 * DAY, NOW),
        Err(OpenError::Expired)
    ));
    assert!(matches!(open_at(NOW, NOW), Err(OpenError::Expired)));
}

#[test]
fn long_term_keys_open_nothing_and_a_destroyed_prekey_stays_closed() {
    let (alice, bob) = (Person::new(), Person::new());
    let (_destroyed, prekey) = bob.prekey(Suite::S2);
    let envelope = alice.seal_to(&alice.message(&[&bob], "Hello."), &prekey, header());
    // Later a thief takes everything that Bob still has: signing keys and the next prekeys.
    for suite in [Suite::S1, Suite::S2] {
        let (next, _) = bob.prekey(suite);
        assert!(is_refused(&envelope, &bob, &next, &alice));
    }
    // The card offers no key that HPKE could open with.
    let card = bob.card.as_bytes();
    let x25519_curve = [0x20, 4, 0x21];
    assert!(!card.windows(3).any(|part| part == x25519_curve));
}

#[test]
fn the_default_suite_is_the_post_quantum_hybrid() {
    assert!(Suite::S2 > Suite::S1);
    let bob = Person::new();
    let (_, prekey) = bob.prekey(Suite::S2);
    assert_eq!(prekey.body().key.as_bytes().len(), 1216);
}

#[test]
fn two_sealings_share_no_key_and_no_nonce() {
    let (alice, bob) = (Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S1);
    let message = alice.message(&[&bob], "Hello.");
    let header = header();
    let one = alice.seal_to(&message, &prekey, header);
    let two = alice.seal_to(&message, &prekey, header);
    assert_ne!(one.content.iv, two.content.iv);
    assert_ne!(one.content.commit, two.content.commit);
    assert_ne!(one.entry.ek, two.entry.ek);
    assert_ne!(
        forge::content_key(&one, &own, &prekey),
        forge::content_key(&two, &own, &prekey)
    );
}

#[test]
fn each_device_gets_its_own_entry_only() {
    let (alice, bob, third) = (Person::new(), Person::new(), Person::new());
    let (_, to_bob) = bob.prekey(Suite::S1);
    let (_, to_third) = third.prekey(Suite::S2);
    let message = alice.message(&[&bob, &third], "Hello.");
    let sealed = alice.seal_all(&message, &[to_bob, to_third], header());
    assert_eq!(sealed.submissions.len(), 2, "one per account");
    for (account, submission) in &sealed.submissions {
        let other = if *account == bob.own().account_id {
            &third
        } else {
            &bob
        };
        let bytes = submission.encode();
        let mailbox = other.mailbox;
        assert!(!bytes.windows(16).any(|part| part == mailbox.as_bytes()));
    }
    let (one, two) = (&sealed.submissions[0].1, &sealed.submissions[1].1);
    assert_eq!(one.content, two.content, "encrypted once");
}

#[test]
fn nothing_is_sealed_to_who_is_not_named_in_the_message() {
    let (alice, bob, third) = (Person::new(), Person::new(), Person::new());
    let (_, to_third) = third.prekey(Suite::S1);
    let message = alice.message(&[&bob], "Hello.");
    let sealed = seal(
        &message,
        &alice.device,
        &[to_third],
        header(),
        &mut rand::rng(),
    );
    assert_eq!(sealed.unwrap_err(), SealError::WrongRecipient);
    let nobody = seal(&message, &alice.device, &[], header(), &mut rand::rng());
    assert_eq!(nobody.unwrap_err(), SealError::NoRecipients);
}

#[test]
fn an_unknown_critical_field_is_refused() {
    let (alice, bob) = (Person::new(), Person::new());
    let (_, prekey) = bob.prekey(Suite::S1);
    let bytes = alice
        .seal_to(&alice.message(&[&bob], "Hello."), &prekey, header())
        .encode();
    let with = |label: i64| {
        let mut value = cbor::decode(&bytes, 1 << 20).unwrap();
        let entries = value.as_map_mut().unwrap();
        entries.push((cbor::Value::from(label), cbor::Value::from(1)));
        Received::decode(&cbor::encode(&value))
    };
    assert!(with(6).is_err());
    assert!(with(99).is_err());
    assert!(with(100).is_ok(), "extensions from 100 may be skipped");
}
