//! Settings: what the person chose. Nothing in them is secret, and relay, language and theme are
//! needed before the vault opens, so they are a small file beside it.

use crate::app::{App, blocking};
use crate::failure::Failure;
use crate::view::{Change, LocalRelay, RelayChoice, RelayShows, RelayState, Settings, Status};
use std::io::{Error, ErrorKind};
use std::path::Path;

const FILE: &str = "settings.json";

/// Reads the settings; the defaults when there are none.
pub(crate) fn load(dir: &Path) -> std::io::Result<Settings> {
    match std::fs::read(dir.join(FILE)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(Error::other),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Settings::default()),
        Err(error) => Err(error),
    }
}

pub(crate) fn save(dir: &Path, settings: &Settings) -> std::io::Result<()> {
    crate::onboarding::replace(
        dir,
        FILE,
        &serde_json::to_vec_pretty(settings).map_err(Error::other)?,
    )
}

impl App {
    /// What the person chose.
    ///
    /// # Errors
    /// None today.
    #[allow(clippy::unused_async, reason = "a question like the others")]
    pub async fn settings(&self) -> Result<Settings, Failure> {
        Ok(self.known().settings.clone())
    }

    /// Keeps what the person chose. With the vault open, another relay is chosen only once this
    /// account is known there.
    ///
    /// # Errors
    /// [`Failure::AddressInvalid`] for a relay address that is none; [`Failure::Relay`] and
    /// [`Failure::NameTaken`] of a relay to move to; [`Failure::DiskFull`]. Nothing changed then.
    pub async fn save_settings(&self, settings: Settings) -> Result<Settings, Failure> {
        if let RelayChoice::Address { url } = &settings.relay {
            relay_url(url)?;
        }
        let moves = settings.relay != self.known().settings.relay;
        if moves && self.known().store.is_some() {
            self.arrive(&settings.relay).await?;
        }
        let (dir, copy) = (self.dir.clone(), settings.clone());
        blocking(move || save(&dir, &copy).map_err(disk)).await?;
        {
            let mut known = self.know();
            known.settings = settings.clone();
            if moves {
                known.relay = RelayState::Connecting;
                (known.info, known.relay_shows) = (None, RelayShows::NotAsked);
            }
        }
        self.wakers.idle.notify_one();
        self.wakers.inbox.notify_one();
        if moves {
            self.wakers.left.notify_one();
            self.wakers.watch.notify_one();
            self.relay_is_back().await?;
            self.tell(Change::Contacts(None));
        }
        self.tell(Change::Settings);
        self.tell(Change::Status);
        Ok(settings)
    }

    /// Starts or stops the relay on this computer.
    ///
    /// # Errors
    /// [`Failure::Relay`] when it cannot be started.
    pub async fn set_local_relay(&self, running: bool) -> Result<Status, Failure> {
        self.local.set_running(running).await.map_err(disk)?;
        self.wakers.inbox.notify_one();
        self.tell(Change::Status);
        Ok(self.status().await)
    }

    pub(crate) fn local_relay(&self) -> LocalRelay {
        if self.known().settings.relay != RelayChoice::ThisComputer {
            LocalRelay::NotUsed
        } else if self.local.is_running_here() {
            LocalRelay::Running
        } else if self.local.is_stopped() {
            LocalRelay::Stopped
        } else {
            LocalRelay::Elsewhere
        }
    }
}

/// A relay's address: `https`, or `http` on this computer alone.
pub(crate) fn relay_url(text: &str) -> Result<url::Url, Failure> {
    let url = url::Url::parse(text).map_err(|_| Failure::AddressInvalid)?;
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => Ok(url),
        "http" if here => Ok(url),
        _ => Err(Failure::AddressInvalid),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "stands in map_err")]
pub(crate) fn disk(error: Error) -> Failure {
    if error.kind() == ErrorKind::StorageFull {
        return Failure::DiskFull;
    }
    tracing::error!(%error, "a file could not be written or read");
    Failure::internal("disk")
}
