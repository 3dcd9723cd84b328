//! The two HPKE suites, in base mode, single shot (RFC 9180 section 6.1; draft-ietf-hpke-pq); and S2
//! in mode PSK as a conversation of several messages (section 5.1.2), for linking devices.
//!
//! The only file that names crate `hpke`. The suite is always the key's, never the message's.

use hpke::aead::{AeadCtxR, AeadCtxS};
use hpke::aead::{AesGcm256, ChaCha20Poly1305};
use hpke::kdf::{HkdfSha256, KdfShake256};
use hpke::kem::{Kem, X25519HkdfSha256, XWing};
use hpke::{Deserializable, OpModeR, OpModeS, PskBundle, Serializable};
use rand_core::CryptoRng;
use waxwing_wire::cose_key::{HpkePublic, Suite};
use zeroize::{Zeroize as _, Zeroizing};

/// A secret of 32 bytes: a content key, or an HPKE private key of either suite.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// An HPKE step failed. Says nothing more on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HpkeFailed;

/// A wrapped content key: the encapsulated key and its HPKE ciphertext.
pub(crate) struct Wrapped {
    pub(crate) ek: Vec<u8>,
    pub(crate) ciphertext: [u8; 48],
}

/// Makes a key pair of the suite.
pub(crate) fn generate<R: CryptoRng + ?Sized>(
    suite: Suite,
    rng: &mut R,
) -> Result<(Secret, HpkePublic), HpkeFailed> {
    match suite {
        Suite::S1 => generate_with::<X25519HkdfSha256, R>(suite, rng),
        Suite::S2 => generate_with::<XWing, R>(suite, rng),
    }
}

/// Wraps a content key to a public key, with empty `aad`.
pub(crate) fn wrap<R: CryptoRng + ?Sized>(
    to: &HpkePublic,
    info: &[u8],
    content_key: &Secret,
    rng: &mut R,
) -> Result<Wrapped, HpkeFailed> {
    match to.suite() {
        Suite::S1 => wrap_with::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256, R>(
            to.as_bytes(),
            info,
            content_key,
            rng,
        ),
        Suite::S2 => {
            wrap_with::<AesGcm256, KdfShake256, XWing, R>(to.as_bytes(), info, content_key, rng)
        }
    }
}

/// Unwraps a content key with a private key of `suite`.
pub(crate) fn unwrap(
    suite: Suite,
    secret: &Secret,
    ek: &[u8],
    info: &[u8],
    ciphertext: &[u8; 48],
) -> Result<Secret, HpkeFailed> {
    match suite {
        Suite::S1 => unwrap_with::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            secret, ek, info, ciphertext,
        ),
        Suite::S2 => unwrap_with::<AesGcm256, KdfShake256, XWing>(secret, ek, info, ciphertext),
    }
}

/// A secret that both sides had before, and what names it.
pub(crate) struct Psk<'a> {
    pub(crate) secret: &'a Secret,
    pub(crate) id: &'a [u8],
}

impl Psk<'_> {
    fn bundle(&self) -> Result<PskBundle<'_>, HpkeFailed> {
        PskBundle::new(self.secret.as_slice(), self.id).map_err(|_| HpkeFailed)
    }
}

/// Who seals in a conversation of mode PSK. Its messages open in their order only.
pub(crate) struct Sealer(AeadCtxS<AesGcm256, KdfShake256, XWing>);

/// Who opens in a conversation of mode PSK.
pub(crate) struct Opener(AeadCtxR<AesGcm256, KdfShake256, XWing>);

impl Sealer {
    /// Begins a conversation to a public key of S2; gives the encapsulated key with it.
    pub(crate) fn begin<R: CryptoRng + ?Sized>(
        to: &HpkePublic,
        psk: &Psk<'_>,
        info: &[u8],
        mut rng: &mut R,
    ) -> Result<(Vec<u8>, Self), HpkeFailed> {
        if to.suite() != Suite::S2 {
            return Err(HpkeFailed);
        }
        let public =
            <XWing as Kem>::PublicKey::from_bytes(to.as_bytes()).map_err(|_| HpkeFailed)?;
        let mode = OpModeS::Psk(psk.bundle()?);
        let (ek, context) = hpke::setup_sender_with_rng::<AesGcm256, KdfShake256, XWing>(
            &mode, &public, info, &mut rng,
        )
        .map_err(|_| HpkeFailed)?;
        Ok((ek.to_bytes().to_vec(), Self(context)))
    }

