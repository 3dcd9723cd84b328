//! Drop boxes, as their owner sees them.

use super::Millis;
use serde::{Deserialize, Serialize};
use specta::Type;

/// A drop box of this computer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct DropBox {
    /// Drop id.
    pub id: String,
    /// What visitors and the owner see.
    pub name: String,
    /// What to give to visitors.
    pub link: String,
    /// Where what is dropped is sealed.
    pub kind: DropKind,
    /// When it ends by itself.
    pub burn: BurnRule,
    /// When it was made.
    pub made_at: Millis,
    /// When it ends.
    pub expires_at: Millis,
    /// How far it is.
    pub state: DropBoxState,
    /// Drops that are here as ciphertext: they do not open, or not yet.
    pub waiting: u32,
    /// How many were opened. They stand in the inbox.
    pub opened: u32,
    /// When the relay took in the last one that was opened.
    pub last_drop: Option<Millis>,
}

/// Where what is dropped is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum DropKind {
    /// By the visitor's browser, to a key that is on this computer alone.
    SealedHere,
}

/// When a drop box ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum BurnRule {
    /// When its time is over.
    Keep,
    /// With the first drop.
    Once,
}

/// How far a drop box is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum DropBoxState {
    /// The relay does not know it yet: its link leads nowhere.
    New,
    /// Anybody with the link may write.
    Open,
    /// It got the one drop that it was for.
    Used,
    /// Its time is over.
    Expired,
    /// It is at a relay that was left.
    RelayLeft,
}
