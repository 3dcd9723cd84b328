//! The account's computers, and what is shown while another one is linked.

use super::{Millis, Qr};
use crate::failure::Failure;
use serde::Serialize;
use specta::Type;

/// One of the account's computers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Device id.
    pub id: String,
    /// What it is called here; names stay on the computer that gives them. None was given yet.
    pub name: Option<String>,
    /// This computer.
    pub this: bool,
    /// When the account's card first named it.
    pub added_at: Millis,
    /// When it last asked the relay for something. None when the relay is away, or was started since.
    pub last_seen: Option<Millis>,
}

/// What the new computer shows, to be read or pasted on one that has the account. A secret.
#[derive(Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct LinkInvitation {
    /// As text.
    pub text: String,
    /// As a QR code.
    pub qr: Qr,
    /// When it is over.
    pub ends_at: Millis,
}

impl core::fmt::Debug for LinkInvitation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "LinkInvitation(until {})", self.ends_at)
    }
}

/// How far linking is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum LinkStatus {
    /// Nothing is linked.
    None,
    /// New computer: nobody has read the invitation yet.
    Invited {
        /// When it is over.
        ends_at: Millis,
    },
    /// New computer: to be typed on the other.
    Code {
        /// Four digits.
        code: String,
        /// When it is over.
        ends_at: Millis,
    },
    /// New computer: the account is here, and a passphrase is wanted.
    Granted {
        /// The account's name.
        name: String,
    },
    /// Computer with the account: the digits that the new one shows are wanted.
    CodeWanted {
        /// What the new computer calls itself.
        device: String,
        /// How often one may still try.
        tries: u32,
        /// When it is over.
        ends_at: Millis,
    },
    /// Computer with the account: it is being handed over.
    Giving,
    /// Computer with the account: the new one has it.
    Given {
        /// What the new computer calls itself.
        device: String,
    },
    /// It ended before it was done.
    Failed {
        /// Why.
        failure: Failure,
    },
}
