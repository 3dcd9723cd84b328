//! The relays of this device: the present one, and those it left.
//!
//! Who moves to another relay is still reached at the one before, as a letter is sent on after a
//! move: for as long as an envelope lives, what waits there is fetched, what was handed in there is
//! followed, and what the present relay has no mailbox for is handed in there. Each relay counts its
//! envelopes for itself, so each has its number, its cursor and its acknowledgements.

use crate::app::{App, Inner, blocking};
use crate::failure::Failure;
use crate::line::{Line, LineError};
use crate::view::{Reason, RelayChoice, RelayShows};
use std::sync::Arc;
use url::Url;
use waxwing_vault::rows::Relay;
use waxwing_wire::limits::MAX_TTL;

/// What the relay on this computer is called among the others, which have addresses.
const HERE: &str = "this-computer";

impl Inner {
    /// Where the chosen relay is, found or started.
    pub(crate) async fn base(&self) -> Result<Url, LineError> {
        let choice = self.known().settings.relay.clone();
        self.base_of(&choice).await
    }

    /// Where a relay is, found or started.
    pub(crate) async fn base_of(&self, choice: &RelayChoice) -> Result<Url, LineError> {
        match choice {
            RelayChoice::ThisComputer => self.local.find().await.map_err(|error| {
                tracing::info!(%error, "the relay on this computer is not there");
                LineError::of(Reason::RelayRefused)
            }),
            RelayChoice::Address { url } => {
                Url::parse(url).map_err(|_| LineError::of(Reason::NameNotFound))
            }
        }
    }

    /// A line to the present relay, signed for this device.
    pub(crate) async fn line(&self) -> Result<Line, LineError> {
        let choice = self.known().settings.relay.clone();
        let number = self.number_of(&choice).await?;
        self.line_to(&choice, number).await
    }

    /// Lines to all relays at which something may wait, the present one first. One of those that
    /// were left is passed over when it is not found.
    pub(crate) async fn lines(&self) -> Result<Vec<Line>, LineError> {
        let mut lines = vec![self.line().await?];
        lines.extend(self.left_lines().await?);
        Ok(lines)
    }

    /// Lines to the relays that were left, the last one first, while an envelope may wait there.
    pub(crate) async fn left_lines(&self) -> Result<Vec<Line>, LineError> {
        let now = self.now();
        let mut left: Vec<_> = (0..)
            .zip(self.relays().await?)
            .filter_map(|(number, relay)| Some((relay.left_at?, number, relay.at)))
            .filter(|(left_at, _, _)| left_at + MAX_TTL > now)
            .collect();
        left.sort_unstable();
        let mut lines = Vec::new();
        for (_, number, at) in left.into_iter().rev() {
            if let Ok(line) = self.line_to(&choice(at), number).await {
                lines.push(line);
            }
        }
        Ok(lines)
    }

    /// A line to a relay by its number; none to one that was left too long ago.
    pub(crate) async fn line_of(&self, relay: u32) -> Result<Option<Line>, LineError> {
        let line = self.line().await?;
        if line.relay() == relay {
            return Ok(Some(line));
        }
        let now = self.now();
        let known = (0..).zip(self.relays().await?);
        let mut alive = known.filter(|(number, known)| {
            let left_at = known.left_at.unwrap_or(now);
            *number == relay && left_at + MAX_TTL > now
        });
        match alive.next() {
            Some((_, known)) => Ok(Some(self.line_to(&choice(known.at), relay).await?)),
            None => Ok(None),
        }
    }

    /// The numbers of the relays that were left.
    pub(crate) async fn relays_left(&self) -> Result<Vec<u32>, LineError> {
        let known = (0..).zip(self.relays().await?);
        let left = known.filter(|(_, relay)| relay.left_at.is_some());
        Ok(left.map(|(number, _)| number).collect())
    }

    async fn line_to(&self, choice: &RelayChoice, relay: u32) -> Result<Line, LineError> {
        let signer = self.signer().ok_or_else(|| LineError::of(Reason::Locked))?;
        Ok(Line::new(
            self.http.clone(),
            self.base_of(choice).await?,
            Arc::clone(&self.clock),
            signer,
            relay,
        ))
    }

    async fn relays(&self) -> Result<Vec<Relay>, LineError> {
        let carriage = self
            .carriage()
            .ok_or_else(|| LineError::of(Reason::Locked))?;
        let relays = blocking(move || Ok(carriage.relays()?)).await;
        relays.map_err(unreadable)
    }

    /// The number of the present relay; one that is not the present one yet becomes it.
    async fn number_of(&self, choice: &RelayChoice) -> Result<u32, LineError> {
        let at = at(choice);
        let known = (0..).zip(self.relays().await?);
        for (number, relay) in known {
            if relay.at == at && relay.left_at.is_none() {
                return Ok(number);
            }
        }
        let carriage = self
            .carriage()
            .ok_or_else(|| LineError::of(Reason::Locked))?;
        let now = self.now();
        let moved =
            blocking(move || carriage.commit(|tx| Ok::<_, Failure>(tx.move_to(&at, now)?))).await;
        moved.map_err(unreadable)
    }
}

impl App {
    /// Makes this account known at a relay before it becomes the chosen one: its present card, its
    /// name and prekeys. Nothing here changes when that fails.
    pub(crate) async fn arrive(&self, choice: &RelayChoice) -> Result<(), Failure> {
        let next = u32::try_from(self.relays().await?.len()).unwrap_or(u32::MAX);
        let line = self.line_to(choice, next).await?;
        let info = line.info().await?;
        if self.publish_own_card(&line).await? != RelayShows::Agrees {
            return Err(Reason::Rejected.into());
        }
        self.take_own_name(&line, &info.name).await?;
        crate::prekeys::restock(self, &line).await
    }
}

/// How a relay is written in the vault.
fn at(choice: &RelayChoice) -> String {
    match choice {
        RelayChoice::ThisComputer => HERE.to_owned(),
        // One address, however it is typed.
        RelayChoice::Address { url } => Url::parse(url).map_or_else(|_| url.clone(), String::from),
    }
}

/// The relay that is written so in the vault.
pub(crate) fn choice(at: String) -> RelayChoice {
    if at == HERE {
        RelayChoice::ThisComputer
    } else {
        RelayChoice::Address { url: at }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "stands in map_err")]
fn unreadable(failure: Failure) -> LineError {
    tracing::error!(%failure, "the list of relays cannot be read");
    LineError::of(Reason::RelayError)
}
