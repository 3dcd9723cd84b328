//! What the tests share: a desk with real Waxwing windows on it.

#![allow(missing_docs, clippy::missing_errors_doc)]

pub mod backup_kills;
pub mod browser;
pub mod by_hand;
pub mod canary;
pub mod cutter;
pub mod desk;
pub mod desktop;
pub mod engine;
pub mod keys;
pub mod kills;
pub mod linking;
pub mod memory;
pub mod parsers;
pub mod people;
pub mod person;
pub mod rotation;
pub mod visitor;
