//! Sealing: one signature, one encryption, one wrapped key per device.

use std::collections::BTreeMap;

use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use rand_core::CryptoRng;
use waxwing_wire::envelope::{Content, Entry, Header, Submission};
use waxwing_wire::ids::{AccountId, Digest, MailboxId};
use waxwing_wire::limits::{MAX_ATTACHMENTS, MAX_DEVICES, MAX_ENVELOPE_BYTES, MAX_RECIPIENTS};
use waxwing_wire::prekey::VerifiedPrekey;
use zeroize::Zeroizing;

use super::{RecipientContext, commitment};
use crate::hpke_suite::{self, Secret};
use crate::keys::DeviceKey;
use crate::message::{Message, signature_aad};
use crate::padding;

/// Room for everything around the ciphertext in one envelope: its header, both protected headers,
/// the larger suite's entry.
pub(crate) const OVERHEAD: usize = 2048;

/// Why a message cannot be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Nobody to seal to.
    #[error("there is no device to seal to")]
    NoRecipients,
    /// A prekey belongs to an account that the message does not name, or two to one mailbox.
    #[error("a prekey does not belong to a recipient of the message")]
    WrongRecipient,
    /// The message, its recipients or its attachments are over a limit.
    #[error("the message is too large")]
    TooLarge,
    /// The message would not be readable: a field is out of bounds.
    #[error("the message has a field that is not allowed")]
    Invalid,
    /// A prekey is not a usable public key.
    #[error("a prekey cannot be used")]
    BadPrekey,
}

/// A sealed message, ready to be saved to the outbox and pushed.
#[derive(Debug)]
pub struct Sealed {
    /// One per recipient account, in order of account id.
    pub submissions: Vec<(AccountId, Submission)>,
    /// `H(payload)`: the next message of this device in this conversation names it as `previous`.
    pub payload_hash: Digest,
}

/// Signs and seals a message to the given devices' prekeys: one prekey per device, each verified
/// against the card that the message lists for its account, or a later one.
///
/// To answer a retry, seal the same [`Message`], unchanged in every field, under a new [`Header`] to
/// the one device's fresh prekey: its hash must stay what the next message names as `previous`.
///
/// # Errors
/// [`SealError`].
pub fn seal<R: CryptoRng + ?Sized>(
    message: &Message,
    key: &DeviceKey,
    prekeys: &[VerifiedPrekey],
    header: Header,
    rng: &mut R,
) -> Result<Sealed, SealError> {
    check(message, prekeys)?;
    let header_hash = header.hash();
    let payload = message.encode();
    if payload.len() > MAX_ENVELOPE_BYTES - OVERHEAD {
        return Err(SealError::TooLarge);
    }
    // A message that no recipient could read must not leave: the same reader judges it here.
    Message::decode(&payload).map_err(|_| SealError::Invalid)?;
    let payload_hash = Message::hash_of(&payload);

    let signed = key.sign_message(&signature_aad(&header_hash), payload.to_vec());
    let plain = Zeroizing::new(signed.encode());
    drop(Zeroizing::new(signed.payload));

    let content_key = generate_content_key(rng);
    let content = encrypt(&plain, &content_key, &header, rng)?;
    let mut by_account: BTreeMap<AccountId, Vec<(MailboxId, Entry)>> = BTreeMap::new();
    for prekey in prekeys {
        let entry = wrap(&content_key, prekey, &header_hash, rng)?;
        by_account
            .entry(prekey.body().account_id)
            .or_default()
            .push((prekey.mailbox(), entry));
    }
    let submissions = by_account
        .into_iter()
        .map(|(account_id, mut entries)| {
            entries.sort_by_key(|(to, _)| *to);
            let submission = Submission {
                header,
                content: content.clone(),
                entries,
            };
            (account_id, submission)
        })
        .collect();
    Ok(Sealed {
        submissions,
        payload_hash,
    })
}

fn check(message: &Message, prekeys: &[VerifiedPrekey]) -> Result<(), SealError> {
    if prekeys.is_empty() || message.recipients.is_empty() {
        return Err(SealError::NoRecipients);
    }
    if message.recipients.len() > MAX_RECIPIENTS
        || message.attachments.len() > MAX_ATTACHMENTS
        || prekeys.len() > MAX_RECIPIENTS * MAX_DEVICES
    {
        return Err(SealError::TooLarge);
    }
    for (at, prekey) in prekeys.iter().enumerate() {
        let is_named = message.recipients.iter().any(|(account, version)| {
            *account == prekey.body().account_id && *version <= prekey.card_version()
        });
        let repeated = prekeys[..at]
            .iter()
            .any(|other| other.mailbox() == prekey.mailbox());
        if repeated || !is_named {
            return Err(SealError::WrongRecipient);
        }
    }
    Ok(())
}

/// Fresh for every sealing and never derived from content, so that a nonce cannot repeat.
pub(crate) fn generate_content_key<R: CryptoRng + ?Sized>(rng: &mut R) -> Secret {
    let mut key = Zeroizing::new([0u8; 32]);
    rng.fill_bytes(key.as_mut_slice());
    key
}

pub(crate) fn encrypt<R: CryptoRng + ?Sized>(
    plain: &[u8],
    content_key: &Secret,
    header: &Header,
    rng: &mut R,
) -> Result<Content, SealError> {
    if padding::padded_length(plain.len()) + OVERHEAD > MAX_ENVELOPE_BYTES {
        return Err(SealError::TooLarge);
    }
    let mut padded = padding::pad(plain);
    let commit = commitment(content_key).map_err(|_| SealError::Invalid)?;
    let mut iv = [0u8; 12];
    rng.fill_bytes(&mut iv);
    Aes256Gcm::new((&**content_key).into())
        .encrypt_in_place(
            &Nonce::from(iv),
            &Content::enc_structure(&commit, header),
            &mut *padded,
        )
        .map_err(|_| SealError::TooLarge)?;
    Ok(Content {
        commit,
        iv,
        ciphertext: core::mem::take(&mut *padded),
    })
}

fn wrap<R: CryptoRng + ?Sized>(
    content_key: &Secret,
    prekey: &VerifiedPrekey,
    header_hash: &Digest,
    rng: &mut R,
) -> Result<Entry, SealError> {
    let suite = prekey.body().key.suite();
    let kid = prekey.kid();
    let context = RecipientContext {
        header_hash,
        account_id: &prekey.body().account_id,
        device_id: &prekey.body().device_id,
        prekey_record: &prekey.hash(),
        to: &prekey.mailbox(),
    };
    let info = context.info(&Entry::protected(suite, &kid));
    let wrapped = hpke_suite::wrap(&prekey.body().key, &info, content_key, rng)
        .map_err(|_| SealError::BadPrekey)?;
    Ok(Entry {
        suite,
        kid,
        ek: wrapped.ek,
        ciphertext: wrapped.ciphertext,
    })
}
