//! Writes `tests/vectors/drops/drop.json`: a drop box, a drop and a file for it, frozen. The visitor
//! that seals is the tests' own, not our cryptography. Run once for a version of the protocol.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use waxwing_crypto::drop::DropKey;
use waxwing_tests::people::{DAY, NOW};
use waxwing_tests::visitor::{Record, SealedFile, hash, payload};
use waxwing_wire::b64::B64;
use waxwing_wire::ids::DropId;

fn main() {
    let name = "Alice’s letter box ✉".to_owned();
    let rng = &mut StdRng::seed_from_u64(18);
    let own = DropKey::generate(DropId::generate(rng), name, rng).unwrap();
    let record = own.record().encode();
    let believed = Record::believe(&record, &hash(&record)).unwrap();
    let content = b"Waxwing".repeat(60_000);
    let file = SealedFile::seal(&content, "report.pdf", "application/pdf", rng);
    let long = SealedFile::seal(
        &vec![7; 2_500_000],
        "long.bin",
        "application/octet-stream",
        rng,
    );
    let (text, reach) = ("Under the third stone.\nÄöü 日本 🕊", "by post, to Bob");
    let payload = payload([1; 16], NOW, text, Some(reach), &[&file]);
    let (env_id, expires_at) = ([2; 16], NOW + 30 * DAY);
    let seed = 1818;
    let sealed = believed.seal(
        &payload,
        env_id,
        expires_at,
        &mut StdRng::seed_from_u64(seed),
    );
    // What HPKE drew for its ephemeral key, behind content key and nonce.
    let mut drawn = StdRng::seed_from_u64(seed);
    let (mut before, mut ephemeral) = ([0; 32], [0; 32]);
    drawn.fill_bytes(&mut before);
    drawn.fill_bytes(&mut before[..12]);
    drawn.fill_bytes(&mut ephemeral);
    let link_hash = B64(hash(&record).to_vec());
    let vector = json!({
        "about": "docs/protocol.md section 18. Bytes are hex. `ephemeral` is the ikm of HPKE's ephemeral key (RFC 9180 DeriveKeyPair); `now` is a time at which the drop is in force.",
        "now": NOW,
        "box": {
            "id": believed.id.map(|byte| format!("{byte:02x}")).concat(),
            "name": believed.name,
            "secret": hex::encode(own.expose()),
            "public": hex::encode(believed.key),
            "record": hex::encode(&record),
            "record_hash": hex::encode(hash(&record)),
            "link": format!("https://relay.example/drop/{}#{}", hex::encode(believed.id), serde_json::to_value(&link_hash).unwrap().as_str().unwrap()),
            "kid": hex::encode(&sealed.kid),
        },
        "drop": {
            "msg_id": hex::encode([1; 16]),
            "sent_at": NOW,
            "text": text,
            "reach": reach,
            "payload": hex::encode(&payload),
            "env_id": hex::encode(env_id),
            "receipt": "0202-0202",
            "expires_at": expires_at,
            "header": hex::encode(&sealed.header),
            "content_key": hex::encode(sealed.content_key),
            "commit": hex::encode(sealed.commit),
            "protected": hex::encode(&sealed.protected),
            "iv": hex::encode(sealed.iv),
            "padded": hex::encode(&sealed.padded),
            "aad": hex::encode(&sealed.additional),
            "ciphertext": hex::encode(&sealed.ciphertext),
            "info": hex::encode(&sealed.info),
            "ephemeral": hex::encode(ephemeral),
            "ek": hex::encode(&sealed.ek),
            "wrapped": hex::encode(&sealed.wrapped),
            "submission": hex::encode(&sealed.submission),
        },
        "files": [
            {
                "about": "the drop's file: `Waxwing` 60000 times",
                "att_id": hex::encode(file.id),
                "key": hex::encode(file.key),
                "header": hex::encode(&file.bytes[..40]),
                "length": file.length,
                "sealed_length": file.bytes.len(),
                "sha256": hex::encode(hash(&file.bytes)),
                "name": file.name,
                "media_type": file.media_type,
            },
            {
                "about": "three segments: 2500000 bytes of value 7",
                "att_id": hex::encode(long.id),
                "key": hex::encode(long.key),
                "header": hex::encode(&long.bytes[..40]),
                "length": long.length,
                "sealed_length": long.bytes.len(),
                "sha256": hex::encode(hash(&long.bytes)),
            },
        ],
    });
    let path = waxwing_tests::desk::root().join("tests/vectors/drops");
    std::fs::create_dir_all(&path).unwrap();
    let text = serde_json::to_string_pretty(&vector).unwrap();
    std::fs::write(path.join("drop.json"), text + "\n").unwrap();
}
