//! Opening, in the receive order of docs/protocol.md section 3.
//!
//! Steps 1 to 8 fail with one and the same [`OpenError::Refused`]; step 9's expiry has its own. The
//! replay table, saving, destroying the one-time prekey and acknowledging (9 to 12) are the
//! caller's: [`Opened`] says with what.

use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use subtle::ConstantTimeEq as _;
use waxwing_wire::card::VerifiedCard;
use waxwing_wire::cose::Sign1;
use waxwing_wire::envelope::{Content, Entry, Envelope, Header};
use waxwing_wire::ids::{AccountId, DeviceId, Digest, EnvelopeId, KeyId, MailboxId, MessageId};
use waxwing_wire::limits::MAX_ENVELOPE_BYTES;
use waxwing_wire::prekey::PrekeyKind;
use zeroize::Zeroizing;

use super::{RecipientContext, commitment};
use crate::hpke_suite;
use crate::message::{Body, Message, signature_aad};
use crate::padding;
use crate::prekey::OwnPrekey;
use crate::replay;

/// Why an envelope does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Malformed, altered, meant for another, or forged: deliberately not said which.
    #[error("the envelope cannot be opened")]
    Refused,
    /// Genuine, but its time is over, or it claims more than 30 days.
    #[error("the envelope has expired")]
    Expired,
}

/// Who opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnDevice {
    /// This account.
    pub account_id: AccountId,
    /// This device.
    pub device_id: DeviceId,
    /// This device's mailbox.
    pub mailbox: MailboxId,
}

/// Step 1 done: a well-formed envelope.
#[derive(Debug)]
pub struct Received {
    envelope: Envelope,
}

impl Received {
    /// Step 1: size and strict CBOR.
    ///
    /// # Errors
    /// [`OpenError::Refused`].
    pub fn decode(bytes: &[u8]) -> Result<Self, OpenError> {
        Envelope::decode(bytes)
            .map(|envelope| Self { envelope })
            .map_err(|_| OpenError::Refused)
    }

    /// Which own prekey it is sealed to. When there is none, answer with a signed retry statement
    /// ([`crate::retry`]).
    pub fn kid(&self) -> KeyId {
        self.envelope.entry.kid
    }

    /// The envelope's id.
    pub fn env_id(&self) -> EnvelopeId {
        self.envelope.header.env_id
    }

    /// Unix seconds.
    pub fn expires_at(&self) -> u64 {
        self.envelope.header.expires_at
    }

    /// Steps 2 to 6: suite of the own key, HPKE with recomputed info, commitment, AES-GCM, padding.
    /// Nothing of the content is shown yet, for its sender is not proven.
    ///
    /// # Errors
    /// [`OpenError::Refused`].
    pub fn open(self, prekey: &OwnPrekey, me: &OwnDevice) -> Result<Unsealed, OpenError> {
        let Envelope {
            header,
            to,
            content,
            entry,
        } = self.envelope;
        // The suite is the stored key's; what the wire names must merely equal it.
        if to != me.mailbox || entry.kid != prekey.kid() || entry.suite != prekey.suite() {
            return Err(OpenError::Refused);
        }
        let header_hash = header.hash();
        let context = RecipientContext {
            header_hash: &header_hash,
            account_id: &me.account_id,
            device_id: &me.device_id,
            prekey_record: &prekey.record_hash(),
            to: &me.mailbox,
        };
        let info = context.info(&Entry::protected(prekey.suite(), &prekey.kid()));
        let plain = open_content(prekey.secret(), &info, &entry, content, &header)?;
        let signed = Sign1::decode(&plain, MAX_ENVELOPE_BYTES).map_err(|_| OpenError::Refused)?;
        let Sign1 { payload, signature } = signed;
        let payload = Zeroizing::new(payload);
        let message = Message::decode(&payload).map_err(|_| OpenError::Refused)?;
        Ok(Unsealed {
            header,
            header_hash,
            me: *me,
            message,
            payload,
            signature,
            used: (prekey.kid(), prekey.kind()),
        })
    }
}

/// Steps 3 to 6 up to the padding: HPKE, commitment, AES-GCM. `entry.suite` must be the secret's.
pub(crate) fn open_content(
    secret: &hpke_suite::Secret,
    info: &[u8],
    entry: &Entry,
    content: Content,
    header: &Header,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let content_key = hpke_suite::unwrap(entry.suite, secret, &entry.ek, info, &entry.ciphertext)
        .map_err(|_| OpenError::Refused)?;
    let committed = commitment(&content_key).map_err(|_| OpenError::Refused)?;
    if !bool::from(committed.as_bytes().ct_eq(content.commit.as_bytes())) {
        return Err(OpenError::Refused);
    }
    decrypt(content, &content_key, header)
}

fn decrypt(
    content: Content,
    content_key: &hpke_suite::Secret,
    header: &Header,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let aad = Content::enc_structure(&content.commit, header);
    let mut plain = Zeroizing::new(content.ciphertext);
    Aes256Gcm::new((&**content_key).into())
        .decrypt_in_place(&Nonce::from(content.iv), &aad, &mut *plain)
        .map_err(|_| OpenError::Refused)?;
    let length = padding::unpadded_length(&plain).ok_or(OpenError::Refused)?;
    plain.truncate(length);
    Ok(plain)
}

