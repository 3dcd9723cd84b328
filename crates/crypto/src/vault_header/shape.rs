//! The header's bytes, strictly: Core Deterministic CBOR both ways, every size and bound checked.
//!
//! ```text
//! { 1: "waxwing/vault/v1", 2: vault_id 16 B, 3: gen, 4: [ slot pass, slot recovery ],
//!   5: { 1: salt 32 B, 2: nonce 12 B, 3: ct }, 6: SHA-256 of the same map without label 6,
//!   7: number of the store, absent for 0, 8: a re-key under way, see `next.rs`, or absent }
//! slot pass     { 1: 1, 2: {1: 0x13, 2: m KiB, 3: t, 4: p, 5: salt 32 B}, 3: commit, 4: nonce, 5: ct 48 B }
//! slot recovery { 1: 2, 2: {1: salt 32 B}, 3: commit, 4: nonce, 5: ct 48 B }
//! ```

use waxwing_wire::cbor::{self, Fields, ShapeError, Value};
use waxwing_wire::ids::Digest;

use super::next::Next;
use super::root::NONCE_LEN;
use super::slot::{PassphraseSlot, RecoverySlot, Wrapped};
use super::{Header, HeaderError, MAX_HEADER_LEN};
use crate::kdf::{KdfParams, SALT_LEN};

const LABEL: &str = "waxwing/vault/v1";
const KIND_PASSPHRASE: u64 = 1;
const KIND_RECOVERY: u64 = 2;
const ARGON2_VERSION: u64 = 0x13;

/// The keyring as it stands in the file; `sealed` is nonce, ciphertext, tag.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct SealedKeyring {
    pub(super) salt: [u8; 32],
    pub(super) sealed: Vec<u8>,
}

pub(super) fn encode(header: &Header) -> Vec<u8> {
    let mut entries = content(header);
    let digest = Digest::of(&cbor::encode(&cbor::map(entries.clone())));
    entries.push((6, cbor::bytes(digest)));
    cbor::encode(&cbor::map(entries))
}

fn content(header: &Header) -> Vec<(i64, Value)> {
    let (nonce, ct) = header.keyring.sealed.split_at(NONCE_LEN);
    let keyring = cbor::map([
        (1, cbor::bytes(header.keyring.salt)),
        (2, cbor::bytes(nonce)),
        (3, cbor::bytes(ct)),
    ]);
    let mut entries = vec![
        (1, Value::from(LABEL)),
        (2, cbor::bytes(header.vault_id)),
        (3, Value::from(header.generation)),
        (4, slots(&header.passphrase, &header.recovery)),
        (5, keyring),
    ];
    if header.store > 0 {
        entries.push((7, Value::from(header.store)));
    }
    entries.extend(header.next.as_ref().map(|next| (8, next.encode())));
    entries
}

pub(super) fn decode(bytes: &[u8]) -> Result<Header, HeaderError> {
    let value = cbor::decode(bytes, MAX_HEADER_LEN)?;
    let mut fields = Fields::open(value, "header")?;
    if fields.text(1, "label")? != LABEL {
        return Err(HeaderError::UnknownVersion);
    }
    let vault_id = fixed(fields.bytes(2, "vault id")?, "vault id")?;
    let generation = fields.uint(3, "generation")?;
    let (passphrase, recovery) = decode_slots(fields.need(4, "slots")?)?;
    let keyring = decode_keyring(fields.need(5, "keyring")?)?;
    let digest: Digest = fields.id(6, "digest")?;
    let number = fields.take(7).map(|value| cbor::as_uint(&value, "store"));
    let store = number.transpose()?.map_or(Ok(0), store)?;
    let next = fields.take(8).map(|value| Next::decode(value, store));
    let next = next.transpose()?;
    fields.finish()?;
    let header = Header {
        vault_id,
        generation,
        passphrase,
        recovery,
        keyring,
        store,
        next,
    };
    if Digest::of(&cbor::encode(&cbor::map(content(&header)))) != digest {
        return Err(HeaderError::Corrupt("digest differs"));
    }
    Ok(header)
}

/// The number of a store that is not the first; the first has none in the file.
pub(super) fn store(number: u64) -> Result<u32, HeaderError> {
    u32::try_from(number)
        .ok()
        .filter(|number| *number > 0)
        .ok_or(HeaderError::Corrupt("store"))
}

pub(super) fn decode_slots(value: Value) -> Result<(PassphraseSlot, RecoverySlot), HeaderError> {
    let [passphrase, recovery] = cbor::as_tuple::<2>(value, "slots")?;
    Ok((
        decode_passphrase_slot(passphrase)?,
        decode_recovery_slot(recovery)?,
    ))
}

fn decode_passphrase_slot(value: Value) -> Result<PassphraseSlot, HeaderError> {
    let mut slot = Fields::open(value, "slot")?;
    if slot.uint(1, "slot kind")? != KIND_PASSPHRASE {
        return Err(HeaderError::Corrupt("slot kind"));
    }
    let mut kdf = Fields::open(slot.need(2, "argon2id")?, "argon2id")?;
    if kdf.uint(1, "argon2 version")? != ARGON2_VERSION {
        return Err(HeaderError::UnknownVersion);
    }
    let [m, t, p] = [kdf.uint(2, "m")?, kdf.uint(3, "t")?, kdf.uint(4, "p")?]
        .map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    let params = KdfParams::new(m, t, p).map_err(|_| HeaderError::Corrupt("argon2id bounds"))?;
    let salt = fixed(kdf.bytes(5, "salt")?, "salt")?;
    kdf.finish()?;
    Ok(PassphraseSlot {
        params,
        salt,
        wrapped: decode_wrapped(slot)?,
    })
}

