//! The outbox: one strict lane per recipient, handed in as ciphertext, locked or not.
//!
//! Only the head of a lane is sent; a failure blocks its lane alone and says why. A pause doubles
//! from two seconds to five minutes and ends at once when the relay is back or the person says so.
//! What was handed in leaves the lane and enters the watch list in the same commit, so a crash at
//! any line sends again what the relay already knows by its id, and never loses or doubles it.

use crate::app::{App, blocking, held};
use crate::backoff;
use crate::compose::addressee;
use crate::directory;
use crate::failure::Failure;
use crate::letters::letter_key;
use crate::line::{Line, LineError};
use crate::view::{Change, Folder, Reason};
use rand::RngExt;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use waxwing_crypto::stream::SEGMENT_LEN;
use waxwing_vault::rows::{
    Contact, DeliveryState, LaneId, MailBox, Message, Outgoing, OutgoingId, OutgoingState, Watch,
};
use waxwing_vault::{Carriage, CarriageTx, VaultError};
use waxwing_wire::api::CreateAttachment;
use waxwing_wire::ids::{AccountId, MailboxId};
use waxwing_wire::problem::Slug;

/// Looks at the clock again after so long, whatever happens.
const ROUND: Duration = Duration::from_secs(60);

/// What is being handed in: how far, and a way to stop it.
#[derive(Default)]
pub(crate) struct Sending(HashMap<OutgoingId, Underway>);

struct Underway {
    done: u64,
    total: u64,
    stop: CancellationToken,
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
                if busy.contains(&head.lane) {
                    continue;
                }
                match head.state {
                    OutgoingState::NeedsYou | OutgoingState::Held => {}
                    _ if head.next_try > now => {
                        wait = wait.min(Duration::from_secs(head.next_try - now));
                    }
                    _ => {
                        busy.insert(head.lane);
                        let app = app.clone();
                        senders.spawn(async move {
                            let lane = head.lane;
                            hand_in(&app, head).await;
                            lane
                        });
                    }
                }
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

async fn hand_in(app: &App, row: Outgoing) {
    let stop = CancellationToken::new();
    let total = row.length + row.uploads.iter().map(|upload| upload.length).sum::<u64>();
    let underway = Underway {
        done: 0,
        total,
        stop: stop.clone(),
    };
    held(&app.sending).0.insert(row.id, underway);
    app.tell(Change::Envelopes {
        folder: Folder::Outbox,
        id: None,
    });
    let id = row.id;
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = try_row(app, row) => ended,
    };
    held(&app.sending).0.remove(&id);
    if let Err(failure) = ended {
        tracing::warn!(%failure, "the state of an envelope in the outbox could not be kept");
    }
    app.tell(Change::Envelopes {
        folder: Folder::Outbox,
        id: None,
    });
    app.tell(Change::Envelopes {
        folder: Folder::Sent,
        id: None,
    });
    app.tell(Change::Status);
    if app.known().store.is_none() {
        app.tell(Change::Stage);
    }
}

async fn try_row(app: &App, mut row: Outgoing) -> Result<(), Failure> {
    if row.expires_at <= app.now() {
        return app.leave_lane(row, DeliveryState::Expired).await;
    }
    match send(app, &mut row).await {
        Ok(()) => {
            app.leave_lane(row, DeliveryState::AtRelay).await?;
            app.wakers.watch.notify_one();
            Ok(())
        }
        Err(error) => {
            tracing::info!(%error, "an envelope was not taken");
            let mut permanent = error.is_permanent();
            if error.is_elsewhere() {
                match app.follow(&row).await {
                    Ok(Followed::Sealed) => return Ok(()),
                    Ok(Followed::Held) => {
                        row.state = OutgoingState::Held;
                        row.reason = Some(code(Reason::RecipientChanged));
                        return app.change_row(row).await;
                    }
                    Ok(Followed::Gone) => {}
                    Err(failure) => {
                        tracing::info!(%failure, "a recipient's devices are looked up later");
                        permanent = false;
                    }
                }
            }
            let now = app.now();
            row.attempts += 1;
            row.reason = Some(code(error.reason));
            if permanent {
                row.state = OutgoingState::NeedsYou;
                row.next_try = 0;
            } else {
                let pause = backoff::pause(row.attempts, app.chance.draw().random());
                let pause = pause.max(Duration::from_secs(error.retry_after.unwrap_or(0)));
                row.state = OutgoingState::WillRetry;
                row.next_try = now + pause.as_secs().max(1);
            }
            app.change_row(row).await
        }
    }
}

