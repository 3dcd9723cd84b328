//! The three signing keys of an account and device, each its own type with its own few verbs.
//!
//! Carries out docs/protocol.md section 1. None of them prints, copies or serialises; to store one,
//! its seed goes into the vault's keyring (`to_seed`), from where it comes back (`from_seed`).
//! Signing is crate-private: each key can only sign the structures of its one purpose, through
//! [`crate::card`], [`crate::prekey`], [`crate::envelope`], [`crate::retry`] and
//! [`crate::request`].

use ed25519_dalek::{Signer as _, SigningKey};
use rand_core::CryptoRng;
use waxwing_wire::card::DeviceEntry;
use waxwing_wire::cose::Sign1;
use waxwing_wire::cose_key::{DevicePublic, IdentityPublic, TransportPublic};
use waxwing_wire::ids::{AccountId, DeviceId, MailboxId};
use waxwing_wire::{card, prekey, retry, revocation};

use crate::vault_header::{AccountSeed, DeviceSeed, TransportSeed};

macro_rules! signing_key {
    ($(#[$doc:meta])* $name:ident, $public:ident, $seed:ident) => {
        $(#[$doc])*
        // SigningKey zeroizes itself on drop; boxed, since what is moved leaves a copy where it was. The
        // public half is kept because parsing it costs a point decompression.
        pub struct $name {
            secret: Box<SigningKey>,
            public: $public,
        }

        impl $name {
            /// A fresh key.
            pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
                Self::from_seed(&$seed::generate(rng))
            }

            /// From the seed (RFC 8032 section 5.1.5) that the keyring kept.
            ///
            /// # Panics
            /// Never: the public half of a key is always a valid point of large order.
            #[allow(clippy::expect_used)]
            pub fn from_seed(seed: &$seed) -> Self {
                let secret = Box::new(SigningKey::from_bytes(seed.expose()));
                let public = $public::from_bytes(secret.verifying_key().as_bytes())
                    .expect("a clamped scalar times the base point has large order");
                Self { secret, public }
            }

            /// The seed, for the keyring only.
            pub fn to_seed(&self) -> $seed {
                $seed::new(*self.secret.as_bytes())
            }

            /// The public half.
            pub fn public(&self) -> &$public {
                &self.public
            }

            fn sign(&self, message: &[u8]) -> [u8; 64] {
                self.secret.sign(message).to_bytes()
            }
        }
    };
}

signing_key!(
    /// Account identity key (AIK): signs cards, its own revocation, and nothing else.
    AccountKey,
    IdentityPublic,
    AccountSeed
);
signing_key!(
    /// Device signing key (DSK): signs messages, prekeys and retry statements.
    DeviceKey,
    DevicePublic,
    DeviceSeed
);
signing_key!(
    /// Transport key (TSK): signs requests to the relay and nothing else. It alone may stay in
    /// memory while the app is locked.
    TransportKey,
    TransportPublic,
    TransportSeed
);

impl AccountKey {
    /// The id of the account whose first identity key this is.
    pub fn genesis_account_id(&self) -> AccountId {
        AccountId::derive(self.public.as_bytes())
    }

    /// Signs a card body, alone.
    pub(crate) fn sign_card(&self, body: &[u8]) -> [u8; 64] {
        self.sign(&card::bytes_to_sign(body))
    }

    /// Signs a rotation card's body, as the old or the new key.
    pub(crate) fn sign_rotation(&self, body: &[u8]) -> [u8; 64] {
        self.sign(&card::bytes_to_sign_rotation(body))
    }

    /// Signs its own revocation.
    pub(crate) fn sign_revocation(&self, payload: Vec<u8>) -> Sign1 {
        let signature = self.sign(&Sign1::signed_bytes(revocation::REVOCATION_LABEL, &payload));
        Sign1 { payload, signature }
    }
}

impl DeviceKey {
    pub(crate) fn sign_prekey(&self, payload: Vec<u8>) -> Sign1 {
        self.sign1(prekey::PREKEY_LABEL, payload)
    }

    pub(crate) fn sign_retry(&self, payload: Vec<u8>) -> Sign1 {
        self.sign1(retry::RETRY_LABEL, payload)
    }

    /// `external_aad` must come from [`crate::message::signature_aad`], which starts with the
    /// message label.
    pub(crate) fn sign_message(&self, external_aad: &[u8], payload: Vec<u8>) -> Sign1 {
        self.sign1(external_aad, payload)
    }

    fn sign1(&self, external_aad: &[u8], payload: Vec<u8>) -> Sign1 {
        let signature = self.sign(&Sign1::signed_bytes(external_aad, &payload));
        Sign1 { payload, signature }
    }
}

impl TransportKey {
    pub(crate) fn sign_request(&self, base: &str) -> [u8; 64] {
        self.sign(base.as_bytes())
    }
}

/// A device's entry for the card, from its keys. `added_at`: Unix seconds.
pub fn device_entry(
    device_id: DeviceId,
    mailbox: MailboxId,
    signing: &DeviceKey,
    transport: &TransportKey,
    added_at: u64,
) -> DeviceEntry {
    DeviceEntry {
        device_id,
        signing: signing.public().clone(),
        added_at,
        caps: 0,
        transport: transport.public().clone(),
        mailbox,
    }
}