pub(super) fn decode_recovery_slot(value: Value) -> Result<RecoverySlot, HeaderError> {
    let mut slot = Fields::open(value, "slot")?;
    if slot.uint(1, "slot kind")? != KIND_RECOVERY {
        return Err(HeaderError::Corrupt("slot kind"));
    }
    let mut kdf = Fields::open(slot.need(2, "hkdf")?, "hkdf")?;
    let salt = fixed(kdf.bytes(1, "salt")?, "salt")?;
    kdf.finish()?;
    Ok(RecoverySlot {
        salt,
        wrapped: decode_wrapped(slot)?,
    })
}

fn decode_wrapped(mut slot: Fields) -> Result<Wrapped, HeaderError> {
    let wrapped = Wrapped {
        commit: fixed(slot.bytes(3, "commit")?, "commit")?,
        nonce: fixed(slot.bytes(4, "nonce")?, "nonce")?,
        ct: fixed(slot.bytes(5, "wrapped key")?, "wrapped key")?,
    };
    slot.finish()?;
    Ok(wrapped)
}

fn decode_keyring(value: Value) -> Result<SealedKeyring, HeaderError> {
    let mut keyring = Fields::open(value, "keyring")?;
    let salt = fixed(keyring.bytes(1, "keyring salt")?, "keyring salt")?;
    let nonce: [u8; NONCE_LEN] = fixed(keyring.bytes(2, "keyring nonce")?, "keyring nonce")?;
    let ct = keyring.bytes(3, "keyring")?;
    keyring.finish()?;
    Ok(SealedKeyring {
        salt,
        sealed: [nonce.as_slice(), &ct].concat(),
    })
}

pub(super) fn slots(passphrase: &PassphraseSlot, recovery: &RecoverySlot) -> Value {
    let kdf = argon2id(passphrase.params, &passphrase.salt);
    Value::Array(vec![
        slot(KIND_PASSPHRASE, kdf, &passphrase.wrapped),
        recovery_slot(recovery),
    ])
}

pub(super) fn recovery_slot(recovery: &RecoverySlot) -> Value {
    slot(KIND_RECOVERY, hkdf(&recovery.salt), &recovery.wrapped)
}

fn slot(kind: u64, kdf: Value, wrapped: &Wrapped) -> Value {
    cbor::map([
        (1, Value::from(kind)),
        (2, kdf),
        (3, cbor::bytes(wrapped.commit)),
        (4, cbor::bytes(wrapped.nonce)),
        (5, cbor::bytes(wrapped.ct)),
    ])
}

fn argon2id(params: KdfParams, salt: &[u8; SALT_LEN]) -> Value {
    cbor::map([
        (1, Value::from(ARGON2_VERSION)),
        (2, Value::from(params.m_kib())),
        (3, Value::from(params.t())),
        (4, Value::from(params.p())),
        (5, cbor::bytes(salt)),
    ])
}

fn hkdf(salt: &[u8; SALT_LEN]) -> Value {
    cbor::map([(1, cbor::bytes(salt))])
}

/// `det-CBOR(["waxwing/vault/slot/v1", vault_id, kind, kdf params])`
pub(super) fn passphrase_slot_aad(
    vault_id: &[u8; 16],
    params: KdfParams,
    salt: &[u8; SALT_LEN],
) -> Vec<u8> {
    slot_aad(vault_id, KIND_PASSPHRASE, argon2id(params, salt))
}

/// As [`passphrase_slot_aad`], for the recovery slot.
pub(super) fn recovery_slot_aad(vault_id: &[u8; 16], salt: &[u8; SALT_LEN]) -> Vec<u8> {
    slot_aad(vault_id, KIND_RECOVERY, hkdf(salt))
}

fn slot_aad(vault_id: &[u8; 16], kind: u64, kdf: Value) -> Vec<u8> {
    cbor::encode(&Value::Array(vec![
        Value::from("waxwing/vault/slot/v1"),
        cbor::bytes(vault_id),
        Value::from(kind),
        kdf,
    ]))
}

/// `det-CBOR(["waxwing/vault/keyring/v1", vault_id, gen, H(slots)])`, and `store, H(next) / null`
/// behind these when the header has a numbered store or a re-key under way.
pub(super) fn keyring_aad(header: &Header) -> Vec<u8> {
    let digest = |value: &Value| cbor::bytes(Digest::of(&cbor::encode(value)));
    let mut items = vec![
        Value::from("waxwing/vault/keyring/v1"),
        cbor::bytes(header.vault_id),
        Value::from(header.generation),
        digest(&slots(&header.passphrase, &header.recovery)),
    ];
    if header.store > 0 || header.next.is_some() {
        let next = header.next.as_ref().map(|next| digest(&next.encode()));
        items.extend([Value::from(header.store), cbor::or_null(next)]);
    }
    cbor::encode(&Value::Array(items))
}

pub(super) fn fixed<const N: usize>(
    bytes: Vec<u8>,
    what: &'static str,
) -> Result<[u8; N], HeaderError> {
    bytes.try_into().map_err(|_| HeaderError::Corrupt(what))
}

impl From<ShapeError> for HeaderError {
    fn from(error: ShapeError) -> Self {
        match error {
            ShapeError::TooLarge { .. } => Self::Corrupt("too large"),
            ShapeError::Malformed => Self::Corrupt("not well-formed"),
            ShapeError::NotDeterministic => Self::Corrupt("not deterministic"),
            ShapeError::Missing(what) | ShapeError::Wrong(what) => Self::Corrupt(what),
            ShapeError::UnknownLabel(_) => Self::Corrupt("unknown label"),
        }
    }
}
