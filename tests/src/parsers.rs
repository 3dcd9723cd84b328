//! Every parser of bytes that others control, with the one property that all of them hold: what is
//! accepted is exactly what would be encoded. Shared by the property tests and by `fuzz/`.

use std::sync::LazyLock;

use waxwing_compat::{
    RsaPrivate, RsaPublic, Sealed, open, open_file, pack_file, pack_text, text, unpack_file,
    unpack_text,
};
use waxwing_crypto::backup::Record;
use waxwing_crypto::drop::Drop;
use waxwing_crypto::link::LinkText;
use waxwing_crypto::message::Message;
use waxwing_crypto::prekey::OwnPrekey;
use waxwing_crypto::vault_header::{BackupHeader, FileHeader};
use waxwing_wire::address::Address;
use waxwing_wire::card::{Card, CardBody};
use waxwing_wire::cbor;
use waxwing_wire::drop::DropRecord;
use waxwing_wire::envelope::{Content, Entry, Envelope, Submission};
use waxwing_wire::limits::MAX_ENVELOPE_BYTES;
use waxwing_wire::link::{Hello, Offer};
use waxwing_wire::prekey::Prekey;
use waxwing_wire::request::{SignedRequest, parse_content_digest};
use waxwing_wire::retry::Retry;
use waxwing_wire::revocation::Revocation;

/// A parser: what it would encode of what it accepted, or `None` when it refused. A parser that
/// keeps the bytes it read gives those back.
pub type Parser = fn(&[u8]) -> Option<Vec<u8>>;

/// All of them, by name.
pub const PARSERS: &[(&str, Parser)] = &[
    ("cbor", |bytes| {
        let value = cbor::decode(bytes, MAX_ENVELOPE_BYTES).ok()?;
        Some(cbor::encode(&value))
    }),
    ("card", |bytes| {
        let card = Card::decode(bytes).ok()?;
        Some(card.as_bytes().to_vec())
    }),
    ("card body", |bytes| {
        Some(without_extensions(
            bytes,
            &CardBody::decode(bytes).ok()?.encode(),
        ))
    }),
    ("backup header", |bytes| {
        Some(without_extensions(
            bytes,
            &BackupHeader::decode(bytes).ok()?.encode(),
        ))
    }),
    ("file header", |bytes| {
        Some(without_extensions(
            bytes,
            &FileHeader::decode(bytes).ok()?.encode(),
        ))
    }),
    ("backup record", |bytes| {
        Some(Record::decode(bytes).ok()?.encode())
    }),
    ("prekey", |bytes| {
        Some(Prekey::decode(bytes).ok()?.as_bytes().to_vec())
    }),
    ("retry", |bytes| {
        let retry = Retry::decode(bytes).ok()?;
        let _ = retry.body();
        Some(bytes.to_vec())
    }),
    ("revocation", |bytes| {
        let revocation = Revocation::decode(bytes).ok()?;
        let _ = revocation.verify();
        Some(bytes.to_vec())
    }),
    ("envelope", |bytes| {
        Some(without_extensions(
            bytes,
            &Envelope::decode(bytes).ok()?.encode(),
        ))
    }),
    ("submission", |bytes| {
        Some(without_extensions(
            bytes,
            &Submission::decode(bytes).ok()?.encode(),
        ))
    }),
    ("content", |bytes| {
        Some(without_extensions(
            bytes,
            &Content::decode(bytes).ok()?.encode(),
        ))
    }),
    ("entry", |bytes| {
        Some(without_extensions(
            bytes,
            &Entry::decode(bytes).ok()?.encode(),
        ))
    }),
    ("message", |bytes| {
        Some(without_extensions(
            bytes,
            &Message::decode(bytes).ok()?.encode(),
        ))
    }),
    ("own prekey", |bytes| {
        let own = OwnPrekey::from_exposed(bytes).ok()?;
        Some(without_extensions(bytes, &own.expose()))
    }),
    ("drop record", |bytes| {
        Some(DropRecord::decode(bytes).ok()?.encode())
    }),
    ("drop", |bytes| {
        Some(without_extensions(
            bytes,
            &Drop::decode(bytes).ok()?.encode(),
        ))
    }),
    ("link offer", |bytes| {
        Some(without_extensions(
            bytes,
            &Offer::decode(bytes).ok()?.encode(),
        ))
    }),
    ("link hello", |bytes| {
        Some(without_extensions(
            bytes,
            &Hello::decode(bytes).ok()?.encode(),
        ))
    }),
    ("link text", |bytes| {
        let text: LinkText = std::str::from_utf8(bytes).ok()?.parse().ok()?;
        let again: LinkText = text.expose().parse().ok()?;
        assert_eq!(text.expose(), again.expose(), "a link text has one form");
        Some(bytes.to_vec())
    }),
    ("signed request", |bytes| {
        let text = std::str::from_utf8(bytes).ok()?;
        let (input, signature) = text.split_once('\n')?;
        let _ = parse_content_digest(text);
        SignedRequest::parse(input, signature).ok()?;
        Some(bytes.to_vec())
    }),
    ("address", |bytes| {
        let address: Address = std::str::from_utf8(bytes).ok()?.parse().ok()?;
        let again: Address = address.to_string().parse().ok()?;
        assert_eq!(address, again, "an address has one form");
        Some(bytes.to_vec())
    }),
    // White space is free in the key service's formats: what was read has one form from then on.
    ("key service public key", |bytes| {
        let key = RsaPublic::from_xml(std::str::from_utf8(bytes).ok()?).ok()?;
        let again = RsaPublic::from_xml(&key.to_xml().ok()?);
        assert_eq!(again.as_ref(), Ok(&key), "a public key has one form");
        Some(bytes.to_vec())
    }),
    ("key service private key", |bytes| {
        let xml = std::str::from_utf8(bytes).ok()?;
        let key = RsaPrivate::from_xml_of_any_size(xml).ok()?;
        assert_eq!(key.xml(), xml, "a private key's text is kept");
        Some(bytes.to_vec())
    }),
    ("key service text", |bytes| {
        let sealed = std::str::from_utf8(bytes).ok()?;
        let plain = text::decrypt(sealed, KEY_SERVICE_PASSPHRASE).ok()?;
        let again = text::encrypt(&plain, KEY_SERVICE_PASSPHRASE).ok()?;
        let read: String = sealed.split_ascii_whitespace().collect();
        assert_eq!(again, read, "a text has one form");
        Some(bytes.to_vec())
    }),
    ("key service message", |bytes| {
        let lines = std::str::from_utf8(bytes).ok()?;
        let (encryptionkey, encryptedmessage) = lines.split_once('\n')?;
        let sealed = Sealed {
            encryptedmessage: encryptedmessage.to_owned(),
            encryptionkey: encryptionkey.to_owned(),
            messagehash: None,
        };
        let key = &KEY_SERVICE_KEY;
        match (open(key, &sealed), open_file(key, &sealed)) {
            (Err(_), Err(_)) => None,
            _ => Some(bytes.to_vec()),
        }
    }),
    ("key service packed text", |bytes| {
        let packed: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        let text = unpack_text(&packed).ok()?;
        let again = unpack_text(&pack_text(&text).ok()?);
        assert_eq!(again.as_deref(), Ok(&*text), "a text packs and unpacks");
        Some(bytes.to_vec())
    }),
    ("key service packed file", |bytes| {
        let file = unpack_file(std::str::from_utf8(bytes).ok()?).ok()?;
        let again = unpack_file(&pack_file(&file.name, &file.bytes).ok()?).ok()?;
        assert_eq!((again.name, again.bytes), (file.name, file.bytes));
        Some(bytes.to_vec())
    }),
];

