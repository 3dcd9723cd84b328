//! What one device remembers, on its way to another one of the same account.

use serde::{Deserialize, Serialize};
use waxwing_wire::ids::{AttachmentId, DeviceId};

use super::{Attachment, Delivery, MailBox, Row};

/// Names one history; random.
pub type HistoryId = [u8; 16];

/// Histories that this device gives and takes. One row.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct History {
    /// The last one to each other device.
    pub given: Vec<Given>,
    /// The last one from each other device.
    pub taken: Vec<TakenIn>,
}

/// A history that is given to another device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Given {
    /// To which device.
    pub device: DeviceId,
    /// Its name.
    pub id: HistoryId,
    /// When it was begun.
    pub begun: u64,
    /// How far it is.
    pub state: GivenState,
    /// When it came so far.
    pub since: u64,
    /// What was written into parts so far, in bytes of `total`.
    pub done: u64,
    /// Bytes in all, as foreseen when it was begun.
    pub total: u64,
    /// What comes next.
    pub next: HistoryPlace,
    /// The id of the next part's file, so that one that a crash left is written over.
    pub next_part: AttachmentId,
    /// Parts on their way.
    pub parts: Vec<GivenPart>,
}

/// How far a history is that is given away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum GivenState {
    /// Parts are written, sealed and handed in.
    Underway,
    /// The relay has all of it.
    Sent,
    /// The other device has taken all of it in.
    Taken,
    /// It cannot be delivered as it is; the person may begin another one.
    Failed,
}

/// Where the writing of a history is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HistoryPlace {
    /// Contacts, names of devices, threads and settings.
    Rows,
    /// The messages of a list, newest first, after a place in it.
    Messages(MailBox, Option<String>),
    /// The attachments of the messages of a list.
    Files {
        /// The list.
        list: MailBox,
        /// The place in it before the message that comes next.
        after: Option<String>,
        /// Which of the message's attachments comes next.
        number: usize,
        /// Where in it.
        offset: u64,
    },
    /// All is written.
    End,
}

/// One part of a history, sealed as an attachment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GivenPart {
    /// Its number, from 1.
    pub number: u64,
    /// No other part follows.
    pub is_last: bool,
    /// Its file.
    pub file: Attachment,
    /// Where its message is; `None` when it is to be sealed (again).
    pub delivery: Option<Delivery>,
}

/// A history that comes from another device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TakenIn {
    /// From which device.
    pub device: DeviceId,
    /// Its name.
    pub id: HistoryId,
    /// When it was begun there.
    pub begun: u64,
    /// How far it is.
    pub state: TakenState,
    /// When it came so far.
    pub since: u64,
    /// Bytes of parts that were taken in.
    pub done: u64,
    /// Bytes in all, as the other device foresees.
    pub total: u64,
    /// The number of the part that comes next.
    pub next: u64,
    /// The number of the last part, once it is known.
    pub last: Option<u64>,
    /// Parts that came and were not taken in yet, by number.
    pub parts: Vec<(u64, Attachment)>,
}

/// How far a history is that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TakenState {
    /// Parts are fetched and taken in.
    Underway,
    /// All of it is here.
    Done,
    /// A part does not open or is no longer at the relay: the other device has to give it again.
    Failed,
}

impl Row for History {
    type Key = ();
    const TREE: &'static str = "history";

    fn key(&self) {}

    fn name((): &()) -> Vec<u8> {
        b"history".to_vec()
    }
}
