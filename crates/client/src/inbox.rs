//! The inbox: fetched as ciphertext, locked or not; opened when the vault is.
//!
//! An envelope is acknowledged once it is on this disk; it is opened in `opening`.

use crate::app::{App, blocking};
use crate::backoff;
use crate::failure::Failure;
use crate::line::{Line, LineError};
use crate::opening::Arrivals;
use crate::view::{Change, Folder, Notifications, Reason, RelayChoice, RelayState};
use rand::RngExt;
use std::time::Duration;
use waxwing_vault::Carriage;
use waxwing_vault::rows::{OwedAck, Place};
use waxwing_wire::api::{Ack, AckRetry, MailboxItem};

/// The longest pause before the relay on this computer is looked for again.
const LOCAL_PAUSE: Duration = Duration::from_secs(5);
/// Before it is looked again whether there are relays that were left.
const LEFT_PAUSE: Duration = Duration::from_secs(60);

/// Fetches what waits, for ever; and keeps what is known of the relay.
pub(crate) async fn run(app: App) {
    let mut failures = 0;
    loop {
        if app.signer().is_none() {
            app.wakers.inbox.notified().await;
            continue;
        }
        let was_online = matches!(app.known().relay, RelayState::Online { .. });
        match round(&app, was_online).await {
            Ok(()) => failures = 0,
            Err(error) => {
                if error.is_about_signer() {
                    // Another of the account's devices may have removed this one.
                    app.wakers.upkeep.notify_one();
                }
                failures += 1;
                let mut pause = backoff::pause(failures, app.chance.draw().random());
                if app.known().settings.relay == RelayChoice::ThisComputer {
                    // Asking this computer costs nothing.
                    pause = pause.min(LOCAL_PAUSE);
                }
                let next = app.clock.now_millis() + u64::try_from(pause.as_millis()).unwrap_or(0);
                app.relay_is(RelayState::Offline {
                    reason: error.reason,
                    next_try: Some(next),
                });
                tokio::select! {
                    () = app.wakers.inbox.notified() => failures = 0,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }
}

/// Fetches, for as long as an envelope lives, what still comes to the relays that were left.
pub(crate) async fn run_left(app: App) {
    let mut failures = 0;
    loop {
        let visited = async {
            let lines = app.left_lines().await?;
            let visits = lines.iter().map(|line| visit(&app, line));
            futures_util::future::try_join_all(visits).await
        };
        let pause = tokio::select! {
            () = app.wakers.left.notified() => continue,
            visited = visited => match visited {
                Ok(visits) if !visits.is_empty() => {
                    if std::mem::take(&mut failures) > 0 {
                        back(&app).await;
                    }
                    continue;
                }
                Ok(_) => LEFT_PAUSE,
                Err(error) => {
                    tracing::debug!(%error, "a relay that was left is asked later");
                    failures += 1;
                    backoff::pause(failures, app.chance.draw().random())
                }
            },
        };
        tokio::select! {
            () = app.wakers.left.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Takes what waits at a relay that was left, else waits for something to come, and asks what
/// became of what was handed in there.
async fn visit(app: &App, line: &Line) -> Result<(), LineError> {
    pay(app, line).await?;
    app.ask_left(line).await?;
    let page = mailbox(app, line, true).await?;
    take_in(app, line, page).await
}

/// One look into the mailbox: at once when the relay was away, else waiting for something to come.
async fn round(app: &App, wait: bool) -> Result<(), LineError> {
    let line = app.line().await?;
    let page = tokio::select! {
        // Woken: the relay was changed, started or stopped, or there is something to pay or open.
        () = app.wakers.inbox.notified() => None,
        page = look(app, &line, wait) => Some(page?),
    };
    if !wait && page.is_some() {
        let name = app
            .known()
            .info
            .as_ref()
            .map(|info| info.name.clone())
            .unwrap_or_default();
        app.relay_is(RelayState::Online { name });
        back(app).await;
        app.wakers.upkeep.notify_one();
        app.wakers.history.notify_one();
        app.wakers.watch.notify_one();
    }
    take_in(app, &line, page.unwrap_or_default()).await
}

async fn back(app: &App) {
    if let Err(failure) = app.relay_is_back().await {
        tracing::warn!(%failure, "the outbox was not told that a relay is back");
    }
}

/// Keeps what came, acknowledges it, and opens it when the vault is open.
async fn take_in(app: &App, line: &Line, items: Vec<MailboxItem>) -> Result<(), LineError> {
    let carriage = carriage(app)?;
    let fresh = if items.is_empty() {
        0
    } else {
        let (now, relay) = (app.now(), line.relay());
        let kept = carriage.clone();
        let fresh = blocking(move || {
            kept.commit(|tx| {
                let mut fresh = 0u32;
                for item in &items {
                    let place = Place {
                        relay,
                        seq: item.seq,
                    };
                    if tx.keep(place, item.received_at, now, item.envelope.as_slice())? {
                        fresh += 1;
                    }
                }
                Ok::<_, Failure>(fresh)
            })
        })
        .await
        .map_err(disk_error)?;
        pay(app, line).await?;
        fresh
    };
    if fresh > 0 {
        arrived(app).await;
    } else if app.known().store.is_some() && waits(carriage).await {
        // Kept before, and not opened then: the relay was needed and away, or this was cut off.
        open_again(app).await;
    }
    pay(app, line).await
}

async fn look(app: &App, line: &Line, wait: bool) -> Result<Vec<MailboxItem>, LineError> {
    if !wait {
        let info = line.info().await?;
        app.know().info = Some(info);
    }
    // What a crash or an absent relay left owed goes first.
    pay(app, line).await?;
    mailbox(app, line, wait).await
}

/// What came to the mailbox at one relay after the last that was kept.
async fn mailbox(app: &App, line: &Line, wait: bool) -> Result<Vec<MailboxItem>, LineError> {
    let (carriage, relay) = (carriage(app)?, line.relay());
    let cursor = blocking(move || Ok(carriage.cursor(relay)?))
        .await
        .map_err(disk_error)?;
    Ok(line.mailbox(cursor, wait).await?.items)
}

fn carriage(app: &App) -> Result<Carriage, LineError> {
    app.carriage().ok_or_else(|| LineError::of(Reason::Locked))
}

/// Whether something that was fetched has not been tried, or is to be tried again.
async fn waits(carriage: Carriage) -> bool {
    blocking(move || Ok(carriage.incoming()?))
        .await
        .is_ok_and(|rows| rows.iter().any(|row| row.reason.is_none()))
}

async fn open_again(app: &App) {
    match app.open_waiting().await {
        Ok(_) => {
            app.tell(Change::Envelopes {
                folder: Folder::Inbox,
                id: None,
            });
            app.tell(Change::Status);
        }
        Err(failure) => tracing::warn!(%failure, "what came is opened later"),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "stands in map_err")]
fn disk_error(failure: Failure) -> LineError {
    tracing::error!(%failure, "what was fetched could not be kept; it stays at the relay");
    LineError::of(Reason::RelayError)
}

/// Acknowledges to a relay what came from it and is on this disk.
async fn pay(app: &App, line: &Line) -> Result<(), LineError> {
    let Some(carriage) = app.carriage() else {
        return Ok(());
    };
    let mut owed = {
        let carriage = carriage.clone();
        blocking(move || Ok(carriage.owed_acks()?))
            .await
            .map_err(disk_error)?
    };
    owed.retain(|ack| ack.relay == line.relay());
    if owed.is_empty() {
        return Ok(());
    }
    let paid: Vec<Place> = owed.iter().map(OwedAck::place).collect();
    let (retries, plain): (Vec<OwedAck>, Vec<OwedAck>) =
        owed.into_iter().partition(|ack| ack.retry.is_some());
    let ack = Ack {
        seqs: plain.iter().map(|ack| ack.seq).collect(),
        retries: retries
            .into_iter()
            .filter_map(|ack| {
                Some(AckRetry {
                    seq: ack.seq,
                    statement: ack.retry?.into(),
                })
            })
            .collect(),
    };
    line.acknowledge(&ack).await?;
    blocking(move || {
        carriage.commit(|tx| {
            tx.paid(&paid);
            Ok::<_, Failure>(())
        })
    })
    .await
    .map_err(disk_error)
}

/// Opens what came, if the vault is open, and says that something came.
async fn arrived(app: &App) {
    let opened = app.open_waiting().await;
    let Arrivals { sender, notices } = match opened {
        Ok(arrivals) => arrivals,
        Err(failure) => {
            tracing::warn!(%failure, "what came is opened later");
            Arrivals::default()
        }
    };
    if notices > 0 && sender.is_none() {
        // Nothing came that a person is told of.
        app.tell(Change::Status);
        return;
    }
    app.tell(Change::Envelopes {
        folder: Folder::Inbox,
        id: None,
    });
    if app.known().store.is_none() {
        // The lock screen shows how many wait.
        app.tell(Change::Stage);
    }
    let shows = app.known().settings.notifications;
    let waiting = app.status().await.waiting;
    match shows {
        Notifications::None => app.tell(Change::Status),
        Notifications::Count => app.tell(Change::Arrived {
            waiting,
            sender: None,
        }),
        Notifications::Sender => app.tell(Change::Arrived { waiting, sender }),
    }
}

impl App {
    fn relay_is(&self, state: RelayState) {
        let changed = {
            let mut known = self.know();
            let changed = known.relay != state;
            known.relay = state;
            changed
        };
        if changed {
            self.tell(Change::Status);
        }
    }
}
