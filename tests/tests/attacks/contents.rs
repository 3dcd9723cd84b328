//! What the ciphertext tells, and whether one ciphertext can be two texts: rows "GCM without
//! commitment", "gzip then encrypt", "one key for everything".

use std::collections::BTreeSet;

use waxwing_crypto::envelope::{OpenError, SealError, seal};
use waxwing_tests::people::{NOW, Person, header};
use waxwing_wire::card::CARD_LABEL;
use waxwing_wire::cose_key::Suite;
use waxwing_wire::envelope::Envelope;
use waxwing_wire::ids::Digest;
use waxwing_wire::prekey::{PREKEY_LABEL, Prekey};
use waxwing_wire::retry::{RETRY_LABEL, Retry, RetryBody, RetryReason};

use crate::forge::{self, is_refused, receive};

#[test]
fn two_recipients_cannot_be_shown_two_texts_under_one_ciphertext() {
    let (alice, bob) = (Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S1);
    let header = header();
    let good = alice.seal_to(&alice.message(&[&bob], "Hello."), &prekey, header);
    let key = forge::content_key(&good, &own, &prekey);
    let plain = forge::plaintext(&good, &own, &prekey);
    let with_commit = |commit: Digest| Envelope {
        header,
        to: prekey.mailbox(),
        content: forge::encrypt(&key, commit, &header, &forge::pad(&plain)),
        entry: forge::wrap(&key, &prekey, &forge::info(&header, &prekey)),
    };
    assert!(!is_refused(
        &with_commit(forge::commit(&key)),
        &bob,
        &own,
        &alice
    ));
    // AES-GCM itself verifies under this key, so without the commitment it would open: the second
    // key of a forged pair always contradicts the one commitment.
    let other = forge::commit(&[1; 32]);
    assert!(is_refused(&with_commit(other), &bob, &own, &alice));
}

#[test]
fn a_length_tells_only_its_size_class() {
    let (alice, bob) = (Person::new(), Person::new());
    let (_, prekey) = bob.prekey(Suite::S2);
    let length = |text: &str| {
        let envelope = alice.seal_to(&alice.message(&[&bob], text), &prekey, header());
        envelope.encode().len()
    };
    // Nothing is compressed: what is said does not show, only roughly how much.
    assert_eq!(length(&"a".repeat(300)), length(&"aZ9 ?x".repeat(50)));
    assert_eq!(length("yes"), length("no"));
    let secret = "session=7f3a9c";
    let right = length(&format!("{secret} guess=7f3a9c"));
    let wrong = length(&format!("{secret} guess=7f3a9d"));
    let far = length(&format!("{secret} guess=kq0w1e"));
    assert!(right == wrong && wrong == far);
}

#[test]
fn padding_must_be_exact() {
    let (alice, bob) = (Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S1);
    let good = alice.seal_to(&alice.message(&[&bob], "Hello."), &prekey, header());
    let plain = forge::plaintext(&good, &own, &prekey);
    let sealed = |padded: &[u8]| forge::seal_padded(padded, &prekey, good.header);
    let exact = forge::pad(&plain);
    assert!(!is_refused(&sealed(&exact), &bob, &own, &alice));
    let mut longer = exact.clone();
    longer.push(0);
    assert!(is_refused(&sealed(&longer), &bob, &own, &alice));
    let mut unmarked = plain.clone();
    unmarked.resize(exact.len(), 0);
    assert!(is_refused(&sealed(&unmarked), &bob, &own, &alice));
    assert!(is_refused(&sealed(&plain), &bob, &own, &alice), "unpadded");
    assert!(is_refused(&sealed(&[0; 256]), &bob, &own, &alice));
}

