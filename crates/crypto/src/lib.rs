//! Keys that cannot be mixed up, and the few things one may do with them.
//!
//! Pure: bytes in, bytes out. No disk, no network, no clock; time and randomness are arguments.
//! Carries out docs/protocol.md. Verifying what others signed is in `waxwing-wire`; everything that
//! signs, seals or opens is here.
//!
//! Invariants:
//! * one key, one type, one purpose: [`keys::AccountKey`] signs cards and its own revocation, [`keys::DeviceKey`] signs
//!   messages, prekeys and retry statements, [`keys::TransportKey`] signs requests to the relay, each
//!   under its own label;
//! * secrets have no `Clone`, no `Debug`, no serialisation, and are zeroized on drop;
//! * a message is signed, padded, then encrypted; it is opened in typed steps, and every failure
//!   looks the same.

pub mod backup;
pub mod card;
pub mod drop;
pub mod envelope;
mod hpke_suite;
pub mod kdf;
pub mod key_code;
pub mod keys;
pub mod link;
pub mod message;
pub mod padding;
pub mod prekey;
pub mod recovery;
pub mod replay;
pub mod request;
pub mod retry;
pub mod revocation;
pub mod stream;
pub mod vault_header;
