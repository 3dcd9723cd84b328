//! One named test for each row of docs/protocol.md section 10 that concerns wire and crypto, and for
//! the other promises of sections 2 to 5. The vault's rows are in `attacks_vault.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod cards;
mod contents;
mod envelopes;
mod forge;
mod prekeys;
mod requests;
mod senders;
mod streams;