#[test]
fn a_signature_under_one_label_is_worth_nothing_under_another() {
    let (alice, bob) = (Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S1);
    let header = header();
    let seed = alice.device.to_seed();
    let payload = alice.message(&[&bob], "Hello.").encode().to_vec();
    for label in [
        CARD_LABEL,
        PREKEY_LABEL,
        RETRY_LABEL,
        b"",
        b"waxwing/msg/v1",
    ] {
        let signed = forge::sign1(seed.expose(), label, payload.clone());
        let envelope = forge::seal_plain(&signed.encode(), &prekey, header);
        assert!(is_refused(&envelope, &bob, &own, &alice));
    }
    // The other way round: a prekey record or retry statement signed as a message.
    let record = bob.prekey(Suite::S1).1.body().encode();
    let seed = bob.device.to_seed();
    let forged = forge::sign1(seed.expose(), &forge::message_aad(&header), record);
    let forged = Prekey::decode(&forged.encode()).unwrap();
    assert!(forged.verify(&bob.card, NOW).is_err());
    let retry = RetryBody {
        env_id: header.env_id,
        to: bob.mailbox,
        reason: RetryReason::UnknownPrekey,
        at: NOW,
    };
    let forged = forge::sign1(seed.expose(), PREKEY_LABEL, retry.encode());
    assert!(
        Retry::decode(&forged.encode())
            .unwrap()
            .verify(&bob.card)
            .is_err()
    );
}

#[test]
fn no_label_is_used_twice() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let table = std::fs::read_to_string(root.join("docs/protocol.md")).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `waxwing/"));
    let labels: Vec<&str> = rows
        .flat_map(|row| row.split('|').nth(1).unwrap().split('`'))
        .filter(|label| label.starts_with("waxwing/"))
        .collect();
    for label in &labels {
        // No label is the beginning of another, so none can be extended into it.
        let begun = labels.iter().filter(|other| other.starts_with(label));
        assert_eq!(begun.count(), 1, "{label}");
    }
    // The table is of the code: no label is in one of them alone.
    let mut used = BTreeSet::new();
    let mut folders = vec![root.join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let source = std::fs::read_to_string(path).unwrap();
                let quoted = source.split('"').filter(|quoted| {
                    quoted.starts_with("waxwing/")
                        && quoted.ends_with("/v1")
                        && !quoted.contains(char::is_whitespace)
                });
                used.extend(quoted.map(str::to_owned));
            }
        }
    }
    assert_eq!(used, labels.into_iter().map(str::to_owned).collect());
}

#[test]
fn a_message_over_the_limit_is_refused_before_it_is_sealed() {
    let (alice, bob) = (Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S2);
    let rng = &mut rand::rng();
    let large = alice.message(&[&bob], &"x".repeat(300 * 1024));
    let prekeys = [prekey];
    let refused = seal(&large, &alice.device, &prekeys, header(), rng);
    assert_eq!(refused.unwrap_err(), SealError::TooLarge);
    // The largest that is sealed is also opened.
    let fits = alice.message(&[&bob], &"x".repeat(240 * 1024));
    let envelope = alice.seal_to(&fits, &prekeys[0], header());
    assert!(receive(&envelope.encode(), &bob, &own, &alice.card, NOW).is_ok());
}

#[test]
fn a_file_name_cannot_name_a_path() {
    use waxwing_crypto::message::Attachment;
    use waxwing_crypto::stream::AttachmentKey;
    use waxwing_wire::ids::AttachmentId;
    let (alice, bob) = (Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S1);
    let header = header();
    for name in ["../../.profile", "/etc/passwd", "a\\b", "a\0b", "", ".."] {
        let mut message = alice.message(&[&bob], "See the file.");
        message.attachments.push(Attachment {
            att_id: AttachmentId::new([1; 16]),
            key: AttachmentKey::new([2; 32]),
            sealed_length: 1000,
            sha256: Digest::of(b""),
            length: 10,
            name: name.to_owned(),
            media_type: "text/plain".to_owned(),
        });
        let signed = forge::sign1(
            alice.device.to_seed().expose(),
            &forge::message_aad(&header),
            message.encode().to_vec(),
        );
        let envelope = forge::seal_plain(&signed.encode(), &prekey, header);
        let received = receive(&envelope.encode(), &bob, &own, &alice.card, NOW);
        assert!(matches!(received, Err(OpenError::Refused)), "{name:?}");
    }
}
