//! What became of an envelope after it was handed in: fetched, expired, or to be sealed again.
//!
//! The relay is asked by envelope id and waits with its answer until something changed. What is
//! learned while the vault is locked is kept beside the ciphertext and entered into the message at
//! the next unlock.

use crate::app::{App, blocking};
use crate::backoff;
use crate::directory;
use crate::failure::Failure;
use crate::letters::letter_key;
use crate::line::LineError;
use crate::view::{Change, Folder, RelayState};
use rand::RngExt;
use std::time::Duration;
use waxwing_vault::rows::{Contact, DeliveryState, MailBox, Message, Watch};
use waxwing_wire::api::{EnvelopeState, StatusAsk, StatusItem, StatusQuery};
use waxwing_wire::ids::{AccountId, MessageId};
use waxwing_wire::retry::Retry;

/// Most envelopes asked about at once.
const MOST: usize = 256;
const ROUND: Duration = Duration::from_secs(60);

/// Follows what was handed in.
pub(crate) async fn run(app: App) {
    let mut failures = 0;
    loop {
        if let Err(failure) = app.enter_watched().await {
            tracing::warn!(%failure, "the state of a sent envelope is entered later");
        }
        let online = matches!(app.known().relay, RelayState::Online { .. });
        let asked = match app.asks().await {
            Ok(asks) if !asks.is_empty() && online => tokio::select! {
                // Woken: there is more to ask about.
                () = app.wakers.watch.notified() => continue,
                asked = app.ask(asks) => asked,
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
    async fn asks(&self) -> Result<Vec<StatusAsk>, Failure> {
        let Some(carriage) = self.carriage().filter(|_| self.signer().is_some()) else {
            return Ok(Vec::new());
        };
        let now = self.now();
        let watched = blocking(move || Ok(carriage.watched()?)).await?;
        Ok(watched
            .into_iter()
            .filter(|watch| watch.state == DeliveryState::AtRelay && watch.until > now)
            .take(MOST)
            .map(|watch| StatusAsk {
                env_id: watch.envelope,
                to: watch.to,
                known: EnvelopeState::AtRelay,
            })
            .collect())
    }

    /// Asks once and keeps what changed.
    async fn ask(&self, items: Vec<StatusAsk>) -> Result<(), LineError> {
        let line = self.line().await?;
        let answer = line.status(StatusQuery { wait: 0, items }).await?;
        let changed: Vec<StatusItem> = answer
            .items
            .into_iter()
            .filter(|item| item.state != EnvelopeState::AtRelay)
            .collect();
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
                    if let Some(known) = known {
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
        let Ok(store) = self.store() else {
            return Ok(());
        };
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let now = self.now();
        let watched = blocking(move || Ok(carriage.watched()?)).await?;
        let mut again = Vec::new();
        for mut watch in watched {
            if watch.state == DeliveryState::AtRelay && watch.until <= now {
                (watch.state, watch.unapplied) = (DeliveryState::Expired, true);
            }
            if !watch.unapplied {
                continue;
            }
            let mut rng = self.chance.draw();
            let store = store.clone();
            let entered = blocking(move || {
                let found = store.find_envelope(&watch.envelope)?;
                store.commit(&mut rng, |tx| {
                    let message = match found {
                        Some((MailBox::Sent, id)) => tx.load::<Message>(&(MailBox::Sent, id))?,
                        _ => None,
                    };
                    let mut retry = None;
                    if let Some(mut message) = message {
                        for party in &mut message.recipients {
                            for delivery in &mut party.deliveries {
                                if delivery.envelope == watch.envelope && delivery.to == watch.to {
                                    (delivery.state, delivery.since) = (watch.state, watch.since);
                                    if watch.state == DeliveryState::Retry {
                                        retry = Some((message.id, party.account));
                                    }
                                }
                            }
                        }
                        tx.put(&message)?;
                    }
                    if watch.state == DeliveryState::AtRelay {
                        tx.carriage().watch(&Watch {
                            unapplied: false,
                            ..watch.clone()
                        })?;
                    } else {
                        tx.carriage().unwatch(&watch.envelope, &watch.to);
                    }
                    Ok::<_, Failure>(
                        retry.map(|(message, account)| (message, account, watch.statement)),
                    )
                })
            })
            .await?;
            again.extend(entered);
            self.tell(Change::Envelopes {
                folder: Folder::Sent,
                id: None,
            });
        }
        for (message, account, statement) in again {
            self.answer_retry(message, account, statement.as_deref())
                .await?;
        }
        Ok(())
    }

    /// Seals again for a recipient who signed that he could not open the envelope.
    async fn answer_retry(
        &self,
        message: MessageId,
        account: AccountId,
        statement: Option<&[u8]>,
    ) -> Result<(), Failure> {
        let contact = self
            .with_store(move |store| store.load::<Contact>(&account)?.ok_or(Failure::NotFound))
            .await?;
        let genuine = statement
            .and_then(|bytes| Retry::decode(bytes).ok())
            .zip(directory::pinned(&contact))
            .is_some_and(|(retry, card)| retry.verify(&card).is_ok());
        if !genuine {
            // The relay may have made it up: nothing leaves because of it.
            tracing::warn!("a retry statement does not verify");
            return Ok(());
        }
        self.seal_again(message, account).await
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
        let waiting: Vec<_> = sent
            .recipients
            .iter()
            .flat_map(|party| &party.deliveries)
            .filter(|delivery| delivery.state == DeliveryState::AtRelay)
            .cloned()
            .collect();
        if waiting.is_empty() {
            return Err(Failure::NotFound);
        }
        let line = self.line().await?;
        let now = self.now();
        let mut rng = self.chance.draw();
        let mut ended = Vec::new();
        for delivery in waiting {
            let answer = line.recall(&delivery.envelope, &delivery.to).await?;
            ended.push((delivery, state(answer.state)));
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
