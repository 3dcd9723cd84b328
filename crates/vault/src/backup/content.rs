//! Which tree comes into a backup how.

use crate::VaultError;
use crate::lists;
use crate::rows::{
    Activity, Backup, Contact, Device, Draft, DropBox, History, Message, OwnCard, Renewal, Replay,
    Row as _, Thread,
};
use crate::trees::{ENVELOPES, FETCHED, INCOMING, OUTBOX, OWED, PLAIN, SUBMISSIONS, WATCH};

/// Sealed trees whose rows stand in it opened, with the version of their shape.
pub(super) const OPENED: &[(&str, u32)] = &[
    (Contact::TREE, Contact::SCHEMA),
    (Device::TREE, Device::SCHEMA),
    (OwnCard::TREE, OwnCard::SCHEMA),
    (Thread::TREE, Thread::SCHEMA),
    (Renewal::TREE, Renewal::SCHEMA),
    (History::TREE, History::SCHEMA),
    (Replay::TREE, Replay::SCHEMA),
    (Draft::TREE, Draft::SCHEMA),
    (DropBox::TREE, DropBox::SCHEMA),
    (Activity::TREE, Activity::SCHEMA),
    (Backup::TREE, Backup::SCHEMA),
    (Message::TREE, Message::SCHEMA),
    // Behind the messages: an earlier envelope of one of them is found by it alone.
    (ENVELOPES, lists::SCHEMA),
];

/// Trees that are readable while locked and stand in it as they are. The outbox comes behind the
/// contacts and messages, by which its lanes are named anew.
pub(super) const CARRIED: &[&str] = &[SUBMISSIONS, INCOMING, FETCHED, OWED, WATCH, PLAIN, OUTBOX];

/// The name of a tree whose opened rows stand in a backup.
pub(super) fn opened(tree: &str, schema: u32) -> Result<&'static str, VaultError> {
    OPENED
        .iter()
        .find(|(known, version)| *known == tree && *version == schema)
        .map(|(known, _)| *known)
        .ok_or(VaultError::Newer)
}

/// The name of a tree whose rows stand in a backup as they are.
pub(super) fn carried(tree: &str) -> Result<&'static str, VaultError> {
    CARRIED
        .iter()
        .find(|known| **known == tree)
        .copied()
        .ok_or(VaultError::Newer)
}
