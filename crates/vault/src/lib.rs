//! What this computer remembers, sealed on disk.
//!
//! ```text
//! Vault::look(dir) → None ── Vault::create ──→ (Open, RecoveryCode)
//!                  → Locked ── unlock ──→ Open ── lock ──→ Locked
//!                  → InUse, Corrupt { reason }
//! BackupFile::look(path) → Vault::restore(dir, …) → Restored::place
//! Open:   keyring(), update_keyring(), rewrap(), replace_recovery(), store(), carriage(),
//!         begin_rekey(), step_rekey(), finish_rekey(), undo_rekey(),
//!         begin_backup() → BackupWriter::write
//! Store:  load, all, messages, …, commit(|tx| { tx.put(&row)?; tx.carriage().append(…)?; … })
//! Carriage (also of Locked): outbox lanes, fetched envelopes, owed acks, watched deliveries, files
//! ```
//! `commit` is atomic over sealed and carriage rows together, and durable when it returns. All calls
//! block; wrap them in `spawn_blocking`. [`Store`] and [`Carriage`] are cheap handles.
//!
//! This crate alone names sled for the app, and holds no cryptography of its own: keys, sealing and
//! the header's format are in `waxwing_crypto`. Carries out docs/protocol.md sections 4, 5, 6 and
//! "sled 0.34.7, used safely".

mod backup;
mod carriage;
mod changes;
mod engine;
mod error;
mod files;
mod folder;
pub mod history;
mod keys;
mod lists;
mod page;
mod rekey;
pub mod rows;
mod shared;
pub mod steps;
mod store;
mod trees;
mod vault;

pub use backup::{BackupFile, BackupProgress, BackupWatcher, BackupWriter, NewVault, Restored};
pub use carriage::{Carriage, CarriageTx};
pub use engine::Order;
pub use error::{UnlockError, VaultError};
pub use files::{Files, Progress, SealedFile};
pub use page::{Cursor, Listing, Page};
pub use rekey::{RekeyProgress, RekeyStep};
pub use store::{Store, Tx};
pub use vault::{Damage, Locked, Open, State, Vault};