/// Hands it in at the first relay that has the recipient's mailbox, the present one before those
/// that were left.
async fn send(app: &App, row: &mut Outgoing) -> Result<(), LineError> {
    let mut refused = LineError::of(Reason::RelayError);
    for line in app.lines().await? {
        match send_to(app, &line, row).await {
            Err(error) if error.is_elsewhere() => refused = error,
            other => return other,
        }
    }
    Err(refused)
}

async fn send_to(app: &App, line: &Line, row: &mut Outgoing) -> Result<(), LineError> {
    let carriage = app
        .carriage()
        .ok_or_else(|| LineError::of(Reason::Locked))?;
    if row.relay != line.relay() {
        row.relay = line.relay();
        row.uploads
            .iter_mut()
            .for_each(|upload| upload.complete = false);
    }
    for at in 0..row.uploads.len() {
        if !row.uploads[at].complete {
            upload(app, line, &carriage, row, at).await?;
        }
    }
    let id = row.id;
    let bytes = blocking(move || Ok(carriage.submission(&id)?))
        .await
        .map_err(lost)?;
    let bytes = bytes.ok_or_else(|| LineError::of(Reason::AttachmentMissing))?;
    line.submit(bytes).await?;
    Ok(())
}

/// Hands in one file, from where the relay has it.
async fn upload(
    app: &App,
    line: &Line,
    carriage: &Carriage,
    row: &mut Outgoing,
    at: usize,
) -> Result<(), LineError> {
    let upload = row.uploads[at].clone();
    let before = row.uploads[..at]
        .iter()
        .map(|upload| upload.length)
        .sum::<u64>();
    let announced = line
        .announce(&CreateAttachment {
            id: upload.id,
            length: upload.length,
            sha256: upload.sha256,
            expires_at: row.expires_at,
        })
        .await?;
    let mut offset = announced.offset;
    let mut complete = announced.complete;
    while !complete {
        let carriage = carriage.clone();
        let piece = blocking(move || Ok(carriage.files()?.read(upload.id, offset, SEGMENT_LEN)?))
            .await
            .map_err(lost)?;
        if piece.is_empty() {
            return Err(LineError::of(Reason::AttachmentMissing));
        }
        offset = match line.upload(&upload.id, offset, piece).await {
            Ok(next) => next,
            // A piece whose answer was lost: the relay says where it stands.
            Err(LineError {
                slug: Some(Slug::OffsetMismatch),
                offset: Some(offset),
                ..
            }) => offset,
            Err(error) => return Err(error),
        };
        complete = offset >= upload.length;
        if let Some(underway) = held(&app.sending).0.get_mut(&row.id) {
            underway.done = before + offset;
        }
        app.tell(Change::Envelopes {
            folder: Folder::Outbox,
            id: None,
        });
    }
    row.uploads[at].complete = true;
    app.change_row(row.clone()).await.map_err(lost)
}

#[allow(clippy::needless_pass_by_value, reason = "stands in map_err")]
fn lost(failure: Failure) -> LineError {
    tracing::error!(%failure, "what is to be sent cannot be read");
    LineError::of(Reason::AttachmentMissing)
}

impl App {
    /// Tries the outbox now: one message's lanes, or all of them.
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

