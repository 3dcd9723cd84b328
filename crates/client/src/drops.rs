//! Drop boxes: who has a box's link writes to this device sealed, without an account.
//!
//! What is dropped comes into the mailbox like every envelope ([`crate::inbox`]) and is known by its
//! `to`. A box is a row first and at the relay afterwards: `settle_drop_boxes` brings the relay to what
//! the rows say, and may be repeated. Carries out docs/protocol.md section 18.

use crate::app::App;
use crate::contacts::{id, millis};
use crate::failure::Failure;
use crate::filing::attachment;
use crate::line::LineError;
use crate::opening::Unopened;
use crate::qr::drawn;
use crate::view::{
    self, BurnRule, Change, DropBoxState, DropKind as ShownKind, Folder, Qr, Reason, Unopenable,
};
use waxwing_crypto::drop::{DropKey, OpenedDrop};
use waxwing_crypto::envelope::{OpenError, OwnDevice};
use waxwing_vault::rows::{
    DropBox, DropKind, DropSource, DropState, Incoming, MailBox, Message, Replay,
};
use waxwing_vault::{Tx, VaultError};
use waxwing_wire::api::PutDrop;
use waxwing_wire::b64::{self, B64};
use waxwing_wire::cose_key::Suite;
use waxwing_wire::drop::{DropRecord, is_plain};
use waxwing_wire::envelope::Envelope;
use waxwing_wire::ids::{AccountId, ConversationId, DropId};
use waxwing_wire::limits::{MAX_DROP_LIFE, MAX_DROP_NAME_BYTES};
use waxwing_wire::problem::Slug;
use zeroize::Zeroizing;

const DAY: u64 = 86_400;

impl App {
    /// The drop boxes of this computer, newest first.
    ///
    /// # Errors
    /// [`Failure::Locked`].
    pub async fn drop_boxes(&self) -> Result<Vec<view::DropBox>, Failure> {
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let left = self.relays_left().await?;
        let now = self.now();
        self.with_store(move |store| {
            let mut waiting = Vec::new();
            for row in carriage.incoming()? {
                let bytes = carriage.fetched(row.place())?.unwrap_or_default();
                waiting.extend(Envelope::decode(&bytes).map(|envelope| envelope.to));
            }
            let mut boxes = store.all::<DropBox>()?;
            boxes.retain(|one| one.state != DropState::Removed);
            boxes.sort_by_key(|one| std::cmp::Reverse((one.made_at, one.id)));
            let shown = boxes.into_iter().map(|one| {
                let to = one.id.mailbox();
                let waiting = waiting.iter().filter(|other| **other == to).count();
                let waiting = crate::reader::count(waiting);
                let is_left = left.contains(&one.relay);
                shown(one, waiting, is_left, now)
            });
            Ok(shown.collect())
        })
        .await
    }

    /// Makes a drop box that is open for some days, 366 at most. When the relay is away it is announced
    /// later.
    ///
    /// # Errors
    /// [`Failure::DropNameInvalid`], [`Failure::TooManyDropBoxes`]; [`Failure::Relay`] when the relay
    /// refuses, or is not found at all.
    pub async fn make_drop_box(
        &self,
        name: String,
        days: u32,
        burn: BurnRule,
    ) -> Result<view::DropBox, Failure> {
        let name = name.trim().to_owned();
        if name.is_empty() || !is_plain(&name, MAX_DROP_NAME_BYTES) {
            return Err(Failure::DropNameInvalid);
        }
        let line = self.line().await?;
        let mut rng = self.chance.draw();
        let id = DropId::generate(&mut rng);
        let key = DropKey::generate(id, name.clone(), &mut rng)
            .map_err(|_| Failure::internal("drop box"))?;
        let mut address = line.address_of(&format!("drop/{id}"))?;
        address.set_fragment(Some(&b64::encode(key.record().hash().as_ref())));
        let now = self.now();
        let made = DropBox {
            id,
            name,
            kind: DropKind::SealedHere {
                secret: Some(Zeroizing::new(*key.expose())),
            },
            record: key.record().encode(),
            relay: line.relay(),
            link: address.into(),
            once: burn == BurnRule::Once,
            made_at: now,
            expires_at: now + (u64::from(days).max(1) * DAY).min(MAX_DROP_LIFE),
            state: DropState::New,
            is_end_told: false,
            opened: 0,
            last_drop: None,
        };
        self.with_store(move |store| Ok(store.commit(&mut rng, |tx| tx.put(&made))?))
            .await?;
        self.tell(Change::DropBoxes);
        match self.settle_drop_box(id).await {
            Err(Failure::TooManyDropBoxes) => return Err(Failure::TooManyDropBoxes),
            Err(failure) => tracing::info!(%failure, "a drop box is announced later"),
            Ok(()) => {}
        }
        let boxes = self.drop_boxes().await?;
        let text = id.to_string();
        let made = boxes.into_iter().find(|one| one.id == text);
        made.ok_or(Reason::Rejected.into())
    }

