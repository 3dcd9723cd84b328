//! What the person chose, and what passphrases cost.

use super::RelayChoice;
use serde::{Deserialize, Serialize};
use specta::Type;

/// What the person chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// The relay.
    pub relay: RelayChoice,
    /// Minutes without input before the vault locks; none for never.
    pub lock_after_minutes: Option<u32>,
    /// Colours.
    pub theme: Theme,
    /// Language.
    pub language: Language,
    /// What a notification shows.
    pub notifications: Notifications,
    /// Closing the window keeps Waxwing in the tray.
    pub close_to_tray: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            relay: RelayChoice::ThisComputer,
            lock_after_minutes: Some(15),
            theme: Theme::System,
            language: Language::System,
            notifications: Notifications::Count,
            close_to_tray: false,
        }
    }
}

/// Colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum Theme {
    /// As the system.
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// Language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum Language {
    /// As the system.
    System,
    /// English.
    En,
    /// German.
    De,
}

/// What a notification shows. None of them shows text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum Notifications {
    /// No notifications.
    None,
    /// How many envelopes wait.
    Count,
    /// Who they are from.
    Sender,
}

/// How strong a passphrase is, by zxcvbn's estimate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Strength {
    /// 0 (guessed at once) to 4; 3 is the least that is taken.
    pub score: u8,
    /// zxcvbn's warning code.
    pub warning: Option<String>,
    /// Guesses needed, as a power of ten.
    pub guesses_log10: u32,
}

/// What unlocking costs here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct UnlockTime {
    /// Milliseconds, measured on this computer.
    pub milliseconds: u32,
    /// Memory used meanwhile, in MiB.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: u32,
}
