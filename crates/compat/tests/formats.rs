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

fn survives(text: &str) {
    let sealed = seal(KEY.public(), text).unwrap();
    assert!(*open(&KEY, &sealed).unwrap() == text, "changed on its way");
    let sealed = text::encrypt(text, "a passphrase").unwrap();
    let opened = text::decrypt(&sealed, "a passphrase").unwrap();
    assert!(*opened == text, "changed on its way");
}

#[test]
fn texts_of_every_length_and_script_survive() {
    for text in ["", "a", "é", "☃", "\u{10ffff}", "\u{feff}a", "a\0b", "Ã©"] {
        survives(text);
    }
    survives(&"a".repeat(1000));
    survives(&"Grüße, 你好, \u{1f426}. ".repeat((5 << 20) / 24));
    for plane in 0..=16 {
        let all = (plane << 16..(plane + 1) << 16).filter_map(char::from_u32);
        survives(&all.collect::<String>());
    }
}

#[test]
fn a_file_of_5_mb_and_an_empty_one_survive() {
    for length in [0, 5 << 20] {
        let bytes: Vec<u8> = (0..251).cycle().take(length).collect();
        let sealed = seal_file(KEY.public(), "a.bin", &bytes).unwrap();
        let file = open_file(&KEY, &sealed).unwrap();
        assert!(file.name == "a.bin" && *file.bytes == bytes);
    }
}

#[test]
fn a_text_is_no_file_and_a_file_is_no_text() {
    let text = seal(KEY.public(), "a text").unwrap();
    assert_eq!(open_file(&KEY, &text).err(), Some(Error::Form));
    let file = seal_file(KEY.public(), "a.txt", b"a text").unwrap();
    assert_eq!(open(&KEY, &file).err(), Some(Error::Form));
}

#[test]
fn a_made_key_is_read_again_and_has_the_form_of_the_original() {
    for bits in [2048, 3072, 4096] {
        let key = RsaPrivate::generate(bits).unwrap();
        assert_eq!(key.public().bits(), bits);
        let again = RsaPrivate::from_xml(key.xml()).unwrap();
        assert_eq!(again.hash(), key.hash());
        let public = RsaPublic::from_xml(&key.public().to_xml().unwrap()).unwrap();
        let sealed = seal(&public, "secret").unwrap();
        assert_eq!(*open(&again, &sealed).unwrap(), "secret");
    }
    // The names of the elements and the lengths of their numbers, per half of the modulus.
    let shape = |xml: &str| -> Vec<(String, usize)> {
        let elements = xml.split("</").skip(1).zip(xml.split("</"));
        elements
            .map(|(end, before)| {
                let content = before.rsplit('>').next().unwrap().len();
                (end.split('>').next().unwrap().to_owned(), content)
            })
            .collect()
    };
    let names = |xml: &str| -> Vec<String> { shape(xml).into_iter().map(|at| at.0).collect() };
    let original = original_key();
    assert_eq!(names(KEY.xml()), names(original.xml()));
    // 256, 128 and 3 bytes in base64.
    let lengths: Vec<usize> = shape(KEY.xml()).into_iter().map(|at| at.1).collect();
    assert_eq!(lengths, [344, 4, 172, 172, 172, 172, 172, 344, 0]);
    assert_eq!(RsaPrivate::generate(1024).err(), Some(Error::KeySize(1024)));
}

#[test]
fn what_is_no_key_is_refused() {
    let (private, public) = (KEY.xml(), KEY.public().to_xml().unwrap());
    let read = |xml: &str| RsaPublic::from_xml(xml).err();
    assert_eq!(
        read(&public.replace("RSAKeyValue", "Other")),
        Some(Error::Key)
    );
    assert_eq!(read(&public.replace("Modulus", "P")), Some(Error::Key));
    assert_eq!(read(&public.replace("AQAB", "AQAA")), Some(Error::Key));
    assert_eq!(read(&public.replace("AQAB", "AQ==")), Some(Error::Key));
    assert_eq!(read(&public.replace("AQAB", "&x;")), Some(Error::Key));
    assert_eq!(
        read(private),
        Some(Error::Key),
        "a private key is not public"
    );
    assert_eq!(
        read(&format!("{public}{}", " ".repeat(1 << 20))),
        Some(Error::Key)
    );
    let of_bytes = |length: usize| {
        use base64ct::{Base64, Encoding};
        let modulus = Base64::encode_string(&vec![0xff; length]);
        format!("<RSAKeyValue><Modulus>{modulus}</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>")
    };
    assert_eq!(read(&of_bytes(127)), Some(Error::SmallKey(1016)));
    assert_eq!(read(&of_bytes(1024)), None);
    assert_eq!(read(&of_bytes(1025)), Some(Error::KeySize(8200)));
    assert_eq!(RsaPrivate::from_xml(&public).err(), Some(Error::Key));
    // Numbers that do not belong together.
    let d = private
        .split("<D>")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap();
    let other = private.replace(d, &d.chars().rev().collect::<String>().replace('=', "A"));
    assert_eq!(RsaPrivate::from_xml(&other).err(), Some(Error::Key));
}

#[test]
fn a_changed_passphrase_block_does_not_open() {
    let sealed = seal(KEY.public(), "secret").unwrap();
    let with = |encryptionkey: String| Sealed {
        encryptionkey,
        ..sealed.clone()
    };
    let key = &sealed.encryptionkey;
    let blocks: Vec<&str> = (0..4).map(|at| &key[at * 344..(at + 1) * 344]).collect();
    assert_eq!(key.len(), 4 * 344, "688 bytes in blocks of 214");
    let wrapped = key.replace(blocks[1], &format!("\r\n{}\n", blocks[1]));
    assert_eq!(*open(&KEY, &with(wrapped)).unwrap(), "secret");
    for changed in [
        String::new(),
        blocks[0].to_owned(),
        blocks[..3].concat(),
        [blocks[1], blocks[0], blocks[2], blocks[3]].concat(),
        key[1..].to_owned(),
        blocks[0].repeat(17),
        "!".repeat(344),
        "A".repeat(344),
    ] {
        assert_eq!(open(&KEY, &with(changed)).err(), Some(Error::Closed));
    }
    let other = RsaPrivate::generate(2048).unwrap();
    assert_eq!(open(&other, &sealed).err(), Some(Error::Closed));
}