    /// Ends a drop box for good: its key goes, and what still waits in it opens nowhere. What was opened
    /// stays in the inbox.
    ///
    /// # Errors
    /// [`Failure::NotFound`].
    pub async fn remove_drop_box(&self, drop: String) -> Result<(), Failure> {
        let id: DropId = id(&drop)?;
        let is_there = self
            .change_drop_box(id, |row| row.end(DropState::Removed))
            .await?;
        if !is_there {
            return Err(Failure::NotFound);
        }
        // What waits for it is dropped by who opens.
        if let Err(failure) = self.open_waiting().await {
            tracing::info!(%failure, "what waited in a drop box goes later");
        }
        if let Err(failure) = self.settle_drop_box(id).await {
            tracing::info!(%failure, "the relay is told later that a drop box ended");
        }
        self.tell(Change::DropBoxes);
        self.tell(Change::Envelopes {
            folder: Folder::Inbox,
            id: None,
        });
        Ok(())
    }

    /// The link of a drop box as a QR code.
    ///
    /// # Errors
    /// [`Failure::NotFound`].
    pub async fn drop_box_qr(&self, drop: String) -> Result<Qr, Failure> {
        let id: DropId = id(&drop)?;
        let row = self.with_store(move |store| Ok(store.load::<DropBox>(&id)?));
        drawn(row.await?.ok_or(Failure::NotFound)?.link.as_bytes())
    }

    /// Tells the relays what they do not know of our boxes yet.
    pub(crate) async fn settle_drop_boxes(&self) -> Result<(), Failure> {
        let boxes = self.with_store(|store| Ok(store.all::<DropBox>()?)).await?;
        for one in boxes {
            if let Err(failure) = self.settle_drop_box(one.id).await {
                tracing::info!(%failure, "a drop box is settled later");
            }
        }
        Ok(())
    }

