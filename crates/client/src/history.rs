//! History: what one of the account's devices remembers, given to another (docs/protocol.md section 8).
//!
//! ```text
//! rows, pieces of files ─→ part, sealed as an attachment ─→ message to the one device ─→ own lane
//!                                                        fetched ─→ opened ─→ rows, merged ─→ "taken"
//! ```
//! [`giving`] has parts written ([`writing`]), one after the other, and hands each to the outbox; [`taking`] fetches and
//! takes in; [`merge`] says what becomes of a row that is here already. How far each side is stands in
//! one row, changed in the commit of what it tells of: who is cut off goes on where it was, and what was
//! taken in of a part is taken in again, which changes nothing.

mod giving;
mod merge;
mod taking;
mod writing;

pub(crate) use giving::{begin, enter_part, forget_part, was_taken};
pub(crate) use taking::arrived;

use crate::app::{App, held};
use crate::backoff;
use crate::contacts::{id, millis};
use crate::failure::Failure;
use crate::prekeys::own_card;
use crate::view::{self, Change, HistoryState};
use rand::RngExt;
use std::time::Duration;
use waxwing_vault::rows::{
    DeliveryState, Device, Given, GivenState, History, OwnCard, TakenIn, TakenState, Watch,
};
use waxwing_vault::{Store, Tx, VaultError};
use waxwing_wire::ids::DeviceId;

/// Looks again this often when nothing wakes it.
const ROUND: Duration = Duration::from_secs(3600);

/// Takes histories as far as they go, whenever woken; sooner when something did not work.
pub(crate) async fn run(app: App) {
    let mut failures = 0;
    loop {
        let mut wait = ROUND;
        if app.known().store.is_some() {
            failures = match app.carry_histories().await {
                Ok(()) | Err(Failure::Locked) => 0,
                Err(failure) => {
                    tracing::info!(%failure, "a history goes on later");
                    failures + 1
                }
            };
            if failures > 0 {
                wait = backoff::pause(failures, app.chance.draw().random());
            }
        }
        tokio::select! {
            () = app.wakers.history.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

impl App {
    /// The histories that this computer gives to others of the account, and takes from them.
    ///
    /// # Errors
    /// [`Failure::Locked`].
    pub async fn histories(&self) -> Result<Vec<view::History>, Failure> {
        let app = self.clone();
        self.with_store(move |store| {
            let row = all(store)?;
            let mut shown = Vec::new();
            for given in &row.given {
                shown.push(view::History {
                    device: given.device.to_string(),
                    name: name_of(store, &given.device)?,
                    is_given: true,
                    state: app.given_state(given)?,
                });
            }
            for taken in &row.taken {
                shown.push(view::History {
                    device: taken.device.to_string(),
                    name: name_of(store, &taken.device)?,
                    is_given: false,
                    state: app.taken_state(taken),
                });
            }
            Ok(shown)
        })
        .await
    }

    /// Gives another computer of the account what this one remembers, once more from the beginning. What
    /// is there already stays as it is.
    ///
    /// # Errors
    /// [`Failure::NotFound`] for this computer itself and for one that is not the account's.
    pub async fn give_history(&self, device: String) -> Result<Vec<view::History>, Failure> {
        let device: DeviceId = id(&device)?;
        let this = self.signer().ok_or(Failure::Locked)?.device;
        let now = self.now();
        let mut rng = self.chance.draw();
        let mut names = self.chance.draw();
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let useless = self
            .with_store(move |store| {
                let card = own_card(&store.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?)?;
                let other = card.body().device(&device);
                other
                    .filter(|other| other.device_id != this)
                    .ok_or(Failure::NotFound)?;
                let waiting = carriage.outbox()?;
                Ok(store.commit(&mut rng, |tx| {
                    let useless = giving::drop_parts(tx, device, &waiting)?;
                    begin(tx, device, now, &mut names)?;
                    Ok::<_, VaultError>(useless)
                })?)
            })
            .await?;
        for file in useless {
            self.forget_file(file).await;
        }
        self.wakers.history.notify_one();
        self.tell(Change::Link);
        self.histories().await
    }

    /// A device signed that it could not open a part's message. False when it is none of a part.
    pub(crate) async fn give_part_again(&self, watch: &Watch) -> Result<bool, Failure> {
        let (envelope, to) = (watch.envelope, watch.to);
        let mut rng = self.chance.draw();
        let is_part = self
            .with_store(move |store| {
                Ok(store.commit(&mut rng, |tx| {
                    let is_part = forget_part(tx, &envelope)?;
                    if is_part {
                        tx.carriage().unwatch(&envelope, &to);
                    }
                    Ok::<_, VaultError>(is_part)
                })?)
            })
            .await?;
        self.wakers.history.notify_one();
        Ok(is_part)
    }

    async fn carry_histories(&self) -> Result<(), Failure> {
        let row = self.with_store(all).await?;
        let mut went = Ok(());
        for given in row.given {
            if let Err(failure) = self.give_on(given.device).await {
                went = Err(failure);
            }
        }
        for taken in row.taken {
            if taken.state == TakenState::Underway
                && let Err(failure) = self.take_on(taken.device).await
            {
                went = Err(failure);
            }
        }
        went
    }

    fn given_state(&self, given: &Given) -> Result<HistoryState, Failure> {
        let since = millis(given.since);
        Ok(match given.state {
            GivenState::Underway if given.parts.iter().all(|part| part.delivery.is_none()) => {
                HistoryState::Waiting
            }
            GivenState::Underway => HistoryState::Underway {
                done: self.handed_in(given)?.min(given.total),
                total: given.total,
            },
            GivenState::Sent => HistoryState::Sent { since },
            GivenState::Taken => HistoryState::Done { since },
            GivenState::Failed => HistoryState::Failed { since },
        })
    }

    /// Bytes that the relay has.
    fn handed_in(&self, given: &Given) -> Result<u64, Failure> {
        let waiting = match self.carriage() {
            Some(carriage) => carriage.outbox()?,
            None => Vec::new(),
        };
        let mut done = 0;
        for part in &given.parts {
            let Some(delivery) = &part.delivery else {
                continue;
            };
            done += match delivery.state {
                DeliveryState::Sealed => {
                    let mut rows = waiting.iter();
                    let row = rows.find(|row| row.envelope == delivery.envelope);
                    let progress = row.and_then(|row| held(&self.sending).progress(&row.id));
                    progress.map_or(0, |(done, _)| done)
                }
                _ => part.file.sealed_length,
            };
        }
        Ok(done)
    }

    fn taken_state(&self, taken: &TakenIn) -> HistoryState {
        let since = millis(taken.since);
        match taken.state {
            TakenState::Underway => {
                let mut parts = taken.parts.iter();
                let fetched = parts.find_map(|(_, file)| self.transfers.progress(&file.id));
                let done = taken.done + fetched.map_or(0, |(done, _)| done);
                HistoryState::Underway {
                    done: done.min(taken.total),
                    total: taken.total,
                }
            }
            TakenState::Done => HistoryState::Done { since },
            TakenState::Failed => HistoryState::Failed { since },
        }
    }
}

fn name_of(store: &Store, device: &DeviceId) -> Result<Option<String>, Failure> {
    Ok(store.load::<Device>(device)?.map(|device| device.name))
}

fn all(store: &Store) -> Result<History, Failure> {
    Ok(store.load::<History>(&())?.unwrap_or_default())
}

fn load(tx: &Tx<'_>) -> Result<History, VaultError> {
    Ok(tx.load::<History>(&())?.unwrap_or_default())
}
