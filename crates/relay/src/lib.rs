//! A directory and mailbox that holds sealed envelopes it cannot open.

pub mod clock;
pub mod store;
