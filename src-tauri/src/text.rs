//! The few sentences that the shell itself shows: tray and notifications. All others stand in
//! `ui/src/text`.

use waxwing_client::view::Language;

/// A language that the shell speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    English,
    German,
}

impl Speech {
    /// The chosen language, or the system's.
    pub(crate) fn of(chosen: Language) -> Self {
        let german = match chosen {
            Language::En => false,
            Language::De => true,
            Language::System => ["LC_ALL", "LC_MESSAGES", "LANG"]
                .iter()
                .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
                .is_some_and(|locale| locale.starts_with("de")),
        };
        if german { Self::German } else { Self::English }
    }

    pub(crate) fn arrived(self, waiting: u32, sender: Option<&str>) -> String {
        match (self, sender, waiting) {
            (Self::English, Some(sender), _) => format!("An envelope from {sender}"),
            (Self::German, Some(sender), _) => format!("Ein Umschlag von {sender}"),
            (Self::English, None, 1) => "One envelope waits".to_owned(),
            (Self::German, None, 1) => "Ein Umschlag wartet".to_owned(),
            (Self::English, None, waiting) => format!("{waiting} envelopes wait"),
            (Self::German, None, waiting) => format!("{waiting} Umschläge warten"),
        }
    }

    pub(crate) fn open(self) -> &'static str {
        match self {
            Self::English => "Open Waxwing",
            Self::German => "Waxwing öffnen",
        }
    }

    pub(crate) fn keys(self) -> &'static str {
        match self {
            Self::English => "Open Keys",
            Self::German => "Schlüssel öffnen",
        }
    }

    pub(crate) fn lock(self) -> &'static str {
        match self {
            Self::English => "Lock now",
            Self::German => "Jetzt sperren",
        }
    }

    pub(crate) fn quit(self) -> &'static str {
        match self {
            Self::English => "Quit",
            Self::German => "Beenden",
        }
    }
}
