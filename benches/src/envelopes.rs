//! One message of 1 KiB, signed and sealed, against the sum of its parts and against what others
//! do for the same purpose.

use anyhow::{Context as _, Result, anyhow};
use ed25519_dalek::{Signer as _, SigningKey};
use hpke::aead::{AesGcm256, ChaCha20Poly1305};
use hpke::kdf::{HkdfSha256, KdfShake256};
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Kem, OpModeR, OpModeS};
use vodozemac::olm::{Account, SessionConfig};
use waxwing_crypto::envelope::{Received, seal};
use waxwing_crypto::message::Message;
use waxwing_crypto::prekey::OwnPrekey;
use waxwing_wire::cose_key::Suite;
use waxwing_wire::prekey::VerifiedPrekey;

use crate::people::{NOW, Person, header};
use crate::table::{Table, keep, libsodium, race};

const TEXT: usize = 1024;

struct Scene {
    alice: Person,
    bob: Person,
    message: Message,
    own: OwnPrekey,
    prekey: [VerifiedPrekey; 1],
}

impl Scene {
    fn new(suite: Suite) -> Self {
        let (alice, bob) = (Person::new(), Person::new());
        let (own, prekey) = bob.prekey(suite);
        Self {
            message: alice.message(&[&bob], &"x".repeat(TEXT)),
            alice,
            bob,
            own,
            prekey: [prekey],
        }
    }

    fn seal(&self) -> Option<Vec<u8>> {
        let rng = &mut rand::rng();
        let sealed = seal(
            &self.message,
            &self.alice.device,
            &self.prekey,
            header(),
            rng,
        )
        .ok()?;
        Some(sealed.submissions.first()?.1.encode())
    }

    fn envelope(&self) -> Result<Vec<u8>> {
        let rng = &mut rand::rng();
        let sealed = seal(
            &self.message,
            &self.alice.device,
            &self.prekey,
            header(),
            rng,
        )?;
        let (_, submission) = sealed.submissions.first().context("one account")?;
        let envelope = submission.envelopes().next();
        Ok(envelope.context("one device")?.encode())
    }

    fn open(&self, envelope: &[u8]) -> bool {
        Received::decode(envelope)
            .and_then(|received| received.open(&self.own, &self.bob.own()))
            .and_then(|unsealed| unsealed.authenticate(&self.alice.card, NOW))
            .is_ok()
    }
}

pub(crate) fn measure(table: &mut Table) -> Result<()> {
    classical(table)?;
    post_quantum(table)?;
    ten_recipients(table)
}

/// HPKE of a 32-byte key in one suite, sealing and opening: the part that no envelope can avoid.
struct Parts<A, F, K: Kem> {
    private: K::PrivateKey,
    public: K::PublicKey,
    enc: K::EncappedKey,
    ciphertext: Vec<u8>,
    marker: std::marker::PhantomData<(A, F)>,
}

impl<A: hpke::aead::Aead, F: hpke::kdf::Kdf, K: Kem> Parts<A, F, K> {
    fn new() -> Result<Self> {
        let (private, public) = K::gen_keypair_with_rng(&mut rand::rng());
        let (enc, ciphertext) = Self::wrap(&public).map_err(|error| anyhow!("{error}"))?;
        Ok(Self {
            private,
            public,
            enc,
            ciphertext,
            marker: std::marker::PhantomData,
        })
    }

    fn wrap(public: &K::PublicKey) -> Result<(K::EncappedKey, Vec<u8>), hpke::HpkeError> {
        let rng = &mut rand::rng();
        hpke::single_shot_seal_with_rng::<A, F, K>(
            &OpModeS::Base,
            public,
            &[7; 180],
            &[1; 32],
            &[],
            rng,
        )
    }

    fn unwrap(&self) -> bool {
        let opened = hpke::single_shot_open::<A, F, K>(
            &OpModeR::Base,
            &self.private,
            &self.enc,
            &[7; 180],
            &self.ciphertext,
            &[],
        );
        opened.is_ok()
    }
}

type Classical = Parts<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>;
type PostQuantum = Parts<AesGcm256, KdfShake256, XWing>;

