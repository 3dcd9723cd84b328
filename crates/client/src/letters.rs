//! Reading: the lists, one envelope, and the status bar.

use crate::app::{App, blocking, held};
use crate::contacts::{id, millis};
use crate::failure::Failure;
use crate::reader::{Lanes, Reader, count, unopened_view};
use crate::view::{Change, EnvelopeRow, EnvelopeView, Folder, Page, Status};
use std::collections::HashMap;
use waxwing_vault::Carriage;
use waxwing_vault::rows::{MailBox, Message, OutgoingState as Waits, Place};
use waxwing_wire::ids::MessageId;

/// Ids of envelopes that cannot be opened begin so; the relay's number and the relay's own follow.
pub(crate) const SEALED: &str = "sealed-";

impl App {
    /// Part of a list, newest first.
    ///
    /// # Errors
    /// [`Failure::Locked`].
    pub async fn envelopes(
        &self,
        folder: Folder,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<EnvelopeRow>, Failure> {
        let limit = usize::try_from(limit.clamp(1, 500)).unwrap_or(500);
        let app = self.clone();
        let me = self.signer().ok_or(Failure::Locked)?.account;
        self.with_store(move |store| {
            let lanes = app.lanes()?;
            let reader = Reader {
                store,
                me,
                lanes: &lanes,
            };
            match folder {
                Folder::Outbox => reader.outbox(),
                Folder::Sent => reader.sent(cursor.as_deref(), limit),
                Folder::Inbox => {
                    let waiting = app
                        .carriage()
                        .map(|c| c.incoming())
                        .transpose()?
                        .unwrap_or_default();
                    reader.inbox(&waiting, cursor.as_deref(), limit)
                }
            }
        })
        .await
    }

    /// One envelope; reading an incoming one opens it.
    ///
    /// # Errors
    /// [`Failure::NotFound`].
    pub async fn envelope(&self, envelope: String) -> Result<EnvelopeView, Failure> {
        let app = self.clone();
        let me = self.signer().ok_or(Failure::Locked)?.account;
        let mut rng = self.chance.draw();
        let wanted = envelope.clone();
        let (view, first_look) = self
            .with_store(move |store| {
                let lanes = app.lanes()?;
                let reader = Reader {
                    store,
                    me,
                    lanes: &lanes,
                };
                if let Some(place) = sealed_place(&wanted) {
                    let waiting = app
                        .carriage()
                        .map(|c| c.incoming())
                        .transpose()?
                        .unwrap_or_default();
                    let row = waiting
                        .iter()
                        .find(|row| row.place() == place)
                        .ok_or(Failure::NotFound)?;
                    return Ok((unopened_view(row), false));
                }
                let mut message = store
                    .load::<Message>(&letter_key(&wanted)?)?
                    .ok_or(Failure::NotFound)?;
                let first_look = !message.opened;
                if first_look {
                    message.opened = true;
                    store.commit(&mut rng, |tx| tx.put(&message))?;
                }
                Ok((
                    EnvelopeView {
                        row: reader.row(&message.head())?,
                        body: message.body.to_string(),
                        unknown_kind: message.unknown.map(|unknown| unknown.content_type),
                        files: message
                            .attachments
                            .iter()
                            .map(|a| app.shown_attachment(a))
                            .collect(),
                        in_reply_to: message.in_reply_to.map(|answered| answered.to_string()),
                        missing_before: u32::try_from(message.missing)
                            .unwrap_or(u32::MAX)
                            .max(u32::from(message.gap)),
                        other_before: message.other_before,
                    },
                    first_look,
                ))
            })
            .await?;
        if first_look {
            self.tell(Change::Envelopes {
                folder: Folder::Inbox,
                id: Some(envelope),
            });
            self.tell(Change::Status);
        }
        Ok(view)
    }

    /// Deletes an envelope here. One in the outbox is not sent any more.
    ///
    /// # Errors
    /// [`Failure::NotFound`].
    pub async fn delete_envelope(&self, envelope: String) -> Result<(), Failure> {
        if let Some(place) = sealed_place(&envelope) {
            let carriage = self.carriage().ok_or(Failure::Locked)?;
            blocking(move || {
                carriage.commit(|tx| {
                    tx.remove_incoming(place);
                    Ok::<_, Failure>(())
                })
            })
            .await?;
        } else {
            self.delete_message(letter_key(&envelope)?).await?;
        }
        for folder in [Folder::Inbox, Folder::Outbox, Folder::Sent] {
            self.tell(Change::Envelopes {
                folder,
                id: Some(envelope.clone()),
            });
        }
        self.tell(Change::Status);
        Ok(())
    }

    async fn delete_message(&self, key: (MailBox, MessageId)) -> Result<(), Failure> {
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let app = self.clone();
        let mut rng = self.chance.draw();
        let files = self
            .with_store(move |store| {
                let message = store.load::<Message>(&key)?.ok_or(Failure::NotFound)?;
                let waiting = carriage.outbox()?;
                let mut files: Vec<_> = message.attachments.iter().map(|a| a.id).collect();
                // A note to oneself stands in two lists: its files stay until both are gone.
                let other = match message.mailbox {
                    MailBox::Inbox => MailBox::Sent,
                    MailBox::Sent => MailBox::Inbox,
                };
                if store.load::<Message>(&(other, key.1))?.is_some() {
                    files.clear();
                }
                store.commit(&mut rng, |tx| {
                    for delivery in message
                        .recipients
                        .iter()
                        .flat_map(|party| &party.deliveries)
                    {
                        for row in waiting
                            .iter()
                            .filter(|row| row.envelope == delivery.envelope)
                        {
                            app.stop_sending(row);
                            tx.carriage().remove(row)?;
                        }
                        tx.carriage().unwatch(&delivery.envelope, &delivery.to);
                    }
                    tx.delete::<Message>(&key)
                })?;
                Ok(files)
            })
            .await?;
        for file in files {
            self.forget_file(file).await;
        }
        Ok(())
    }

    /// The status bar.
    pub async fn status(&self) -> Status {
        let (carriage, store, relay) = {
            let known = self.known();
            (
                known.carriage.clone(),
                known.store.clone(),
                known.relay.clone(),
            )
        };
        let counted = blocking(move || {
            let Some(carriage) = carriage else {
                return Ok((0, 0, 0, None));
            };
            let mut waiting = count(
                carriage
                    .incoming()?
                    .iter()
                    .filter(|row| row.reason.is_none())
                    .count(),
            );
            let mut drafts = 0;
            if let Some(store) = store {
                waiting += u32::try_from(store.unopened()?).unwrap_or(u32::MAX);
                drafts =
                    u32::try_from(store.count::<waxwing_vault::rows::Draft>()?).unwrap_or(u32::MAX);
            }
            let next = carriage
                .heads()?
                .iter()
                .filter(|row| row.state == Waits::WillRetry)
                .map(|r| r.next_try)
                .min();
            Ok((outbox_count(&carriage)?, waiting, drafts, next))
        })
        .await;
        // The vault locked in between: nothing is told of it.
        let (outbox, waiting, drafts, next_try) = counted.unwrap_or_default();
        Status {
            profile: self.profile.clone(),
            relay,
            outbox,
            waiting,
            drafts,
            next_try: next_try.map(millis),
            lock_at: self.lock_at(),
            local_relay: self.local_relay(),
            can_strengthen: self.can_strengthen(),
        }
    }

    fn lanes(&self) -> Result<Lanes, Failure> {
        let Some(carriage) = self.carriage() else {
            return Ok(Lanes(HashMap::new()));
        };
        let sending = held(&self.sending);
        let mut lanes = HashMap::new();
        let mut last = None;
        for row in carriage.outbox()? {
            let behind = last == Some(row.lane);
            last = Some(row.lane);
            if row.is_notice {
                continue;
            }
            let progress = sending.progress(&row.id);
            lanes.insert(row.envelope, (row, behind, progress));
        }
        Ok(Lanes(lanes))
    }
}

/// How many messages of a person wait in the outbox; what the app says by itself is not counted.
pub(crate) fn outbox_count(carriage: &Carriage) -> Result<u32, Failure> {
    let rows = carriage.outbox()?;
    Ok(count(rows.iter().filter(|row| !row.is_notice).count()))
}

/// A message's id in a window: what one writes to oneself stands in two lists under one message id.
pub(crate) fn letter_id(mailbox: MailBox, message: &MessageId) -> String {
    match mailbox {
        MailBox::Inbox => format!("in-{message}"),
        MailBox::Sent => format!("out-{message}"),
    }
}

/// A message's place in the vault, from its id in a window.
pub(crate) fn letter_key(text: &str) -> Result<(MailBox, MessageId), Failure> {
    match text.split_once('-') {
        Some(("in", message)) => Ok((MailBox::Inbox, id(message)?)),
        Some(("out", message)) => Ok((MailBox::Sent, id(message)?)),
        _ => Err(Failure::NotFound),
    }
}

fn sealed_place(envelope: &str) -> Option<Place> {
    let (relay, seq) = envelope.strip_prefix(SEALED)?.split_once('-')?;
    Some(Place {
        relay: relay.parse().ok()?,
        seq: seq.parse().ok()?,
    })
}
