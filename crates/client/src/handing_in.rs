//! Handing in: the head of one lane, its files first, and what follows from the relay's answer.

use crate::app::{App, blocking, held};
use crate::backoff;
use crate::compose::addressee;
use crate::directory;
use crate::failure::Failure;
use crate::history;
use crate::line::{Line, LineError};
use crate::outbox::{Underway, code};
use crate::renewal;
use crate::view::{Change, Folder, Reason};
use rand::RngExt;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use waxwing_crypto::stream::SEGMENT_LEN;
use waxwing_vault::rows::{
    Contact, DeliveryState, MailBox, Message, Outgoing, OutgoingState, Watch,
};
use waxwing_vault::{Carriage, CarriageTx};
use waxwing_wire::api::CreateAttachment;
use waxwing_wire::ids::MailboxId;
use waxwing_wire::problem::Slug;

/// Hands in the head of a lane, and keeps what came of it.
pub(crate) async fn hand_in(app: &App, row: Outgoing) {
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
        ended = try_head(app, row) => ended,
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

/// Tries what is still the head of its lane, and may leave: who holds it back or takes it out says so on
/// the disk first, and then stops what is under way.
async fn try_head(app: &App, row: Outgoing) -> Result<(), Failure> {
    let carriage = app.carriage().ok_or(Failure::Locked)?;
    let (id, lane) = (row.id, row.lane);
    let head = blocking(move || Ok(carriage.head(&lane)?)).await?;
    match head {
        Some(head) if head.id == id && app.may_leave(&head) => try_row(app, head).await,
        _ => Ok(()),
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
            if permanent && row.is_notice && app.is_own_lane(&row)? {
                // Nobody is asked about what goes to one's own devices, nor does more wait for it.
                return app.leave_lane(row, DeliveryState::Refused).await;
            }
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
    /// The relay does not know a mailbox: looks which devices the recipient has now, and seals the
    /// lane anew for them.
    async fn follow(&self, row: &Outgoing) -> Result<Followed, Failure> {
        let wanted = row.clone();
        let found = self
            .with_store(move |store| addressee(store, &wanted))
            .await?;
        let account = match found {
            Some((_, account)) => account,
            // A word to the account's other devices.
            None if self.is_own_lane(row)? => self.signer().ok_or(Failure::Locked)?.account,
            None => return Ok(Followed::Gone),
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

    /// Whether what is in the outbox goes to the account's own devices; unknown while locked.
    fn is_own_lane(&self, row: &Outgoing) -> Result<bool, Failure> {
        let store = self.known().store.clone();
        let (Some(store), Some(signer)) = (store, self.signer()) else {
            return Ok(false);
        };
        Ok(store.is_lane_of(&row.lane, &signer.account)?)
    }

    async fn change_row(&self, row: Outgoing) -> Result<(), Failure> {
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let changed = blocking(move || {
            carriage.commit(|tx| {
                let now = tx.present(&row)?.ok_or(Failure::NotFound)?;
                // Held back meanwhile: how a try ended does not let go of it.
                if now.state == OutgoingState::Held {
                    return Ok(());
                }
                Ok::<_, Failure>(tx.update(&row)?)
            })
        });
        match changed.await {
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
        let is_notice = row.is_notice;
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
                } else if row.is_notice {
                    for to in &row.to {
                        renewal::enter_notice(tx, &row.envelope, to, (state, now))?;
                        history::enter_part(tx, &row.envelope, to, (state, now))?;
                    }
                }
                Ok::<_, Failure>(())
            })
        })
        .await?;
        self.tell_of_notice(is_notice);
        Ok(())
    }

    pub(crate) fn tell_of_notice(&self, is_notice: bool) {
        if is_notice {
            self.tell(Change::Renewal);
            self.tell(Change::Link);
            self.wakers.history.notify_one();
            // One that has come to nothing is sealed again.
            self.wakers.upkeep.notify_one();
        }
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