fn classical(table: &mut Table) -> Result<()> {
    let scene = Scene::new(Suite::S1);
    let envelope = scene.envelope()?;
    let parts = Classical::new()?;
    let signing = SigningKey::from_bytes(&[3; 32]);
    let text = [7; TEXT];
    let signature = signing.sign(&text);
    let verifying = signing.verifying_key();
    let [sealed, sealed_parts, opened, opened_parts] = race([
        &mut || keep(scene.seal()),
        &mut || keep((signing.sign(&text), Classical::wrap(&parts.public).is_ok())),
        &mut || keep(scene.open(&envelope)),
        &mut || {
            keep((
                parts.unwrap(),
                verifying.verify_strict(&text, &signature).is_ok(),
            ));
        },
    ]);
    let seal_work = "1 KiB signed and sealed, S1";
    let open_work = "1 KiB opened and verified, S1";
    let seal_parts = ("Ed25519 sign + HPKE wrap", sealed_parts);
    table.row(seal_work, sealed, seal_parts, "µs", Some(1.1));
    let open_parts = ("HPKE unwrap + Ed25519 verify", opened_parts);
    table.row(open_work, opened, open_parts, "µs", Some(1.15));
    match libsodium("sealed") {
        Ok(peer) => {
            let figure = |name: &str| peer[name].as_f64().context("no figure");
            let seal_peer = ("libsodium sealed box + sign", figure("seal_us")?);
            table.row(seal_work, sealed, seal_peer, "µs", Some(1.4));
            let open_peer = ("libsodium open + verify", figure("open_us")?);
            table.row(open_work, opened, open_peer, "µs", None);
        }
        Err(error) => table.missing(seal_work, "libsodium", &error.to_string()),
    }
    Ok(())
}

fn post_quantum(table: &mut Table) -> Result<()> {
    let scene = Scene::new(Suite::S2);
    let envelope = scene.envelope()?;
    let parts = PostQuantum::new()?;
    let signing = SigningKey::from_bytes(&[3; 32]);
    let text = [7; TEXT];
    let signature = signing.sign(&text);
    let verifying = signing.verifying_key();
    let classical = Scene::new(Suite::S1);

    let (alice, mut bob) = (Account::new(), Account::new());
    bob.generate_one_time_keys(1);
    let one_time = bob.one_time_keys().into_values().next();
    let one_time = one_time.context("a one-time key")?;
    let identity = bob.curve25519_key();
    let olm = || {
        let session = alice.create_outbound_session(SessionConfig::version_1(), identity, one_time);
        session
            .ok()
            .and_then(|mut session| session.encrypt(text).ok())
    };
    let [
        sealed,
        sealed_parts,
        opened,
        opened_parts,
        olm,
        sealed_classical,
    ] = race([
        &mut || keep(scene.seal()),
        &mut || {
            keep((
                signing.sign(&text),
                PostQuantum::wrap(&parts.public).is_ok(),
            ));
        },
        &mut || keep(scene.open(&envelope)),
        &mut || {
            keep((
                parts.unwrap(),
                verifying.verify_strict(&text, &signature).is_ok(),
            ));
        },
        &mut || keep(olm()),
        &mut || keep(classical.seal()),
    ]);
    let work = "1 KiB signed and sealed, S2 (post-quantum)";
    let olm = ("vodozemac Olm, new session", olm);
    table.row(work, sealed, olm, "µs", Some(1.0));
    table.row(
        "1 KiB signed and sealed, S1",
        sealed_classical,
        olm,
        "µs",
        Some(0.65),
    );
    let parts = ("Ed25519 sign + HPKE wrap", sealed_parts);
    table.row(work, sealed, parts, "µs", None);
    let parts = ("HPKE unwrap + Ed25519 verify", opened_parts);
    table.row("1 KiB opened and verified, S2", opened, parts, "µs", None);
    Ok(())
}

fn ten_recipients(table: &mut Table) -> Result<()> {
    for suite in [Suite::S1, Suite::S2] {
        let alice = Person::new();
        let people: Vec<Person> = (0..10).map(|_| Person::new()).collect();
        let everybody: Vec<&Person> = people.iter().collect();
        let message = alice.message(&everybody, &"x".repeat(TEXT));
        let prekeys: Vec<VerifiedPrekey> =
            people.iter().map(|person| person.prekey(suite).1).collect();
        let (s1, s2) = (Classical::new()?, PostQuantum::new()?);
        let [sealed, wraps] = race([
            &mut || {
                let rng = &mut rand::rng();
                keep(seal(&message, &alice.device, &prekeys, header(), rng).is_ok());
            },
            &mut || {
                for _ in 0..10 {
                    match suite {
                        Suite::S1 => keep(Classical::wrap(&s1.public).is_ok()),
                        Suite::S2 => keep(PostQuantum::wrap(&s2.public).is_ok()),
                    }
                }
            },
        ]);
        let work = format!("1 KiB to 10 recipients, {suite:?}");
        table.row(&work, sealed, ("10 HPKE wraps", wraps), "µs", Some(1.05));
    }
    Ok(())
}
