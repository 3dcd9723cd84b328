//! The outbox: one strict lane per recipient, handed in as ciphertext, locked or not.
//!
//! Only the head of a lane is sent; a failure blocks its lane alone and says why. A pause doubles
//! from two seconds to five minutes and ends at once when the relay is back or the person says so.
//! What was handed in leaves the lane and enters the watch list in the same commit, so a crash at
//! any line sends again what the relay already knows by its id, and never loses or doubles it.

use crate::app::{App, Inner, blocking, held};
use crate::compose::addressee;
use crate::failure::Failure;
use crate::handing_in::hand_in;
use crate::letters::letter_key;
use crate::view::{Change, Folder, Reason};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use waxwing_vault::VaultError;
use waxwing_vault::rows::{LaneId, Outgoing, OutgoingId, OutgoingState};
use waxwing_wire::ids::AccountId;

/// Looks at the clock again after so long, whatever happens.
const ROUND: Duration = Duration::from_secs(60);

/// What is being handed in: how far, and a way to stop it.
#[derive(Default)]
pub(crate) struct Sending(pub(crate) HashMap<OutgoingId, Underway>);

pub(crate) struct Underway {
    pub(crate) done: u64,
    pub(crate) total: u64,
    pub(crate) stop: CancellationToken,
}

impl Sending {
    pub(crate) fn progress(&self, row: &OutgoingId) -> Option<(u64, u64)> {
        self.0
            .get(row)
            .map(|underway| (underway.done, underway.total))
    }
}

/// Hands in the heads of all lanes as they fall due.
pub(crate) async fn run(app: App) {
    let mut senders: JoinSet<LaneId> = JoinSet::new();
    let mut busy: HashSet<LaneId> = HashSet::new();
    loop {
        let mut wait = ROUND;
        if app.signer().is_some()
            && let Some(carriage) = app.carriage()
        {
            let heads = blocking(move || Ok(carriage.heads()?))
                .await
                .unwrap_or_default();
            let now = app.now();
            for head in heads {
                if busy.contains(&head.lane) || !app.may_leave(&head) {
                    continue;
                }
                if head.next_try > now {
                    wait = wait.min(Duration::from_secs(head.next_try - now));
                    continue;
                }
                busy.insert(head.lane);
                let app = app.clone();
                senders.spawn(async move {
                    let lane = head.lane;
                    hand_in(&app, head).await;
                    lane
                });
            }
        }
        tokio::select! {
            () = app.wakers.outbox.notified() => {}
            () = tokio::time::sleep(wait) => {}
            Some(done) = senders.join_next() => {
                match done {
                    Ok(lane) => { busy.remove(&lane); }
                    Err(error) => {
                        tracing::error!(%error, "a lane's sender ended badly");
                        busy.clear();
                        senders = JoinSet::new();
                    }
                }
            }
        }
    }
}

impl App {
    /// Tries the outbox now: one message's lanes, or all of them. What is held back for a person's key
    /// waits on.
    ///
    /// # Errors
    /// [`Failure::DiskFull`].
    pub async fn try_now(&self, message: Option<String>) -> Result<(), Failure> {
        let only = message
            .as_deref()
            .map(letter_key)
            .transpose()?
            .map(|(_, message)| message);
        let store = self.known().store.clone();
        self.reset(move |row| match (&only, &store) {
            _ if row.state == OutgoingState::Held => false,
            (None, _) => true,
            (Some(only), Some(store)) => addressee(store, row)
                .ok()
                .flatten()
                .is_some_and(|(message, _)| message == *only),
            (Some(_), None) => false,
        })
        .await
    }

    /// The relay is back: nobody waits for a pause that was meant for its absence.
    pub(crate) async fn relay_is_back(&self) -> Result<(), Failure> {
        self.reset(|row| {
            row.state == OutgoingState::WillRetry
                && row.reason.as_deref().is_some_and(is_about_line)
        })
        .await
    }

    /// Keys differ or were revoked: what waits for somebody does not leave until the person decides.
    pub(crate) async fn hold(&self, account: AccountId, why: Reason) -> Result<(), Failure> {
        let store = self.store()?;
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let app = self.clone();
        blocking(move || {
            let rows = carriage.in_lane(&store.lane(&account)?)?;
            carriage.commit(|tx| {
                for mut row in rows.clone() {
                    row.state = OutgoingState::Held;
                    row.reason = Some(code(why));
                    match tx.update(&row) {
                        // It left just now.
                        Err(VaultError::Missing(_)) => {}
                        other => other?,
                    }
                }
                Ok::<_, Failure>(())
            })?;
            for row in &rows {
                app.stop_sending(row);
            }
            Ok(())
        })
        .await?;
        self.tell(Change::Envelopes {
            folder: Folder::Outbox,
            id: None,
        });
        Ok(())
    }

    /// The person decided about a changed key: what was held is tried, and sealed anew when the
    /// relay does not know its mailbox any more.
    pub(crate) async fn release_held(&self, account: AccountId) -> Result<(), Failure> {
        let Ok(store) = self.store() else {
            return Ok(());
        };
        self.reset(move |row| store.is_lane_of(&row.lane, &account).unwrap_or(false))
            .await
    }

    /// The vault is open: what waited for it to find a recipient's devices is tried again.
    pub(crate) async fn unlocked_outbox(&self) -> Result<(), Failure> {
        self.reset(|row| {
            row.state == OutgoingState::WillRetry && row.reason == Some(code(Reason::RecipientGone))
        })
        .await
    }

    async fn reset<F>(&self, which: F) -> Result<(), Failure>
    where
        F: Fn(&Outgoing) -> bool + Send + 'static,
    {
        let Some(carriage) = self.carriage() else {
            return Ok(());
        };
        blocking(move || {
            let rows = carriage.outbox()?;
            carriage.commit(|tx| {
                for row in rows {
                    // Taken out of its lane or held back meanwhile: nothing to reset.
                    let Some(mut row) = tx.present(&row)?.filter(|row| which(row)) else {
                        continue;
                    };
                    row.state = OutgoingState::Queued;
                    row.next_try = 0;
                    row.attempts = 0;
                    tx.update(&row)?;
                }
                Ok::<_, Failure>(())
            })
        })
        .await?;
        self.wakers.outbox.notify_one();
        self.tell(Change::Envelopes {
            folder: Folder::Outbox,
            id: None,
        });
        self.tell(Change::Status);
        Ok(())
    }
}

impl Inner {
    pub(crate) fn stop_sending(&self, row: &Outgoing) {
        if let Some(underway) = held(&self.sending).0.get(&row.id) {
            underway.stop.cancel();
        }
    }

    /// Whether the head of a lane may be handed in: nobody has to decide about it, and it was not signed
    /// by replaced keys, so that it waits until it is sealed again.
    pub(crate) fn may_leave(&self, head: &Outgoing) -> bool {
        let waits = matches!(head.state, OutgoingState::NeedsYou | OutgoingState::Held);
        !waits && !self.known().seals_again.contains(&head.lane)
    }
}

/// A reason as it is kept beside the ciphertext.
pub(crate) fn code(reason: Reason) -> String {
    serde_json::to_value(reason)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// The reason that a code names.
pub(crate) fn reason(code: &str) -> Reason {
    serde_json::from_value(serde_json::Value::from(code)).unwrap_or(Reason::RelayError)
}

fn is_about_line(code: &str) -> bool {
    matches!(
        reason(code),
        Reason::RelayRefused
            | Reason::RelayUnreachable
            | Reason::NameNotFound
            | Reason::TimedOut
            | Reason::TlsFailed
            | Reason::ClockDiffers
            | Reason::RelayError
    )
}
