//! What became of an envelope after it was handed in: fetched, expired, or to be sealed again.
//!
//! The relay is asked by envelope id and waits with its answer until something changed. What is
//! learned while the vault is locked is kept beside the ciphertext and entered into the message at
//! the next unlock.

use crate::app::{App, blocking};
use crate::backoff;
use crate::directory;
use crate::failure::Failure;
use crate::history;
use crate::letters::letter_key;
use crate::line::{Line, LineError};
use crate::renewal;
use crate::view::{Change, Folder, RelayState};
use rand::RngExt;
use std::time::Duration;
use waxwing_vault::rows::{Contact, Delivery, DeliveryState, MailBox, Message, Party, Watch};
use waxwing_wire::api::{EnvelopeState, StatusAsk, StatusItem};
use waxwing_wire::ids::{EnvelopeId, MailboxId};
use waxwing_wire::retry::Retry;

/// Most envelopes asked about at once.
const MOST: usize = 256;
const ROUND: Duration = Duration::from_secs(60);

/// Follows what was handed in.
pub(crate) async fn run(app: App) {
    let mut failures = 0;
    for turn in 0.. {
        if let Err(failure) = app.enter_watched().await {
            tracing::warn!(%failure, "the state of a sent envelope is entered later");
        }
        let online = matches!(app.known().relay, RelayState::Online { .. });
        let asks = match app.line().await {
            Ok(line) if online => app.asks(line.relay(), turn).await.map(|asks| (line, asks)),
            _ => Err(Failure::Locked),
        };
        let asked = match asks {
            Ok((line, asks)) if !asks.is_empty() => tokio::select! {
                // Woken: there is more to ask about.
                () = app.wakers.watch.notified() => continue,
                asked = app.ask(&line, asks, true) => asked,
            },
            _ => {
                tokio::select! {
                    () = app.wakers.watch.notified() => {}
                    () = tokio::time::sleep(ROUND) => {}
                }
                continue;
            }
        };
        match asked {
            Ok(()) => failures = 0,
            Err(error) => {
                tracing::info!(%error, "the relay is asked again later what became of envelopes");
                failures += 1;
                let pause = backoff::pause(failures, app.chance.draw().random());
                tokio::select! {
                    () = app.wakers.watch.notified() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }
}

impl App {
    /// What to ask about: what waits at the relay, and in turns what was fetched, because who was
    /// locked finds out only at unlocking that an envelope does not open.
    async fn asks(&self, relay: u32, turn: usize) -> Result<Vec<StatusAsk>, Failure> {
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let now = self.now();
        let watched = blocking(move || Ok(carriage.watched()?)).await?;
        let (waiting, fetched): (Vec<Watch>, Vec<Watch>) = watched
            .into_iter()
            .filter(|watch| watch.relay == relay && watch.until > now && !watch.unapplied)
            .partition(|watch| watch.state == DeliveryState::AtRelay);
        let places = MOST.saturating_sub(waiting.len()).min(fetched.len());
        let first = (turn * MOST).checked_rem(fetched.len()).unwrap_or(0);
        let in_turn = fetched.iter().cycle().skip(first).take(places);
        Ok(waiting
            .iter()
            .take(MOST)
            .chain(in_turn)
            .map(|watch| StatusAsk {
                env_id: watch.envelope,
                to: watch.to,
                known: match watch.state {
                    DeliveryState::AtRelay => EnvelopeState::AtRelay,
                    _ => EnvelopeState::Fetched,
                },
            })
            .collect())
    }

    /// Asks a relay that was left, without waiting.
    pub(crate) async fn ask_left(&self, line: &Line) -> Result<(), LineError> {
        let asks = self.asks(line.relay(), 0).await.unwrap_or_default();
        if !asks.is_empty() {
            self.ask(line, asks, false).await?;
            self.wakers.watch.notify_one();
        }
        Ok(())
    }

    /// Asks once and keeps what changed.
    async fn ask(&self, line: &Line, items: Vec<StatusAsk>, wait: bool) -> Result<(), LineError> {
        let known = items.clone();
        let answer = line.status(items, wait).await?;
        let is_news = |item: &StatusItem| {
            known
                .iter()
                .find(|ask| ask.env_id == item.env_id && ask.to == item.to)
                .is_some_and(|ask| ask.known != item.state)
        };
        let changed: Vec<StatusItem> = answer.items.into_iter().filter(is_news).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let Some(carriage) = self.carriage() else {
            return Ok(());
        };
        let now = self.now();
        let kept = blocking(move || {
            let watched = carriage.watched()?;
            carriage.commit(|tx| {
                for item in changed {
                    let known = watched
                        .iter()
                        .find(|w| w.envelope == item.env_id && w.to == item.to);
                    let Some(known) = known else { continue };
                    if known.state == DeliveryState::Fetched && item.state != EnvelopeState::Retry {
                        // Forgotten by the relay: nothing more will be heard of it.
                        tx.unwatch(&known.envelope, &known.to);
                    } else {
                        tx.watch(&Watch {
                            state: state(item.state),
                            since: now,
                            unapplied: true,
                            statement: item.statement.map(|statement| statement.0),
                            ..known.clone()
                        })?;
                    }
                }
                Ok::<_, Failure>(())
            })
        });
        if let Err(failure) = kept.await {
            tracing::error!(%failure, "what became of an envelope could not be kept");
        }
        Ok(())
    }

    /// Enters what is known into the messages, and seals again what could not be opened.
    pub(crate) async fn enter_watched(&self) -> Result<(), Failure> {
        if self.known().store.is_none() {
            return Ok(());
        }
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let now = self.now();
        let watched = blocking(move || Ok(carriage.watched()?)).await?;
        for mut watch in watched {
            if watch.until <= now && !watch.unapplied {
                if watch.state == DeliveryState::AtRelay {
                    watch.state = DeliveryState::Expired;
                }
                watch.unapplied = true;
            }
            if !watch.unapplied {
                continue;
            }
            let entered = match watch.state {
                DeliveryState::Retry => self.answer_retry(watch).await,
                _ => self.enter(watch).await,
            };
            if let Err(failure) = entered {
                // The others do not wait for it: the relay may be needed, and away.
                tracing::info!(%failure, "the state of a sent envelope is entered later");
            }
            self.tell(Change::Envelopes {
                folder: Folder::Sent,
                id: None,
            });
        }
        Ok(())
    }

    /// Enters one state into its message. What was fetched is watched on while it may come back.
    async fn enter(&self, watch: Watch) -> Result<(), Failure> {
        let watched_on = watch.until > self.now()
            && matches!(watch.state, DeliveryState::AtRelay | DeliveryState::Fetched);
        let mut rng = self.chance.draw();
        self.with_store(move |store| {
            let found = store.find_envelope(&watch.envelope)?;
            store.commit(&mut rng, |tx| {
                if let Some((MailBox::Sent, id)) = found
                    && let Some(mut message) = tx.load::<Message>(&(MailBox::Sent, id))?
                {
                    for delivery in message
                        .recipients
                        .iter_mut()
                        .flat_map(|party| &mut party.deliveries)
                    {
                        if delivery.envelope == watch.envelope && delivery.to == watch.to {
                            (delivery.state, delivery.since) = (watch.state, watch.since);
                        }
                    }
                    tx.put(&message)?;
                }
                let entered = (watch.state, watch.since);
                let is_notice = renewal::enter_notice(tx, &watch.envelope, &watch.to, entered)?
                    || history::enter_part(tx, &watch.envelope, &watch.to, entered)?;
                if watched_on {
                    tx.carriage().watch(&Watch {
                        unapplied: false,
                        ..watch
                    })?;
                } else {
                    tx.carriage().unwatch(&watch.envelope, &watch.to);
                }
                Ok::<_, Failure>(is_notice)
            })
        })
        .await
        .map(|is_notice| self.tell_of_notice(is_notice))
    }

    /// Seals again for a recipient who signed that he could not open the envelope. Until that is
    /// in the outbox, the statement stays.
    async fn answer_retry(&self, watch: Watch) -> Result<(), Failure> {
        let wanted = watch.clone();
        let found = self
            .with_store(move |store| {
                let Some((MailBox::Sent, id)) = store.find_envelope(&wanted.envelope)? else {
                    return Ok(None);
                };
                let message = store.load::<Message>(&(MailBox::Sent, id))?;
                let party = message
                    .iter()
                    .flat_map(|message| &message.recipients)
                    .find(|party| {
                        party.deliveries.iter().any(|delivery| {
                            delivery.envelope == wanted.envelope && delivery.to == wanted.to
                        })
                    });
                let Some(party) = party else {
                    return Ok(None);
                };
                let contact = store.load::<Contact>(&party.account)?;
                Ok(contact.map(|contact| (id, contact)))
            })
            .await?;
        let genuine = |contact: &Contact| {
            let statement = watch.statement.as_deref()?;
            let retry = Retry::decode(statement).ok()?;
            let retry = retry.verify(&directory::pinned(contact)?).ok()?;
            let about = retry.body();
            (about.env_id == watch.envelope && about.to == watch.to).then_some(())
        };
        if let Some((message, contact)) = found {
            if genuine(&contact).is_some() {
                return self.seal_again(message, contact.account, watch).await;
            }
            // The relay may have made it up: nothing leaves because of it.
            tracing::warn!("a retry statement does not verify");
        }
        let account = self.signer().ok_or(Failure::Locked)?.account;
        let me = self.find_contact(account).await?;
        if me.is_some_and(|me| genuine(&me).is_some()) && self.give_part_again(&watch).await? {
            return Ok(());
        }
        let state = DeliveryState::Unknown;
        self.enter(Watch { state, ..watch }).await
    }

    /// Takes copies for the account's other devices back from the relay, as far as they are there.
    pub(crate) fn take_back_copies(&self, copies: Vec<Delivery>) {
        if copies.is_empty() {
            return;
        }
        let app = self.clone();
        self.spawn(async move {
            let taken_back = async { take_all_back(&app.lines().await?, copies).await };
            if let Err(failure) = taken_back.await {
                tracing::info!(%failure, "another computer may show what was not sent");
            }
        });
    }

    /// Takes back what is still at the relay.
    ///
    /// # Errors
    /// [`Failure::NotFound`] when nothing of it is there any more, [`Failure::Relay`].
    pub async fn recall(&self, message: String) -> Result<(), Failure> {
        let (_, key) = letter_key(&message)?;
        let sent = self
            .with_store(move |store| {
                store
                    .load::<Message>(&(MailBox::Sent, key))?
                    .ok_or(Failure::NotFound)
            })
            .await?;
        let (copies, shown): (Vec<&Party>, _) =
            sent.recipients.iter().partition(|party| party.is_copy);
        let waiting = at_relay(&shown);
        if waiting.is_empty() {
            return Err(Failure::NotFound);
        }
        let lines = self.lines().await?;
        let now = self.now();
        let mut rng = self.chance.draw();
        let mut ended = take_all_back(&lines, waiting).await?;
        let is_back = |delivery: &Delivery| {
            let mut ended = ended.iter();
            let now_is =
                ended.find(|(old, _)| old.envelope == delivery.envelope && old.to == delivery.to);
            now_is.map_or(delivery.state, |(_, state)| *state) == DeliveryState::Recalled
        };
        if shown
            .iter()
            .flat_map(|party| &party.deliveries)
            .all(is_back)
        {
            // Nobody got it: the account's other devices need not have it either.
            ended.extend(take_all_back(&lines, at_relay(&copies)).await?);
        }
        self.with_store(move |store| {
            store.commit(&mut rng, |tx| {
                let mut message = tx
                    .load::<Message>(&(MailBox::Sent, key))?
                    .ok_or(Failure::NotFound)?;
                for delivery in message
                    .recipients
                    .iter_mut()
                    .flat_map(|party| &mut party.deliveries)
                {
                    let now_is = ended.iter().find(|(old, _)| {
                        old.envelope == delivery.envelope && old.to == delivery.to
                    });
                    if let Some((_, state)) = now_is {
                        (delivery.state, delivery.since) = (*state, now);
                    }
                }
                for (delivery, _) in &ended {
                    tx.carriage().unwatch(&delivery.envelope, &delivery.to);
                }
                Ok::<_, Failure>(tx.put(&message)?)
            })
        })
        .await?;
        self.tell(Change::Envelopes {
            folder: Folder::Sent,
            id: Some(message),
        });
        Ok(())
    }
}

fn at_relay(parties: &[&Party]) -> Vec<Delivery> {
    let deliveries = parties.iter().flat_map(|party| &party.deliveries);
    let waiting = deliveries.filter(|delivery| delivery.state == DeliveryState::AtRelay);
    waiting.cloned().collect()
}

/// Takes envelopes back; gives what became of each.
async fn take_all_back(
    lines: &[Line],
    waiting: Vec<Delivery>,
) -> Result<Vec<(Delivery, DeliveryState)>, Failure> {
    let mut ended = Vec::new();
    for delivery in waiting {
        let fate = take_back(lines, &delivery.envelope, &delivery.to).await?;
        ended.push((delivery, state(fate)));
    }
    Ok(ended)
}

/// Takes an envelope back from whichever relay has it; gives what became of it.
pub(crate) async fn take_back(
    lines: &[Line],
    envelope: &EnvelopeId,
    to: &MailboxId,
) -> Result<EnvelopeState, Failure> {
    let mut fate = EnvelopeState::Unknown;
    for line in lines {
        fate = line.recall(envelope, to).await?.state;
        if fate != EnvelopeState::Unknown {
            break;
        }
    }
    Ok(fate)
}

fn state(state: EnvelopeState) -> DeliveryState {
    match state {
        EnvelopeState::AtRelay => DeliveryState::AtRelay,
        EnvelopeState::Fetched => DeliveryState::Fetched,
        EnvelopeState::Retry => DeliveryState::Retry,
        EnvelopeState::Expired => DeliveryState::Expired,
        EnvelopeState::Recalled => DeliveryState::Recalled,
        EnvelopeState::Unknown => DeliveryState::Unknown,
    }
}
