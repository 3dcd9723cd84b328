//! One drop box of this device.

use serde::{Deserialize, Serialize};
use waxwing_wire::ids::DropId;
use zeroize::Zeroizing;

use super::Row;

/// A drop box (docs/protocol.md section 18). Holds its secret key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropBox {
    /// The box.
    pub id: DropId,
    /// What visitors and the owner see.
    pub name: String,
    /// Where what is dropped is sealed, and with what it opens.
    pub kind: DropKind,
    /// What visitors seal to, exact bytes.
    #[serde(with = "serde_bytes")]
    pub record: Vec<u8>,
    /// The relay where it is, by its number.
    pub relay: u32,
    /// What to give to visitors.
    pub link: String,
    /// It ends with the first drop.
    pub once: bool,
    /// When it was made.
    pub made_at: u64,
    /// When it ends.
    pub expires_at: u64,
    /// How far it is.
    pub state: DropState,
    /// The relay was told that it ended.
    pub is_end_told: bool,
    /// How many drops were opened.
    pub opened: u32,
    /// When the relay took in the last one that was opened.
    pub last_drop: Option<u64>,
}

/// Where what is dropped is sealed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DropKind {
    /// By the visitor; only this device opens it.
    SealedHere {
        /// The secret key, 32 bytes; `None` once it was destroyed.
        secret: Option<Zeroizing<[u8; 32]>>,
    },
}

/// How far a drop box is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DropState {
    /// The relay does not know it yet.
    New,
    /// The relay knows it.
    Open,
    /// It got the one drop that it was for.
    Used,
    /// The person removed it; the row goes once the relay was told.
    Removed,
}

impl DropBox {
    /// What opens a drop, while it is there.
    pub fn secret(&self) -> Option<&[u8; 32]> {
        let DropKind::SealedHere { secret } = &self.kind;
        secret.as_deref()
    }

    /// Ends it: nothing that is sealed to it opens any more.
    pub fn end(&mut self, state: DropState) {
        self.kind = DropKind::SealedHere { secret: None };
        self.state = state;
    }
}

impl core::fmt::Debug for DropBox {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DropBox")
            .field("id", &self.id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Row for DropBox {
    type Key = DropId;
    const TREE: &'static str = "drops";

    fn key(&self) -> DropId {
        self.id
    }

    fn name(key: &DropId) -> Vec<u8> {
        key.as_bytes().to_vec()
    }
}
