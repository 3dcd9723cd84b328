//! The attacker's workshop: envelopes built by hand, outside the rules that `waxwing-crypto` keeps.
//! Written from docs/protocol.md with the bare primitives, so it is also a second implementation.

use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use ed25519_dalek::{Signer as _, SigningKey};
use hkdf::Hkdf;
use hpke::aead::{AesGcm256, ChaCha20Poly1305};
use hpke::kdf::{HkdfSha256, KdfShake256};
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Deserializable as _, OpModeR, OpModeS, Serializable as _};
use rand::Rng as _;
use sha2::Sha256;
use waxwing_crypto::envelope::{OpenError, Opened, Received};
use waxwing_crypto::prekey::OwnPrekey;
use waxwing_tests::people::{NOW, Person};
use waxwing_wire::card::VerifiedCard;
use waxwing_wire::cbor::{self, Value};
use waxwing_wire::cose::Sign1;
use waxwing_wire::cose_key::Suite;
use waxwing_wire::envelope::{Content, Entry, Envelope, Header};
use waxwing_wire::ids::Digest;
use waxwing_wire::prekey::VerifiedPrekey;

/// `H(hdr)` under the message label.
pub(crate) fn message_aad(header: &Header) -> Vec<u8> {
    cbor::encode(&Value::Array(vec![
        Value::from("waxwing/msg/v1"),
        cbor::bytes(header.hash()),
    ]))
}

/// Signs a payload with any seed, under any label.
pub(crate) fn sign1(seed: &[u8; 32], aad: &[u8], payload: Vec<u8>) -> Sign1 {
    let signed = Sign1::signed_bytes(aad, &payload);
    Sign1 {
        signature: SigningKey::from_bytes(seed).sign(&signed).to_bytes(),
        payload,
    }
}

pub(crate) fn commit(key: &[u8; 32]) -> Digest {
    let mut out = [0u8; 32];
    Hkdf::<Sha256>::from_prk(key)
        .unwrap()
        .expand(b"waxwing/cek-commit/v1", &mut out)
        .unwrap();
    Digest::new(out)
}

/// ISO 7816-4 to 256 bytes, then Padmé, written once more.
pub(crate) fn pad(plain: &[u8]) -> Vec<u8> {
    let mut padded = plain.to_vec();
    padded.push(0x80);
    while padded.len() < 256 || waxwing_crypto::padding::padme(padded.len()) != padded.len() {
        padded.push(0);
    }
    padded
}

/// Content under a given key, with a given commitment.
pub(crate) fn encrypt(key: &[u8; 32], commit: Digest, header: &Header, padded: &[u8]) -> Content {
    let mut iv = [0u8; 12];
    rand::rng().fill_bytes(&mut iv);
    let mut ciphertext = padded.to_vec();
    Aes256Gcm::new(key.into())
        .encrypt_in_place(
            &Nonce::from(iv),
            &Content::enc_structure(&commit, header),
            &mut ciphertext,
        )
        .unwrap();
    Content {
        commit,
        iv,
        ciphertext,
    }
}

/// HPKE info of a recipient, written once more.
pub(crate) fn info(header: &Header, prekey: &VerifiedPrekey) -> Vec<u8> {
    let body = prekey.body();
    let extra = cbor::encode(&Value::Array(vec![
        Value::from("waxwing/rcpt/v1"),
        cbor::bytes(header.hash()),
        cbor::bytes(body.account_id),
        cbor::bytes(body.device_id),
        cbor::bytes(prekey.hash()),
        cbor::bytes(prekey.mailbox()),
    ]));
    cbor::encode(&Value::Array(vec![
        Value::from("HPKE Recipient"),
        Value::from(3),
        Value::Bytes(Entry::protected(body.key.suite(), &prekey.kid())),
        Value::Bytes(extra),
    ]))
}

