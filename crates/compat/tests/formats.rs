//! What the original wrote opens here, what it lost is kept, and everything survives a round trip.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::LazyLock;

use proptest::prelude::*;
use waxwing_compat::{
    Error, RsaPrivate, RsaPublic, Sealed, open, open_file, seal, seal_file, text,
};

/// What the original wrote, run under Mono.
static ORIGINAL: LazyLock<serde_json::Value> = LazyLock::new(|| {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/vectors/keyservice.json"
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
});

static KEY: LazyLock<RsaPrivate> = LazyLock::new(|| RsaPrivate::generate(2048).unwrap());

fn string<'a>(value: &'a serde_json::Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn sealed(message: &serde_json::Value) -> Sealed {
    Sealed {
        encryptedmessage: string(message, "encryptedmessage").to_owned(),
        encryptionkey: string(message, "encryptionkey").to_owned(),
        messagehash: Some(string(message, "messagehash").to_owned()),
    }
}

fn original_key() -> RsaPrivate {
    RsaPrivate::from_xml_of_any_size(string(&ORIGINAL["rsa"], "privatekey")).unwrap()
}

#[test]
fn texts_under_a_passphrase_are_the_same_in_both_directions() {
    for case in ORIGINAL["symmetric"].as_array().unwrap() {
        let [plain, passphrase, sealed] =
            ["plaintext", "passphrase", "ciphertext"].map(|name| string(case, name));
        assert_eq!(text::encrypt(plain, passphrase).unwrap(), sealed);
        assert_eq!(*text::decrypt(sealed, passphrase).unwrap(), plain);
        let other = text::decrypt(sealed, "another").err();
        assert_eq!(other, Some(Error::Closed));
    }
}

#[test]
fn hashes_are_the_same() {
    for case in ORIGINAL["hash"].as_array().unwrap() {
        let expected = string(case, "sha256_utf16le_hex");
        assert_eq!(text::hash(string(case, "text")), expected);
    }
}

#[test]
fn keys_are_the_same() {
    let rsa = &ORIGINAL["rsa"];
    let key = original_key();
    assert_eq!(key.xml(), string(rsa, "privatekey"));
    assert_eq!(key.hash(), string(rsa, "privatekeyhash"));
    assert_eq!(key.public().bits(), 1024);
    assert_eq!(key.public().to_xml().unwrap(), string(rsa, "publickey"));
    let public = RsaPublic::from_xml(string(rsa, "publickey")).unwrap();
    assert_eq!(&public, key.public());
    let wrapped = string(rsa, "privatekey_encrypted_with_passphrase");
    let opened = text::decrypt(wrapped, string(rsa, "passphrase")).unwrap();
    assert_eq!(*opened, key.xml());
}

#[test]
fn a_message_of_the_original_opens() {
    let key = original_key();
    for message in ORIGINAL["rsa"]["messages"].as_array().unwrap() {
        let mut sealed = sealed(message);
        assert_eq!(*open(&key, &sealed).unwrap(), string(message, "message"));
        sealed.messagehash = None;
        assert_eq!(*open(&key, &sealed).unwrap(), string(message, "message"));
        sealed.messagehash = Some(text::hash("another"));
        assert_eq!(open(&key, &sealed).err(), Some(Error::Hash));
    }
}

#[test]
fn nothing_is_sealed_to_a_small_key_and_it_is_not_read_by_chance() {
    let key = original_key();
    let refused = Err(Error::SmallKey(1024));
    assert_eq!(seal(key.public(), "secret"), refused);
    assert_eq!(seal_file(key.public(), "a.txt", b"secret"), refused);
    assert_eq!(RsaPrivate::from_xml(key.xml()).err(), refused.err());
    let sentence = Error::SmallKey(1024).to_string();
    assert!(sentence.contains("2048"), "{sentence}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_text_survives(text in "(?s).{0,3000}", passphrase in ".{0,60}") {
        let sealed = seal(KEY.public(), &text).unwrap();
        prop_assert_eq!(&*open(&KEY, &sealed).unwrap(), &text);
        let sealed = text::encrypt(&text, &passphrase).unwrap();
        prop_assert_eq!(&*text::decrypt(&sealed, &passphrase).unwrap(), &text);
    }

    #[test]
    fn any_latin_text_survives(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        let sealed = seal(KEY.public(), &text).unwrap();
        prop_assert_eq!(&*open(&KEY, &sealed).unwrap(), &text);
    }

    #[test]
    fn any_file_survives(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
        let file = open_file(&KEY, &seal_file(KEY.public(), "Grüße 你好.txt", &bytes).unwrap());
        let file = file.unwrap();
        prop_assert_eq!(file.name, "Grüße 你好.txt");
        prop_assert_eq!(&*file.bytes, &bytes);
    }
}
