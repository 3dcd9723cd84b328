//! Every size and time limit of the protocol, in one place, so that both sides agree on them.
//!
//! Carries out docs/protocol.md sections 2 to 4. Sizes are bytes, times are seconds.

/// Largest envelope (content and one recipient entry) that is accepted, 256 KiB.
pub const MAX_ENVELOPE_BYTES: usize = 256 * 1024;
/// Largest submission: one content and an entry for each of [`MAX_DEVICES`] devices.
pub const MAX_SUBMISSION_BYTES: usize = MAX_ENVELOPE_BYTES + MAX_DEVICES * 2048;
/// Largest card, signatures included.
pub const MAX_CARD_BYTES: usize = 16 * 1024;
/// Largest signed prekey record.
pub const MAX_PREKEY_BYTES: usize = 2 * 1024;
/// Largest signed retry statement.
pub const MAX_RETRY_BYTES: usize = 512;
/// Largest signed revocation.
pub const MAX_REVOCATION_BYTES: usize = 512;
/// Largest message of a link between two devices.
pub const MAX_LINK_BYTES: usize = 8 * 1024;
/// Largest record of a drop box.
pub const MAX_DROP_RECORD_BYTES: usize = 512;
/// Longest name of a drop box that visitors see.
pub const MAX_DROP_NAME_BYTES: usize = 80;
/// Longest word of a drop's sender on how to be reached.
pub const MAX_DROP_REACH_BYTES: usize = 200;
/// Longest life of a drop box: 366 days.
pub const MAX_DROP_LIFE: u64 = 366 * 86_400;
/// How long a link between two devices may take: 5 minutes.
pub const LINK_LIFE: u64 = 300;
/// Most accounts a message may be addressed to.
pub const MAX_RECIPIENTS: usize = 32;
/// Most attachments of one message.
pub const MAX_ATTACHMENTS: usize = 64;
/// Most devices one card may list.
pub const MAX_DEVICES: usize = 32;
/// Longest life of an envelope: 30 days.
pub const MAX_TTL: u64 = 30 * 86_400;
/// Longest life of a card: 90 days.
pub const MAX_CARD_LIFE: u64 = 90 * 86_400;
/// A new signed prekey is made after 7 days.
pub const SIGNED_PREKEY_TURN: u64 = 7 * 86_400;
/// Tolerated difference between two honest clocks: 5 minutes.
pub const CLOCK_SKEW: u64 = 300;
/// How far the `created` time of a signed request may lie from the relay's clock: 60 seconds.
pub const REQUEST_WINDOW: u64 = 60;
