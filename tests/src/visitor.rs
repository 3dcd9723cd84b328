//! A visitor to a drop box, written from docs/protocol.md sections 3, 5 and 18 with the bare
//! primitives: a second implementation of what seals.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::indexing_slicing
)]

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use ciborium::Value;
use hkdf::Hkdf;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem, X25519HkdfSha256};
use hpke::{Deserializable as _, OpModeS, Serializable as _};
use rand::CryptoRng;
use sha2::{Digest as _, Sha256};

const SEGMENT: usize = 1 << 20;

/// A record as a visitor reads it.
pub struct Record {
    /// Exact bytes.
    pub bytes: Vec<u8>,
    /// Label 2.
    pub id: [u8; 16],
    /// The public key, label 3.
    pub key: [u8; 32],
    /// Label 4.
    pub name: String,
}

/// A sealed drop, with every step of the way.
pub struct SealedDrop {
    pub header: Vec<u8>,
    pub content_key: [u8; 32],
    pub commit: [u8; 32],
    pub protected: Vec<u8>,
    pub iv: [u8; 12],
    pub padded: Vec<u8>,
    pub additional: Vec<u8>,
    pub ciphertext: Vec<u8>,
    pub kid: Vec<u8>,
    pub info: Vec<u8>,
    pub ek: Vec<u8>,
    pub wrapped: Vec<u8>,
    pub submission: Vec<u8>,
}

/// A sealed file, and what is said of it in a drop.
pub struct SealedFile {
    pub id: [u8; 16],
    pub key: [u8; 32],
    pub bytes: Vec<u8>,
    pub length: usize,
    pub name: String,
    pub media_type: String,
}

pub fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub fn cbor(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    ciborium::into_writer(value, &mut out).expect("written into memory");
    out
}

/// A map whose labels are given in their encoded order.
fn map<const N: usize>(entries: [(i64, Value); N]) -> Value {
    let entries = entries.into_iter();
    Value::Map(entries.map(|(k, v)| (Value::from(k), v)).collect())
}

fn bytes(content: &[u8]) -> Value {
    Value::Bytes(content.to_vec())
}

fn random<const N: usize>(rng: &mut dyn CryptoRng) -> [u8; N] {
    let mut out = [0; N];
    rng.fill_bytes(&mut out);
    out
}

fn expand(key: &[u8; 32], info: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    let hkdf = Hkdf::<Sha256>::from_prk(key).expect("32 bytes");
    hkdf.expand(info, &mut out).expect("32 bytes");
    out
}

/// Padmé.
fn padme(length: usize) -> usize {
    if length < 2 {
        return length;
    }
    let e = usize::BITS - 1 - length.leading_zeros();
    let s = u32::BITS - e.leading_zeros();
    let mask = (1usize << e.saturating_sub(s)) - 1;
    (length + mask) & !mask
}

impl Record {
    /// Reads a record whose hash is the one behind `#` in the link; none when it is another.
    pub fn believe(record: &[u8], hash_in_link: &[u8]) -> Option<Self> {
        if hash(record) != hash_in_link {
            return None;
        }
        let value: Value = ciborium::from_reader(record).ok()?;
        let field = |map: &Value, label: i64| -> Option<Value> {
            let entries = map.as_map()?.iter();
            let wanted = Value::from(label);
            entries
                .clone()
                .find(|(key, _)| *key == wanted)
                .map(|(_, value)| value.clone())
        };
        let key = field(&field(&value, 3)?, -2)?;
        Some(Self {
            bytes: record.to_vec(),
            id: field(&value, 2)?.as_bytes()?.as_slice().try_into().ok()?,
            key: key.as_bytes()?.as_slice().try_into().ok()?,
            name: field(&value, 4)?.into_text().ok()?,
        })
    }

