//! The key service over a real socket, as its clients use it (docs/relay.md, "The key service").
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::large_futures)]

mod client;
mod defects;
mod extras;
mod limits;
mod offline;
mod online;
#[path = "../relay_person/mod.rs"]
mod relay_person;
mod texts;
