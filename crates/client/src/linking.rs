//! Linking another computer to the account (docs/protocol.md section 8): what both sides share.
//!
//! [`joining`] is the new computer, [`giving`] the one that has the account. Nothing of a link is on the
//! disk before the new computer has the account: who is cut off before that begins again.

mod giving;
mod joining;

use crate::app::{App, held};
use crate::backoff;
use crate::contacts::millis;
use crate::failure::Failure;
use crate::line::LineError;
use crate::meeting::Meeting;
use crate::view::{Change, LinkStatus, Reason};
use rand::RngExt;
use tokio_util::sync::CancellationToken;
use waxwing_crypto::link::LinkError;
use waxwing_wire::problem::Slug;

/// How far a link is, in this process.
#[derive(Default)]
pub(crate) enum Linking {
    #[default]
    None,
    Joining(Box<joining::Joining>),
    /// The new computer makes its vault.
    Making {
        name: String,
    },
    Asked(Box<giving::Asked>),
    Giving,
    Given {
        device: String,
    },
    Failed(Failure),
}

/// A link while it may go on.
#[derive(Clone)]
pub(crate) struct Under {
    meeting: Meeting,
    /// Unix seconds.
    until: u64,
    over: CancellationToken,
}

impl App {
    /// How far linking is, on either side.
    pub fn link_status(&self) -> LinkStatus {
        match &*held(&self.linking) {
            Linking::None => LinkStatus::None,
            Linking::Joining(joining) => joining.shown(),
            Linking::Asked(asked) => LinkStatus::CodeWanted {
                device: asked.device.clone(),
                tries: asked.tries,
                ends_at: millis(asked.under.until),
            },
            Linking::Making { name } => LinkStatus::Granted { name: name.clone() },
            Linking::Giving => LinkStatus::Giving,
            Linking::Given { device } => LinkStatus::Given {
                device: device.clone(),
            },
            Linking::Failed(failure) => LinkStatus::Failed {
                failure: failure.clone(),
            },
        }
    }

    /// Ends a link, on either side; the other side is told when the relay can be reached. What is
    /// being handed over at this moment is not taken back.
    pub async fn cancel_link(&self) {
        let under = {
            let mut linking = held(&self.linking);
            let under = match &*linking {
                Linking::Joining(joining) => Some(joining.under.clone()),
                Linking::Asked(asked) => Some(asked.under.clone()),
                Linking::Giving | Linking::Making { .. } => return,
                _ => None,
            };
            *linking = Linking::None;
            under
        };
        if let Some(under) = under {
            end(&under).await;
        }
        self.tell(Change::Link);
    }

    fn link_failed(&self, failure: &Failure) {
        *held(&self.linking) = Linking::Failed(failure.clone());
        self.tell(Change::Link);
    }
}

/// Tells the other side that it is over.
async fn end(under: &Under) {
    under.over.cancel();
    if let Err(error) = under.meeting.end().await {
        tracing::info!(%error, "the relay forgets a link by itself");
    }
}

/// Does what may be repeated until the relay answers, or the time of the link is over: a lost answer
/// changes nothing.
async fn patiently<T, F>(app: &App, under: &Under, act: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut failures = 0;
    loop {
        match act().await {
            Err(Failure::Relay { reason })
                if reason != Reason::Rejected && app.now() < under.until =>
            {
                failures += 1;
                let pause = backoff::pause(failures, app.chance.draw().random());
                tokio::time::sleep(pause).await;
            }
            other => return other,
        }
    }
}

fn failure(error: LineError) -> Failure {
    ended(&error).unwrap_or_else(|| error.into())
}

/// Why a link does not go on; none when trying again may help.
fn ended(error: &LineError) -> Option<Failure> {
    match error.slug? {
        Slug::UnknownLink => Some(Failure::LinkOver),
        Slug::LinkEnded => Some(Failure::LinkEnded),
        Slug::LinkConflict => Some(Failure::LinkUsed),
        _ => None,
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Text => Self::LinkInvalid,
            LinkError::Shape(_) | LinkError::OtherOffer | LinkError::DoesNotOpen => {
                Self::LinkChanged
            }
        }
    }
}