    /// Seals a payload to the box.
    pub fn seal(
        &self,
        payload: &[u8],
        env_id: [u8; 16],
        expires_at: u64,
        rng: &mut dyn CryptoRng,
    ) -> SealedDrop {
        let header = cbor(&Value::Array(vec![
            Value::from("waxwing/env/v1"),
            bytes(&env_id),
            Value::from(expires_at),
        ]));
        let content_key = random::<32>(rng);
        let iv = random::<12>(rng);
        let commit = expand(&content_key, b"waxwing/cek-commit/v1");
        let protected = cbor(&Value::Map(vec![
            (Value::from(1), Value::from(3)),
            (Value::from("cc"), bytes(&commit)),
        ]));
        let mut padded = payload.to_vec();
        padded.push(0x80);
        padded.resize(padme(padded.len()).max(256), 0);
        let additional = cbor(&Value::Array(vec![
            Value::from("Encrypt"),
            bytes(&protected),
            bytes(&header),
        ]));
        let sealing = Payload {
            msg: &padded,
            aad: &additional,
        };
        let ciphertext = Aes256Gcm::new(&content_key.into())
            .encrypt(&Nonce::from(iv), sealing)
            .expect("sealed");

        let thumbprint = map([
            (1, Value::from(1)),
            (-1, Value::from(4)),
            (-2, bytes(&self.key)),
        ]);
        let kid = hash(&cbor(&thumbprint))[..16].to_vec();
        let entry_protected = cbor(&map([(1, Value::from(50)), (4, bytes(&kid))]));
        let extra = cbor(&Value::Array(vec![
            Value::from("waxwing/drop/v1"),
            bytes(&hash(&header)),
            bytes(&hash(&self.bytes)),
        ]));
        let info = cbor(&Value::Array(vec![
            Value::from("HPKE Recipient"),
            Value::from(3),
            bytes(&entry_protected),
            bytes(&extra),
        ]));
        let public = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&self.key).expect("a key");
        let mut rng = rng;
        let (ek, wrapped) = hpke::single_shot_seal_with_rng::<
            ChaCha20Poly1305,
            HkdfSha256,
            X25519HkdfSha256,
        >(&OpModeS::Base, &public, &info, &content_key, &[], &mut rng)
        .expect("wrapped");
        let ek = ek.to_bytes().to_vec();
        let entry = cbor(&Value::Array(vec![
            bytes(&entry_protected),
            map([(-4, bytes(&ek))]),
            bytes(&wrapped),
        ]));
        let content = cbor(&Value::Array(vec![
            bytes(&protected),
            map([(5, bytes(&iv))]),
            bytes(&ciphertext),
        ]));
        let to = Value::Array(vec![bytes(&self.id), bytes(&entry)]);
        let submission = cbor(&map([
            (1, Value::from(1)),
            (2, bytes(&env_id)),
            (3, Value::from(expires_at)),
            (4, bytes(&content)),
            (5, Value::Array(vec![to])),
        ]));
        SealedDrop {
            header,
            content_key,
            commit,
            protected,
            iv,
            padded,
            additional,
            ciphertext,
            kid,
            info,
            ek,
            wrapped,
            submission,
        }
    }
}

/// The payload of a drop.
pub fn payload(
    msg_id: [u8; 16],
    sent_at: u64,
    text: &str,
    reach: Option<&str>,
    files: &[&SealedFile],
) -> Vec<u8> {
    let files = files.iter().map(|file| file.descriptor()).collect();
    let mut entries = vec![
        (Value::from(1), bytes(&msg_id)),
        (Value::from(2), Value::from(sent_at)),
        (Value::from(3), Value::from(text)),
    ];
    entries.extend(reach.map(|reach| (Value::from(4), Value::from(reach))));
    entries.push((Value::from(5), Value::Array(files)));
    cbor(&Value::Map(entries))
}

impl SealedFile {
    /// Seals a file as section 5 says.
    pub fn seal(content: &[u8], name: &str, media_type: &str, rng: &mut dyn CryptoRng) -> Self {
        let (id, key) = (random::<16>(rng), random::<32>(rng));
        let (salt, prefix) = (random::<32>(rng), random::<7>(rng));
        let info = cbor(&Value::Array(vec![
            Value::from("waxwing/att/v1"),
            bytes(&id),
        ]));
        let mut own = [0; 32];
        Hkdf::<Sha256>::new(Some(&salt), &key)
            .expand(&info, &mut own)
            .expect("32 bytes");
        let cipher = Aes256Gcm::new(&own.into());
        let mut plain = content.to_vec();
        plain.resize(padme(content.len().max(256)), 0);
        let mut sealed = [&[40], &salt[..], &prefix[..]].concat();
        let (first, rest) = plain.split_at(plain.len().min(SEGMENT - 40 - 16));
        let segments: Vec<&[u8]> = std::iter::once(first)
            .chain(rest.chunks(SEGMENT - 16))
            .collect();
        for (number, segment) in (0u32..).zip(&segments) {
            let last = u8::from(number as usize + 1 == segments.len());
            let mut nonce = [0; 12];
            nonce[..7].copy_from_slice(&prefix);
            nonce[7..11].copy_from_slice(&number.to_be_bytes());
            nonce[11] = last;
            let segment = cipher.encrypt(&Nonce::from(nonce), *segment);
            sealed.extend(segment.expect("sealed"));
        }
        Self {
            id,
            key,
            bytes: sealed,
            length: content.len(),
            name: name.to_owned(),
            media_type: media_type.to_owned(),
        }
    }

    fn descriptor(&self) -> Value {
        map([
            (1, bytes(&self.id)),
            (2, bytes(&self.key)),
            (3, Value::from(self.bytes.len() as u64)),
            (4, bytes(&hash(&self.bytes))),
            (5, Value::from(self.length as u64)),
            (6, Value::from(self.name.as_str())),
            (7, Value::from(self.media_type.as_str())),
        ])
    }
}