/// A recipient entry for a content key, with given info.
pub(crate) fn wrap(key: &[u8; 32], prekey: &VerifiedPrekey, info: &[u8]) -> Entry {
    let public = prekey.body().key.as_bytes();
    let rng = &mut rand::rng();
    let (ek, ciphertext) = match prekey.body().key.suite() {
        Suite::S1 => {
            let public = hpke::kem::X25519HkdfSha256::public(public);
            let (ek, ct) = hpke::single_shot_seal_with_rng::<
                ChaCha20Poly1305,
                HkdfSha256,
                X25519HkdfSha256,
            >(&OpModeS::Base, &public, info, key, &[], rng)
            .unwrap();
            (ek.to_bytes().to_vec(), ct)
        }
        Suite::S2 => {
            let public = XWing::public(public);
            let (ek, ct) = hpke::single_shot_seal_with_rng::<AesGcm256, KdfShake256, XWing>(
                &OpModeS::Base,
                &public,
                info,
                key,
                &[],
                rng,
            )
            .unwrap();
            (ek.to_bytes().to_vec(), ct)
        }
    };
    Entry {
        suite: prekey.body().key.suite(),
        kid: prekey.kid(),
        ek,
        ciphertext: ciphertext.try_into().unwrap(),
    }
}

trait Public: hpke::Kem {
    fn public(bytes: &[u8]) -> Self::PublicKey {
        Self::PublicKey::from_bytes(bytes).unwrap()
    }
}
impl<K: hpke::Kem> Public for K {}

/// Seals any plaintext to a prekey, correctly in every outer layer.
pub(crate) fn seal_plain(plain: &[u8], prekey: &VerifiedPrekey, header: Header) -> Envelope {
    seal_padded(&pad(plain), prekey, header)
}

/// The same without padding it.
pub(crate) fn seal_padded(padded: &[u8], prekey: &VerifiedPrekey, header: Header) -> Envelope {
    let mut key = [0u8; 32];
    rand::rng().fill_bytes(&mut key);
    Envelope {
        header,
        to: prekey.mailbox(),
        content: encrypt(&key, commit(&key), &header, padded),
        entry: wrap(&key, prekey, &info(&header, prekey)),
    }
}

/// The content key of an envelope, for who has the prekey's secret.
pub(crate) fn content_key(
    envelope: &Envelope,
    own: &OwnPrekey,
    prekey: &VerifiedPrekey,
) -> [u8; 32] {
    let exposed = cbor::decode(&own.expose(), 512).unwrap();
    let secret = cbor::Fields::open(exposed, "x")
        .unwrap()
        .bytes(6, "x")
        .unwrap();
    let info = info(&envelope.header, prekey);
    let (ek, ct) = (&envelope.entry.ek, &envelope.entry.ciphertext);
    let opened = match own.suite() {
        Suite::S1 => hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &<X25519HkdfSha256 as hpke::Kem>::PrivateKey::from_bytes(&secret).unwrap(),
            &<X25519HkdfSha256 as hpke::Kem>::EncappedKey::from_bytes(ek).unwrap(),
            &info,
            ct,
            &[],
        ),
        Suite::S2 => hpke::single_shot_open::<AesGcm256, KdfShake256, XWing>(
            &OpModeR::Base,
            &<XWing as hpke::Kem>::PrivateKey::from_bytes(&secret).unwrap(),
            &<XWing as hpke::Kem>::EncappedKey::from_bytes(ek).unwrap(),
            &info,
            ct,
            &[],
        ),
    };
    opened.unwrap().try_into().unwrap()
}

/// The signed plaintext of an envelope, for who has the prekey's secret.
pub(crate) fn plaintext(envelope: &Envelope, own: &OwnPrekey, prekey: &VerifiedPrekey) -> Vec<u8> {
    let key = content_key(envelope, own, prekey);
    let mut plain = envelope.content.ciphertext.clone();
    Aes256Gcm::new((&key).into())
        .decrypt_in_place(
            &Nonce::from(envelope.content.iv),
            &Content::enc_structure(&envelope.content.commit, &envelope.header),
            &mut plain,
        )
        .unwrap();
    let end = plain.iter().rposition(|byte| *byte != 0).unwrap();
    plain.truncate(end);
    plain
}

/// What a recipient's program does with bytes from the relay.
pub(crate) fn receive(
    bytes: &[u8],
    who: &Person,
    prekey: &OwnPrekey,
    sender: &VerifiedCard,
    now: u64,
) -> Result<Opened, OpenError> {
    Received::decode(bytes)?
        .open(prekey, &who.own())?
        .authenticate(sender, now)
}

/// Whether a recipient refuses an envelope of a sender.
pub(crate) fn is_refused(
    envelope: &Envelope,
    who: &Person,
    prekey: &OwnPrekey,
    sender: &Person,
) -> bool {
    matches!(
        receive(&envelope.encode(), who, prekey, &sender.card, NOW),
        Err(OpenError::Refused)
    )
}