    /// Seals the next message, with empty `aad`.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> Result<Vec<u8>, HpkeFailed> {
        self.0.seal(plain, &[]).map_err(|_| HpkeFailed)
    }

    /// A secret of the conversation that both sides derive.
    pub(crate) fn export(&self, label: &[u8]) -> Result<Secret, HpkeFailed> {
        let mut secret = Secret::default();
        let exported = self.0.export(label, secret.as_mut_slice());
        exported.map(|()| secret).map_err(|_| HpkeFailed)
    }
}

impl Opener {
    /// Joins a conversation with the private key of S2 that it was begun to.
    pub(crate) fn join(
        secret: &Secret,
        ek: &[u8],
        psk: &Psk<'_>,
        info: &[u8],
    ) -> Result<Self, HpkeFailed> {
        let private =
            <XWing as Kem>::PrivateKey::from_bytes(secret.as_slice()).map_err(|_| HpkeFailed)?;
        let ek = <XWing as Kem>::EncappedKey::from_bytes(ek).map_err(|_| HpkeFailed)?;
        let mode = OpModeR::Psk(psk.bundle()?);
        let context = hpke::setup_receiver(&mode, &private, &ek, info).map_err(|_| HpkeFailed)?;
        Ok(Self(context))
    }

    /// Opens the next message.
    pub(crate) fn open(&mut self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, HpkeFailed> {
        let opened = self.0.open(sealed, &[]);
        opened.map(Zeroizing::new).map_err(|_| HpkeFailed)
    }

    /// A secret of the conversation that both sides derive.
    pub(crate) fn export(&self, label: &[u8]) -> Result<Secret, HpkeFailed> {
        let mut secret = Secret::default();
        let exported = self.0.export(label, secret.as_mut_slice());
        exported.map(|()| secret).map_err(|_| HpkeFailed)
    }
}

fn generate_with<K: Kem, R: CryptoRng + ?Sized>(
    suite: Suite,
    mut rng: &mut R,
) -> Result<(Secret, HpkePublic), HpkeFailed> {
    let (private, public) = K::gen_keypair_with_rng(&mut rng);
    let mut bytes = private.to_bytes();
    let secret = <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new);
    bytes.as_mut_slice().zeroize();
    let public = HpkePublic::new(suite, public.to_bytes().to_vec());
    Ok((
        secret.map_err(|_| HpkeFailed)?,
        public.map_err(|_| HpkeFailed)?,
    ))
}

fn wrap_with<A, F, K, R>(
    to: &[u8],
    info: &[u8],
    content_key: &Secret,
    mut rng: &mut R,
) -> Result<Wrapped, HpkeFailed>
where
    A: hpke::aead::Aead,
    F: hpke::kdf::Kdf,
    K: Kem,
    R: CryptoRng + ?Sized,
{
    let public = K::PublicKey::from_bytes(to).map_err(|_| HpkeFailed)?;
    let (ek, ciphertext) = hpke::single_shot_seal_with_rng::<A, F, K>(
        &OpModeS::Base,
        &public,
        info,
        content_key.as_slice(),
        &[],
        &mut rng,
    )
    .map_err(|_| HpkeFailed)?;
    Ok(Wrapped {
        ek: ek.to_bytes().to_vec(),
        ciphertext: ciphertext.try_into().map_err(|_| HpkeFailed)?,
    })
}

fn unwrap_with<A, F, K>(
    secret: &Secret,
    ek: &[u8],
    info: &[u8],
    ciphertext: &[u8; 48],
) -> Result<Secret, HpkeFailed>
where
    A: hpke::aead::Aead,
    F: hpke::kdf::Kdf,
    K: Kem,
{
    let private = K::PrivateKey::from_bytes(secret.as_slice()).map_err(|_| HpkeFailed)?;
    let ek = K::EncappedKey::from_bytes(ek).map_err(|_| HpkeFailed)?;
    let opened =
        hpke::single_shot_open::<A, F, K>(&OpModeR::Base, &private, &ek, info, ciphertext, &[])
            .map(Zeroizing::new)
            .map_err(|_| HpkeFailed)?;
    <[u8; 32]>::try_from(opened.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| HpkeFailed)
}
