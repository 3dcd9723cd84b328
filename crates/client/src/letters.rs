//! Reading: the lists, one envelope, and the status bar.

use crate::app::{App, blocking, held};
use crate::contacts::{id, millis, party};
use crate::failure::Failure;
use crate::outbox::reason;
use crate::view::{
    Change, EnvelopeRow, EnvelopeView, Folder, IncomingState, OutgoingState, Page, Recipient,
    Status,
};
use std::collections::HashMap;
use waxwing_vault::rows::{
    Delivery, DeliveryState, Incoming, MailBox, Message, Outgoing, OutgoingState as Waits, Place,
};
use waxwing_vault::{Cursor, Order, Store};
use waxwing_wire::ids::{AccountId, EnvelopeId, MessageId};

/// A sender's clock that differs by more is shown beside the relay's time.
const CLAIM_SLACK: u64 = 120;
const PREVIEW: usize = 140;
/// Ids of envelopes that cannot be opened begin so; the relay's number and the relay's own follow.
const SEALED: &str = "sealed-";

/// What the outbox says of each envelope in it, and whether another goes before it.
struct Lanes(HashMap<EnvelopeId, Lane>);

/// One envelope in the outbox: its row, whether another goes before it, and how far it is sent.
type Lane = (Outgoing, bool, Option<(u64, u64)>);

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
                        row: reader.row(&message)?,
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
            Ok((
                u32::try_from(carriage.outbox_count()?).unwrap_or(u32::MAX),
                waiting,
                drafts,
                next,
            ))
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
            let progress = sending.progress(&row.id);
            lanes.insert(row.envelope, (row, behind, progress));
        }
        Ok(Lanes(lanes))
    }
}

struct Reader<'a> {
    store: &'a Store,
    me: AccountId,
    lanes: &'a Lanes,
}

