//! Keys that cannot be mixed up, and the few things one may do with them.

pub mod kdf;
pub mod recovery;
pub mod stream;
pub mod vault_header;
