//! The formats of the key service, byte for byte as its original writes and reads them
//! (docs/protocol.md, section 9).
//!
//! Pure: bytes in, bytes out; only randomness comes from the system. Waxwing's own messages use
//! none of this. It is old cryptography, kept for messages of and to that service's clients:
//! * a key that is derived in 1,000 rounds protects no weak passphrase;
//! * nothing says who sealed a message, and only a hash inside says that it is whole.
//!
//! Differences to the original, all of them on purpose: a text survives whole in any script and
//! any length, nothing is sealed to an RSA key under 2048 bits, and what unpacks to more than
//! [`MAX_OPENED`] is refused.

mod error;
mod file;
mod gzip;
mod keys;
mod sealed;
#[cfg(feature = "small-keys")]
mod small;
pub mod text;
mod xml;

pub use error::Error;
pub use file::{File, open_file, open_zip, pack_file, seal_file, unpack_file};
pub use gzip::{pack_text, unpack_text};
pub use keys::{RsaPrivate, RsaPublic};
pub use sealed::{Sealed, open, seal};

/// What is sealed or opened is at most this long, in bytes: the original's limit on a message.
pub const MAX_OPENED: usize = 100 << 20;

/// A sealed message is at most this long, in characters of base64: a file of [`MAX_OPENED`] that
/// does not compress, in base64, in UTF-16, in base64 again, and room for what packing adds.
pub const MAX_SEALED: usize = MAX_OPENED / 9 * 32 + (1 << 20);
