//! The shape of everything that crosses the network, and how to check it.
//!
//! Everything here is public data and verify-only: this crate holds no secret key and cannot sign,
//! seal or open. The relay depends on it and on nothing that could.
//! Carries out docs/protocol.md sections 1 to 3 and the shapes of the HTTP API.
//!
//! Invariants:
//! * every CBOR structure is Core Deterministic (RFC 8949 section 4.2.1); anything else is refused;
//! * a check leaves a proof: [`card::VerifiedCard`], [`prekey::VerifiedPrekey`],
//!   [`retry::VerifiedRetry`], [`revocation::VerifiedRevocation`] and [`request::VerifiedRequest`] can only be made by verifying;
//! * Ed25519 signatures are checked with `verify_strict`, and COSE `alg` is fixed at -19.

pub mod address;
pub mod api;
pub mod b64;
pub mod card;
pub mod cbor;
pub mod cose;
pub mod cose_key;
pub mod drop;
pub mod envelope;
pub mod ids;
pub mod limits;
pub mod link;
pub mod pin;
pub mod prekey;
pub mod problem;
pub mod request;
pub mod retry;
pub mod revocation;