    /// Keys differ: what waits for somebody does not leave until the person decides.
    pub(crate) async fn hold(&self, account: AccountId) -> Result<(), Failure> {
        let store = self.store()?;
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let app = self.clone();
        blocking(move || {
            let rows = carriage.in_lane(&store.lane(&account)?)?;
            carriage.commit(|tx| {
                for mut row in rows {
                    app.stop_sending(&row);
                    row.state = OutgoingState::Held;
                    row.reason = Some(code(Reason::RecipientDiffers));
                    match tx.update(&row) {
                        // It left just now.
                        Err(VaultError::Missing(_)) => {}
                        other => other?,
                    }
                }
                Ok::<_, Failure>(())
            })
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
        self.reset(move |row| store.lane(&account).is_ok_and(|lane| lane == row.lane))
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
            let rows: Vec<Outgoing> = carriage
                .outbox()?
                .into_iter()
                .filter(|row| which(row))
                .collect();
            carriage.commit(|tx| {
                for mut row in rows {
                    row.state = OutgoingState::Queued;
                    row.next_try = 0;
                    row.attempts = 0;
                    // Taken out of its lane meanwhile: nothing to reset.
                    let _ = tx.update(&row);
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

    pub(crate) fn stop_sending(&self, row: &Outgoing) {
        if let Some(underway) = held(&self.sending).0.get(&row.id) {
            underway.stop.cancel();
        }
    }

    /// The relay does not know a mailbox: looks which devices the recipient has now, and seals the
    /// lane anew for them.
    async fn follow(&self, row: &Outgoing) -> Result<Followed, Failure> {
        let wanted = row.clone();
        let found = self
            .with_store(move |store| addressee(store, &wanted))
            .await?;
        let Some((_, account)) = found else {
            return Ok(Followed::Gone);
        };
        match self.look_everywhere(account).await {
            Err(Failure::AddressUnknown) => return Ok(Followed::Gone),
            other => other?,
        };
        let contact = self
            .with_store(move |store| store.load::<Contact>(&account)?.ok_or(Failure::NotFound))
            .await?;
        if contact.held {
            return Ok(Followed::Held);
        }
        let devices = directory::pinned(&contact).map(|card| card.body().devices.clone());
        let knows = |to: &MailboxId| devices.iter().flatten().any(|device| device.mailbox == *to);
        if row.to.iter().all(knows) {
            return Ok(Followed::Gone);
        }
        self.seal_lane_again(account).await?;
        Ok(Followed::Sealed)
    }

    async fn change_row(&self, row: Outgoing) -> Result<(), Failure> {
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let changed =
            blocking(move || carriage.commit(|tx| Ok::<_, Failure>(tx.update(&row)?))).await;
        match changed {
            // Cancelled meanwhile.
            Err(Failure::NotFound) => Ok(()),
            other => other,
        }
    }

    /// Takes an envelope out of its lane and keeps how it ended, in one commit.
    async fn leave_lane(&self, row: Outgoing, state: DeliveryState) -> Result<(), Failure> {
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let store = self.known().store.clone();
        let now = self.now();
        let mut rng = self.chance.draw();
        blocking(move || {
            let watch = |tx: &mut CarriageTx<'_>, unapplied| {
                tx.remove(&row)?;
                row.to.iter().try_for_each(|to| {
                    tx.watch(&Watch {
                        envelope: row.envelope,
                        to: *to,
                        relay: row.relay,
                        state,
                        since: now,
                        unapplied,
                        statement: None,
                        until: row.expires_at,
                    })
                })
            };
            let Some(store) = store else {
                return carriage.commit(|tx| Ok::<_, Failure>(watch(tx, true)?));
            };
            let found = store.find_envelope(&row.envelope)?;
            store.commit(&mut rng, |tx| {
                watch(tx.carriage(), false)?;
                if let Some((MailBox::Sent, id)) = found
                    && let Some(mut message) = tx.load::<Message>(&(MailBox::Sent, id))?
                {
                    for delivery in message
                        .recipients
                        .iter_mut()
                        .flat_map(|party| &mut party.deliveries)
                    {
                        if delivery.envelope == row.envelope && row.to.contains(&delivery.to) {
                            (delivery.state, delivery.since) = (state, now);
                        }
                    }
                    tx.put(&message)?;
                }
                Ok::<_, Failure>(())
            })
        })
        .await
    }
}

/// What came of looking for a recipient's devices.
enum Followed {
    /// The lane is sealed anew.
    Sealed,
    /// The recipient's key changed without proof: the person decides.
    Held,
    /// The recipient's card names no other device.
    Gone,
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
