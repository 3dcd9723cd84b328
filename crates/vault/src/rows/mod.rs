//! The things that are remembered, one file per noun: plain data with serde, no behaviour.
//!
//! Rows of [`Store`](crate::Store) are sealed one by one (docs/protocol.md section 6) and exist only
//! while the vault is open. Rows of [`Carriage`](crate::Carriage) hold nothing but ciphertext and
//! routing, and are readable while the vault is locked.
//!
//! All times are Unix seconds. Adding a field: give it `#[serde(default)]`; renaming or removing one
//! needs a new `SCHEMA` number and a migration.

use crate::{Tx, VaultError};

mod activity;
mod backup;
mod carriage;
mod contact;
mod device;
mod draft;
mod drop_box;
mod history;
mod message;
mod own;
mod prekey;
mod renewal;
mod replay;

pub use activity::{Activity, ActivityKind};
pub use backup::{Backup, BackupId};
pub use carriage::{
    Incoming, LaneId, Outgoing, OutgoingId, OutgoingState, OwedAck, Place, Relay, Upload, Watch,
};
pub use contact::{Contact, DeviceSpares, Evidence, EvidenceKind, FormerCard};
pub use device::Device;
pub use draft::{Draft, DraftFile, DraftId};
pub use drop_box::{DropBox, DropKind, DropState};
pub use history::{
    Given, GivenPart, GivenState, History, HistoryId, HistoryPlace, TakenIn, TakenState,
};
pub use message::{
    Attachment, Delivery, DeliveryState, DropSource, Head, MailBox, Message, Party, UnknownBody,
};
pub use own::{OwnCard, OwnRevocation, Thread};
pub use prekey::{PrekeyKind, PrekeySecret};
pub use renewal::{Renewal, RenewalKind, RenewalState, Told, Waiting};
pub use replay::Replay;

/// What every sealed row has: a tree, a name within it, and the version of its shape. All three are
/// bound into the seal, so that a row cannot be moved to another place.
pub trait Row: serde::Serialize + serde::de::DeserializeOwned {
    /// What the row is found by.
    type Key;
    /// Name of the tree, part of the record key's derivation.
    const TREE: &'static str;
    /// Version of the shape. A row of another version does not open.
    const SCHEMA: u32 = 1;
    /// Rows are sealed under [`epoch`](Self::epoch) keys of the keyring.
    const IN_EPOCHS: bool = false;

    /// What this row is found by.
    fn key(&self) -> Self::Key;

    /// The bytes of a key. On disk stands only a keyed hash of them.
    fn name(key: &Self::Key) -> Vec<u8>;

    /// The keyring epoch whose key seals this row, for rows that must be destroyable. A row whose
    /// epoch was destroyed counts as absent.
    fn epoch(&self) -> Option<u32> {
        None
    }

    /// Keeps what hangs on a row (lists, counts) in step; runs before the row is written.
    ///
    /// # Errors
    /// As [`Tx::put`].
    fn before_put(&self, _tx: &mut Tx<'_>) -> Result<(), VaultError> {
        Ok(())
    }

    /// Keeps what hangs on a row in step; runs before the row is removed.
    ///
    /// # Errors
    /// As [`Tx::put`].
    fn before_delete(_key: &Self::Key, _tx: &mut Tx<'_>) -> Result<(), VaultError> {
        Ok(())
    }
}