    async fn settle_drop_box(&self, id: DropId) -> Result<(), Failure> {
        let row = self.with_store(move |store| Ok(store.load::<DropBox>(&id)?));
        let Some(row) = row.await? else {
            return Ok(());
        };
        let is_ended = matches!(row.state, DropState::Used | DropState::Removed);
        if row.state == DropState::Open || (is_ended && row.is_end_told) {
            return Ok(());
        }
        // A relay that was left for long has forgotten the device with its boxes.
        let line = self.line_of(row.relay).await?;
        if is_ended {
            if let Some(line) = line {
                line.end_drop(&id).await?;
            }
            if row.state == DropState::Removed {
                return self.forget_drop_box(id).await;
            }
            self.change_drop_box(id, |row| row.is_end_told = true)
                .await?;
            return Ok(());
        }
        let terms = PutDrop {
            record: B64(row.record),
            expires_at: row.expires_at,
            once: row.once,
        };
        let line_is_out = line.is_none();
        let put = match line {
            Some(line) => line.put_drop(&id, &terms).await,
            None => Err(LineError::of(Reason::Rejected)),
        };
        match put {
            Ok(()) => {
                self.change_drop_box(id, |row| {
                    if row.state == DropState::New {
                        row.state = DropState::Open;
                    }
                })
                .await?;
                self.tell(Change::DropBoxes);
                Ok(())
            }
            Err(error) if line_is_out || is_final(error.slug) => {
                self.forget_drop_box(id).await?;
                self.tell(Change::DropBoxes);
                Err(match error.slug {
                    Some(Slug::Forbidden) => Failure::TooManyDropBoxes,
                    _ => error.into(),
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Changes the row of a box; false when there is none, or it was removed.
    async fn change_drop_box(
        &self,
        id: DropId,
        change: impl FnOnce(&mut DropBox) + Send + 'static,
    ) -> Result<bool, Failure> {
        let mut rng = self.chance.draw();
        self.with_store(move |store| {
            let changed = store.commit(&mut rng, |tx| {
                let Some(mut row) = tx.load::<DropBox>(&id)? else {
                    return Ok(false);
                };
                if row.state == DropState::Removed {
                    return Ok(false);
                }
                change(&mut row);
                tx.put(&row)?;
                Ok::<_, VaultError>(true)
            });
            Ok(changed?)
        })
        .await
    }

    async fn forget_drop_box(&self, id: DropId) -> Result<(), Failure> {
        let mut rng = self.chance.draw();
        self.with_store(move |store| Ok(store.commit(&mut rng, |tx| tx.delete::<DropBox>(&id))?))
            .await
    }

    /// The envelope, when it was sealed to a drop box: to no mailbox of ours, with a key of the suite
    /// that only boxes have.
    pub(crate) async fn dropped(
        &self,
        row: &Incoming,
        me: &OwnDevice,
    ) -> Result<Option<Envelope>, Failure> {
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let (place, mailbox) = (row.place(), me.mailbox);
        self.with_store(move |_| {
            let bytes = carriage.fetched(place)?.unwrap_or_default();
            let envelope = Envelope::decode(&bytes).ok();
            let is_dropped =
                |envelope: &Envelope| envelope.to != mailbox && envelope.entry.suite == Suite::S1;
            Ok(envelope.filter(is_dropped))
        })
        .await
    }

    /// Opens and keeps a drop; gives the name of its box. One for a box that was removed is gone: there
    /// is no sender to ask.
    pub(crate) async fn open_drop(
        &self,
        row: &Incoming,
        envelope: Envelope,
    ) -> Result<String, Unopened> {
        let me = self.signer().ok_or(Failure::Locked)?.account;
        let id = DropId::new(*envelope.to.as_bytes());
        let (row, now) = (row.clone(), self.now());
        let mut rng = self.chance.draw();
        let opened = self.with_store(move |store| {
            let Some(mut own) = store.load::<DropBox>(&id)? else {
                return Ok(Err(Unopened::Repeated));
            };
            let Some(secret) = own.secret().copied().map(Zeroizing::new) else {
                return Ok(Err(Unopened::Repeated));
            };
            let record = DropRecord::decode(&own.record).map_err(|_| Failure::Corrupt)?;
            let opened = DropKey::from_exposed(record, &secret).open(envelope, row.fetched_at);
            let kept = store.commit(&mut rng, |tx| match opened {
                Ok(opened) => keep(tx, own, opened, &row, (me, now)).map(Ok),
                Err(error) => {
                    if own.once && own.state != DropState::Used {
                        // It takes no other, although this one does not open.
                        own.state = DropState::Used;
                        tx.put(&own)?;
                    }
                    Ok(Err(error))
                }
            });
            Ok(match kept {
                Ok(Ok(name)) => Ok(name),
                Ok(Err(OpenError::Expired)) => Err(Unopened::For(Unopenable::Expired)),
                Ok(Err(OpenError::Refused)) => Err(Unopened::For(Unopenable::Damaged)),
                Err(VaultError::Exists(_)) => Err(Unopened::Repeated),
                Err(error) => return Err(error.into()),
            })
        });
        let opened = opened.await?;
        self.tell(Change::DropBoxes);
        self.wakers.upkeep.notify_one();
        opened
    }
}

/// Whether the relay will never take a box.
fn is_final(slug: Option<Slug>) -> bool {
    matches!(
        slug,
        Some(Slug::Forbidden | Slug::DropConflict | Slug::DropEnded | Slug::DropInvalid)
    )
}

/// Keeps an opened drop, in one commit with its ciphertext gone and what its box now is.
fn keep(
    tx: &mut Tx<'_>,
    mut own: DropBox,
    opened: OpenedDrop,
    row: &Incoming,
    (me, now): (AccountId, u64),
) -> Result<String, VaultError> {
    tx.create(&Replay {
        sender: opened.replay_sender,
        message: opened.drop.msg_id,
        until: opened.replay_until,
    })?;
    tx.carriage().remove_incoming(row.place());
    own.opened = own.opened.saturating_add(1);
    own.last_drop = Some(row.received_at);
    if own.once {
        own.end(DropState::Used);
    }
    tx.put(&own)?;
    let (drop, name) = (opened.drop, own.name.clone());
    tx.put(&Message {
        id: drop.msg_id,
        mailbox: MailBox::Inbox,
        sender: me,
        sender_device: waxwing_wire::ids::DeviceId::new([0; 16]),
        recipients: Vec::new(),
        subject: Zeroizing::default(),
        body: drop.text,
        unknown: None,
        at: now,
        claimed_at: drop.sent_at,
        relay_seq: Some(row.seq),
        relay_at: Some(row.received_at),
        conversation: ConversationId::derive(&[opened.replay_sender]),
        seq: 0,
        previous: None,
        sender_card: None,
        gap: false,
        missing: 0,
        other_before: false,
        in_reply_to: None,
        drop: Some(DropSource {
            id: own.id,
            name: own.name,
            reach: drop.reach,
            envelope: opened.env_id,
        }),
        attachments: drop.attachments.into_iter().map(attachment).collect(),
        opened: false,
    })?;
    Ok(name)
}

fn shown(row: DropBox, waiting: u32, is_left: bool, now: u64) -> view::DropBox {
    let DropKind::SealedHere { .. } = row.kind;
    view::DropBox {
        id: row.id.to_string(),
        name: row.name,
        link: row.link,
        kind: ShownKind::SealedHere,
        burn: if row.once {
            BurnRule::Once
        } else {
            BurnRule::Keep
        },
        made_at: millis(row.made_at),
        expires_at: millis(row.expires_at),
        state: match row.state {
            DropState::Used | DropState::Removed => DropBoxState::Used,
            _ if row.expires_at <= now => DropBoxState::Expired,
            _ if is_left => DropBoxState::RelayLeft,
            DropState::New => DropBoxState::New,
            DropState::Open => DropBoxState::Open,
        },
        waiting,
        opened: row.opened,
        last_drop: row.last_drop.map(millis),
    }
}

/// Where a message came from that nobody signed, for a window.
pub(crate) fn drop_source(source: &DropSource) -> view::DropSource {
    let [a, b, c, d, ..] = *source.envelope.as_bytes();
    view::DropSource {
        id: source.id.to_string(),
        name: source.name.clone(),
        reach: source.reach.as_ref().map(|reach| reach.to_string()),
        receipt: format!("{a:02x}{b:02x}-{c:02x}{d:02x}"),
    }
}
