//! The account's computers, and what is shown while another one is linked.

use super::{Bytes, Millis, Qr};
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

/// What one computer of the account remembers, on its way to another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// The other computer's device id.
    pub device: String,
    /// What it is called here.
    pub name: Option<String>,
    /// This computer gives it; else it takes it in.
    pub is_given: bool,
    /// How far it is.
    pub state: HistoryState,
}

/// How far a history is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum HistoryState {
    /// For the other computer, which has published no keys yet, or for the relay.
    Waiting,
    /// It is handed in, or fetched and taken in.
    Underway {
        /// Bytes so far.
        done: Bytes,
        /// Bytes in all, as far as is known.
        total: Bytes,
    },
    /// The relay has all of it.
    Sent {
        /// Since when.
        since: Millis,
    },
    /// The computer that it was for has all of it.
    Done {
        /// Since when.
        since: Millis,
    },
    /// It cannot be taken in or delivered as it is; the computer that gives it can begin again.
    Failed {
        /// Since when.
        since: Millis,
    },
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