/// Who the content claims to come from; look up that account's pinned card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedSender {
    /// The account.
    pub account_id: AccountId,
    /// The device.
    pub device_id: DeviceId,
    /// `H(card)` that the sender had. When it is not the pinned one, fetch the sender's card and
    /// judge it before authenticating.
    pub card_hash: Digest,
}

/// Steps 1 to 6 done: decrypted, but nobody vouches for it yet, so it cannot be read.
pub struct Unsealed {
    header: Header,
    header_hash: Digest,
    me: OwnDevice,
    message: Message,
    payload: Zeroizing<Vec<u8>>,
    signature: [u8; 64],
    used: (KeyId, PrekeyKind),
}

impl core::fmt::Debug for Unsealed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Unsealed({})", self.header.env_id)
    }
}

impl Unsealed {
    /// Whom it claims to come from.
    pub fn claimed_sender(&self) -> ClaimedSender {
        ClaimedSender {
            account_id: self.message.sender,
            device_id: self.message.device,
            card_hash: self.message.sender_card,
        }
    }

    /// Which message it claims to be.
    pub fn claimed_message(&self) -> MessageId {
        self.message.msg_id
    }

    /// Whether it claims to say no more than that the sender's keys were replaced.
    pub fn claims_key_notice(&self) -> bool {
        matches!(self.message.body, Body::KeyNotice { .. })
    }

    /// Whether a device of this card signed it. Opens nothing: for who must choose between a card and
    /// the one before it.
    pub fn is_signed_by(&self, sender: &VerifiedCard) -> bool {
        let device = sender.body().device(&self.message.device);
        let signed = Sign1 {
            payload: self.payload.to_vec(),
            signature: self.signature,
        };
        let is_signed = device
            .filter(|_| sender.body().account_id == self.message.sender)
            .is_some_and(|device| {
                let aad = signature_aad(&self.header_hash);
                signed.verify(&device.signing, &aad).is_ok()
            });
        drop(Zeroizing::new(signed.payload));
        is_signed
    }

    /// Steps 7 to 9: the signature of a device in the sender's pinned card, bound to this header;
    /// this account among the recipients; not expired at `now` (Unix seconds).
    ///
    /// # Errors
    /// [`OpenError::Refused`], or [`OpenError::Expired`] once everything else was right.
    pub fn authenticate(mut self, sender: &VerifiedCard, now: u64) -> Result<Opened, OpenError> {
        let card = sender.body();
        let device = card
            .device(&self.message.device)
            .filter(|_| card.account_id == self.message.sender)
            .ok_or(OpenError::Refused)?;
        let signed = Sign1 {
            payload: core::mem::take(&mut *self.payload),
            signature: self.signature,
        };
        let checked = signed.verify(&device.signing, &signature_aad(&self.header_hash));
        let payload = Zeroizing::new(signed.payload);
        checked.map_err(|_| OpenError::Refused)?;
        let mut recipients = self.message.recipients.iter();
        if !recipients.any(|(account, _)| *account == self.me.account_id) {
            return Err(OpenError::Refused);
        }
        self.header
            .check_life(now)
            .map_err(|_| OpenError::Expired)?;
        Ok(Opened {
            env_id: self.header.env_id,
            replay_key: replay::replay_key(&self.message.sender, &self.message.msg_id),
            replay_until: replay::keep_until(self.header.expires_at),
            used_prekey: self.used.0,
            used_kind: self.used.1,
            payload_hash: Message::hash_of(&payload),
            sender_card_is_current: self.message.sender_card == sender.hash(),
            payload,
            message: self.message,
        })
    }
}

/// A message that is proven to come from its sender, and what is left to do with it, in this order:
/// refuse it when `replay_key` is in the replay table; in one transaction save the message, the
/// replay row and "prekey used"; destroy the prekey if it was a one-time one; acknowledge.
pub struct Opened {
    /// The envelope.
    pub env_id: EnvelopeId,
    /// The message.
    pub message: Message,
    /// The signed payload, as [`Message::decode`] reads it: what the vault saves.
    pub payload: Zeroizing<Vec<u8>>,
    /// `H(payload)`: the sender's next message in this conversation names it as `previous`.
    pub payload_hash: Digest,
    /// Key of the replay row.
    pub replay_key: Digest,
    /// Unix seconds until which the replay row is kept.
    pub replay_until: u64,
    /// The own prekey that opened it.
    pub used_prekey: KeyId,
    /// Whether that one is to be destroyed now ([`PrekeyKind::OneTime`]).
    pub used_kind: PrekeyKind,
    /// Whether the sender had the very card that proved it. When not, the sender's card changed
    /// in between.
    pub sender_card_is_current: bool,
}

impl core::fmt::Debug for Opened {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Opened({})", self.env_id)
    }
}
