//! Any bytes as the signed plaintext's neighbour: a valid envelope with fuzzed fields must be
//! refused by the device that it is meant for, and never panic.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use waxwing_crypto::envelope::Received;
use waxwing_crypto::prekey::OwnPrekey;
use waxwing_tests::people::{NOW, Person, header};
use waxwing_wire::cose_key::Suite;
use waxwing_wire::envelope::Envelope;

struct Scene {
    alice: Person,
    bob: Person,
    own: OwnPrekey,
    envelope: Envelope,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let (alice, bob) = (Person::new(), Person::new());
    let (own, prekey) = bob.prekey(Suite::S1);
    let envelope = alice.seal_to(&alice.message(&[&bob], "Hello."), &prekey, header());
    Scene {
        alice,
        bob,
        own,
        envelope,
    }
});

fuzz_target!(|bytes: &[u8]| {
    let scene = &*SCENE;
    let opens = |bytes: &[u8]| {
        Received::decode(bytes)
            .and_then(|received| received.open(&scene.own, &scene.bob.own()))
            .and_then(|unsealed| unsealed.authenticate(&scene.alice.card, NOW))
            .is_ok()
    };
    let whole = scene.envelope.encode();
    assert!(!opens(bytes) || bytes == whole);
    if bytes.is_empty() {
        return;
    }
    let mut altered = scene.envelope.clone();
    altered.content.ciphertext = bytes.to_vec();
    assert!(!opens(&altered.encode()) || altered == scene.envelope);
});
