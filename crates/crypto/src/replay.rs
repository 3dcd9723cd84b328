//! The replay table's key: a message is shown once, however often its ciphertext comes.
//!
//! Carries out docs/protocol.md section 4. The vault keeps the rows; an envelope that would outlive
//! the table is refused by [`waxwing_wire::envelope::Header::check_life`].

use waxwing_wire::ids::{AccountId, Digest, MessageId};

/// One day: how much longer than the envelope a row is kept.
pub const REPLAY_MARGIN: u64 = 86_400;

/// `H(sender account_id || msg_id)`.
pub fn replay_key(sender: &AccountId, message: &MessageId) -> Digest {
    let mut bytes = [0u8; AccountId::LEN + MessageId::LEN];
    bytes[..AccountId::LEN].copy_from_slice(sender.as_bytes());
    bytes[AccountId::LEN..].copy_from_slice(message.as_bytes());
    Digest::of(&bytes)
}

/// Until when (Unix seconds) the row of an envelope that expires at `expires_at` is kept.
pub const fn keep_until(expires_at: u64) -> u64 {
    expires_at.saturating_add(REPLAY_MARGIN)
}