/// Of the key service's texts that are parsed.
pub const KEY_SERVICE_PASSPHRASE: &str = "a passphrase";

/// Who opens the key service's messages that are parsed.
pub static KEY_SERVICE_KEY: LazyLock<RsaPrivate> =
    LazyLock::new(|| RsaPrivate::generate(2048).expect("a key"));

/// Labels from 100 and text labels may be skipped by a reader and so are not encoded again. Bytes
/// that carry one are compared without it: their own deterministic form is checked by `cbor`.
fn without_extensions(bytes: &[u8], encoded: &[u8]) -> Vec<u8> {
    let extended = cbor::decode(bytes, 1 << 20).is_ok_and(|value| has_extension(&value));
    if extended {
        bytes.to_vec()
    } else {
        encoded.to_vec()
    }
}

fn has_extension(value: &cbor::Value) -> bool {
    use cbor::Value;
    match value {
        Value::Map(entries) => entries.iter().any(|(key, item)| {
            let optional = match key {
                Value::Integer(label) => i128::from(*label) >= 100,
                Value::Text(_) => true,
                _ => false,
            };
            optional || has_extension(item)
        }),
        Value::Array(items) => items.iter().any(has_extension),
        Value::Tag(_, inner) => has_extension(inner),
        // A byte string may hold a structure of its own.
        Value::Bytes(inner) => {
            cbor::decode(inner, 1 << 20).is_ok_and(|inner| has_extension(&inner))
        }
        _ => false,
    }
}

/// Runs every parser.
///
/// # Panics
/// When one accepts bytes that it would encode differently.
pub fn check_all(bytes: &[u8]) {
    for (name, parse) in PARSERS {
        if let Some(again) = parse(bytes) {
            assert_eq!(again, bytes, "{name} accepted another form");
        }
    }
}
