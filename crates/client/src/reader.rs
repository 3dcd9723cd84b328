//! Rows of the lists: what the vault and the outbox hold, as a window shows it.

use crate::contacts::{millis, party};
use crate::drops::drop_source;
use crate::failure::Failure;
use crate::letters::{SEALED, letter_id};
use crate::outbox::reason;
use crate::view::{
    EnvelopeRow, EnvelopeView, Folder, IncomingState, OutgoingState, Page, Recipient,
};
use std::collections::HashMap;
use waxwing_vault::rows::{
    Delivery, DeliveryState, Head, Incoming, MailBox, Message, Outgoing, OutgoingState as Waits,
};
use waxwing_vault::{Cursor, Order, Store};
use waxwing_wire::ids::{AccountId, EnvelopeId};

/// A sender's clock that differs by more is shown beside the relay's time.
const CLAIM_SLACK: u64 = 120;
/// What the outbox says of each envelope in it, and whether another goes before it.
pub(crate) struct Lanes(pub(crate) HashMap<EnvelopeId, Lane>);

/// One envelope in the outbox: its row, whether another goes before it, and how far it is sent.
pub(crate) type Lane = (Outgoing, bool, Option<(u64, u64)>);

/// Makes rows of what the vault holds.
pub(crate) struct Reader<'a> {
    pub(crate) store: &'a Store,
    pub(crate) me: AccountId,
    pub(crate) lanes: &'a Lanes,
}

impl Reader<'_> {
    pub(crate) fn inbox(
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

    pub(crate) fn sent(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<EnvelopeRow>, Failure> {
        self.page(MailBox::Sent, cursor, limit, |message| {
            !self.is_in_outbox(message)
        })
    }

    pub(crate) fn outbox(&self) -> Result<Page<EnvelopeRow>, Failure> {
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
                items.push(self.row(&message.head())?);
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
        wanted: impl Fn(&Head) -> bool,
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
        for head in &listing.rows {
            if wanted(head) {
                items.push(self.row(head)?);
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

    fn is_in_outbox(&self, message: &Head) -> bool {
        let mut deliveries = message
            .recipients
            .iter()
            .flat_map(|party| &party.deliveries);
        deliveries.any(|delivery| self.lanes.0.contains_key(&delivery.envelope))
    }

    pub(crate) fn row(&self, message: &Head) -> Result<EnvelopeRow, Failure> {
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
            let shown = message.recipients.iter().filter(|one| !one.is_copy);
            let recipients = shown.map(|recipient| {
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
            from: (incoming && message.drop.is_none())
                .then(|| party(self.store, &message.sender, &self.me))
                .transpose()?,
            drop: message.drop.as_ref().map(drop_source),
            to,
            incoming: incoming.then_some(opened),
            subject: message.subject.to_string(),
            preview: message.preview.to_string(),
            at: millis(at),
            claimed_at: (incoming && message.claimed_at.abs_diff(at) > CLAIM_SLACK)
                .then(|| millis(message.claimed_at)),
            attachments: message.attachments,
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
            Some(DeliveryState::Sealed | DeliveryState::Held | DeliveryState::Retry) => {
                OutgoingState::Sealed
            }
            None => OutgoingState::Elsewhere,
        }
    }
}

pub(crate) fn unopened_view(row: &Incoming) -> EnvelopeView {
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
            drop: None,
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

pub(crate) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
