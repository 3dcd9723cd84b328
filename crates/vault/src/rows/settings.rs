//! What the person chose.

use serde::{Deserialize, Serialize};

use super::Row;

/// What the person chose. One row. What is needed before unlocking (language, theme) is not here but
/// in [`Carriage::plain`](crate::Carriage::plain).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The relay that the person named; nothing leaves the computer before.
    pub relay_url: Option<String>,
    /// Lock after so many seconds without use; `None` is never.
    pub lock_after: Option<u32>,
    /// Lock when the computer is suspended or the session is locked.
    pub lock_on_suspend: bool,
    /// Notifications may name the sender.
    pub notify_sender: bool,
    /// Notifications may show the subject.
    pub notify_subject: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            relay_url: None,
            lock_after: Some(600),
            lock_on_suspend: true,
            notify_sender: false,
            notify_subject: false,
        }
    }
}

impl Row for Settings {
    type Key = ();
    const TREE: &'static str = "settings";

    fn key(&self) {}

    fn name((): &()) -> Vec<u8> {
        b"settings".to_vec()
    }
}