impl Reader<'_> {
    fn inbox(
        &self,
        waiting: &[Incoming],
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<EnvelopeRow>, Failure> {
        let mut page = self.page(MailBox::Inbox, cursor, limit, |_| true)?;
        let sealed: Vec<EnvelopeRow> = waiting
            .iter()
            .filter(|row| row.reason.is_some())
            .map(|row| unopened_view(row).row)
            .collect();
        page.total += count(sealed.len());
        if cursor.is_none() {
            page.items.extend(sealed);
            page.items.sort_by_key(|row| std::cmp::Reverse(row.at));
        }
        Ok(page)
    }

    fn sent(&self, cursor: Option<&str>, limit: usize) -> Result<Page<EnvelopeRow>, Failure> {
        self.page(MailBox::Sent, cursor, limit, |message| {
            !self.is_in_outbox(message)
        })
    }

    fn outbox(&self) -> Result<Page<EnvelopeRow>, Failure> {
        let mut items: Vec<EnvelopeRow> = Vec::new();
        for envelope in self.lanes.0.keys() {
            let Some((MailBox::Sent, key)) = self.store.find_envelope(envelope)? else {
                continue;
            };
            if items
                .iter()
                .any(|row| row.id == letter_id(MailBox::Sent, &key))
            {
                continue;
            }
            if let Some(message) = self.store.load::<Message>(&(MailBox::Sent, key))? {
                items.push(self.row(&message)?);
            }
        }
        items.sort_by(|one, other| other.at.cmp(&one.at).then_with(|| other.id.cmp(&one.id)));
        let total = count(items.len());
        Ok(Page {
            items,
            next: None,
            total,
        })
    }

    fn page(
        &self,
        mailbox: MailBox,
        cursor: Option<&str>,
        limit: usize,
        wanted: impl Fn(&Message) -> bool,
    ) -> Result<Page<EnvelopeRow>, Failure> {
        let after = cursor
            .map(str::parse::<Cursor>)
            .transpose()
            .map_err(|_| Failure::NotFound)?;
        let page = waxwing_vault::Page {
            after,
            limit,
            order: Order::NewestFirst,
        };
        let listing = self.store.messages(mailbox, &page)?;
        let mut total = u32::try_from(listing.total).unwrap_or(u32::MAX);
        let mut items = Vec::with_capacity(listing.rows.len());
        for message in &listing.rows {
            if wanted(message) {
                items.push(self.row(message)?);
            } else {
                total = total.saturating_sub(1);
            }
        }
        Ok(Page {
            items,
            next: listing.next.map(|cursor| cursor.to_string()),
            total,
        })
    }

    fn is_in_outbox(&self, message: &Message) -> bool {
        let mut deliveries = message
            .recipients
            .iter()
            .flat_map(|party| &party.deliveries);
        deliveries.any(|delivery| self.lanes.0.contains_key(&delivery.envelope))
    }

    fn row(&self, message: &Message) -> Result<EnvelopeRow, Failure> {
        let incoming = message.mailbox == MailBox::Inbox;
        let at = message.relay_at.unwrap_or(message.at);
        let folder = match message.mailbox {
            MailBox::Inbox => Folder::Inbox,
            MailBox::Sent if self.is_in_outbox(message) => Folder::Outbox,
            MailBox::Sent => Folder::Sent,
        };
        let to = if incoming {
            Vec::new()
        } else {
            let recipients = message.recipients.iter().map(|recipient| {
                Ok(Recipient {
                    party: party(self.store, &recipient.account, &self.me)?,
                    state: self.state(&recipient.deliveries),
                    left_out: recipient.left_out,
                })
            });
            recipients.collect::<Result<_, Failure>>()?
        };
        let opened = if message.opened {
            IncomingState::Opened
        } else {
            IncomingState::Waiting
        };
        Ok(EnvelopeRow {
            id: letter_id(message.mailbox, &message.id),
            folder,
            from: incoming
                .then(|| party(self.store, &message.sender, &self.me))
                .transpose()?,
            to,
            incoming: incoming.then_some(opened),
            subject: message.subject.to_string(),
            preview: preview(&message.body),
            at: millis(at),
            claimed_at: (incoming && message.claimed_at.abs_diff(at) > CLAIM_SLACK)
                .then(|| millis(message.claimed_at)),
            attachments: count(message.attachments.len()),
        })
    }

    /// How far a recipient's envelope is: what the outbox says, else the device that is furthest
    /// behind.
    fn state(&self, deliveries: &[Delivery]) -> OutgoingState {
        let waiting = deliveries
            .iter()
            .find_map(|delivery| self.lanes.0.get(&delivery.envelope));
        if let Some((row, behind, progress)) = waiting {
            let why = || {
                row.reason
                    .as_deref()
                    .map_or(crate::view::Reason::RelayError, reason)
            };
            return match (progress, row.state) {
                (Some((done, total)), _) => OutgoingState::Sending {
                    done: *done,
                    total: *total,
                },
                (None, Waits::WillRetry) if !behind => OutgoingState::Retrying {
                    reason: why(),
                    next_try: millis(row.next_try),
                },
                (None, Waits::NeedsYou | Waits::Held) => OutgoingState::NeedsYou { reason: why() },
                (None, _) => OutgoingState::Queued { behind: *behind },
            };
        }
        let furthest_behind =
            deliveries
                .iter()
                .map(|delivery| delivery.state)
                .min_by_key(|state| match state {
                    DeliveryState::Refused => 0,
                    DeliveryState::Sealed | DeliveryState::Held | DeliveryState::Retry => 1,
                    DeliveryState::AtRelay => 2,
                    DeliveryState::Expired | DeliveryState::Unknown => 3,
                    DeliveryState::Recalled => 4,
                    DeliveryState::Fetched => 5,
                });
        match furthest_behind {
            Some(DeliveryState::AtRelay) => OutgoingState::AtRelay,
            Some(DeliveryState::Fetched) => OutgoingState::Fetched,
            Some(DeliveryState::Expired | DeliveryState::Unknown) => OutgoingState::Expired,
            Some(DeliveryState::Recalled) => OutgoingState::Recalled,
            Some(DeliveryState::Refused) => OutgoingState::NeedsYou {
                reason: crate::view::Reason::Rejected,
            },
            Some(DeliveryState::Sealed | DeliveryState::Held | DeliveryState::Retry) | None => {
                OutgoingState::Sealed
            }
        }
    }
}

fn unopened_view(row: &Incoming) -> EnvelopeView {
    let state = match &row.reason {
        None => IncomingState::Waiting,
        Some(code) => IncomingState::Unopenable {
            reason: serde_json::from_value(serde_json::Value::from(code.as_str()))
                .unwrap_or(crate::view::Unopenable::Damaged),
        },
    };
    EnvelopeView {
        row: EnvelopeRow {
            id: format!("{SEALED}{}-{}", row.relay, row.seq),
            folder: Folder::Inbox,
            from: None,
            to: Vec::new(),
            incoming: Some(state),
            subject: String::new(),
            preview: String::new(),
            at: millis(row.received_at),
            claimed_at: None,
            attachments: 0,
        },
        body: String::new(),
        unknown_kind: None,
        files: Vec::new(),
        in_reply_to: None,
        missing_before: 0,
        other_before: false,
    }
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

fn preview(body: &str) -> String {
    let words = body.split_whitespace();
    let mut preview = String::new();
    for word in words {
        if preview.chars().count() + word.chars().count() > PREVIEW {
            break;
        }
        if !preview.is_empty() {
            preview.push(' ');
        }
        preview.push_str(word);
    }
    if preview.is_empty() {
        body.chars().take(PREVIEW).collect()
    } else {
        preview
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
