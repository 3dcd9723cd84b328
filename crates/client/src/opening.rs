//! Opening: from the ciphertext on this disk to a message.
//!
//! Takes the steps of docs/protocol.md section 3 in their order and ends in one commit: message,
//! replay row, place in the conversation, the one-time prekey destroyed, the ciphertext gone.

use crate::app::{App, blocking};
use crate::directory;
use crate::failure::Failure;
use crate::line::Line;
use crate::view::{Change, Reason, Unopenable};
use waxwing_crypto::envelope::{OpenError, Opened, OwnDevice, Received, Unsealed};
use waxwing_crypto::keys::DeviceKey;
use waxwing_crypto::message::{Body, Text};
use waxwing_crypto::prekey::OwnPrekey;
use waxwing_crypto::retry::sign_retry;
use waxwing_vault::rows::{
    Attachment, Contact, Incoming, MailBox, Message, OwedAck, Party, Place, PrekeySecret, Replay,
    Row, Thread, UnknownBody,
};
use waxwing_vault::{Store, Tx, VaultError};
use waxwing_wire::card::VerifiedCard;
use waxwing_wire::ids::{AccountId, EnvelopeId, MessageId};
use waxwing_wire::prekey::PrekeyKind;
use waxwing_wire::retry::{RetryBody, RetryReason};
use zeroize::Zeroizing;

/// What came of opening everything.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// The last sender's name.
    pub(crate) sender: Option<String>,
    /// How many were opened that are shown to nobody.
    pub(crate) notices: u32,
}

/// Why an envelope was not opened this time.
enum Unopened {
    /// It will never open, or not before something changes; kept with its reason.
    For(Unopenable),
    /// Sealed to a prekey that is not here: the sender is asked to seal again.
    Retry,
    /// The same message was accepted before.
    Repeated,
    /// The relay is needed and away.
    Later(Failure),
}

impl From<VaultError> for Unopened {
    fn from(error: VaultError) -> Self {
        Self::Later(error.into())
    }
}

impl From<Failure> for Unopened {
    fn from(failure: Failure) -> Self {
        Self::Later(failure)
    }
}

impl App {
    /// Opens everything that waits as ciphertext.
    pub(crate) async fn open_waiting(&self) -> Result<Arrivals, Failure> {
        let _one_at_a_time = self.opening.lock().await;
        let mut arrivals = Arrivals::default();
        if self.known().store.is_none() {
            return Ok(arrivals);
        }
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let waiting = blocking(move || Ok(carriage.incoming()?)).await?;
        let key = self.device_keys().await?;
        let lines = self.lines().await.unwrap_or_default();
        for row in waiting {
            // Who sent it is known where it came from.
            let line = lines.iter().find(|line| line.relay() == row.relay);
            match self.open_one(line.or(lines.first()), &row).await {
                Ok(Some(name)) => arrivals.sender = Some(name),
                Ok(None) => arrivals.notices += 1,
                Err(Unopened::Later(Failure::Locked)) => return Ok(arrivals),
                Err(Unopened::Later(failure)) => {
                    tracing::info!(%failure, "an envelope is opened later");
                }
                Err(Unopened::Repeated) => self.drop_waiting(row.place()).await?,
                Err(Unopened::Retry) => self.ask_again(&row, &key).await?,
                Err(Unopened::For(reason)) => self.keep_unopenable(row, reason).await?,
            }
        }
        Ok(arrivals)
    }

    /// Opens one envelope. Gives the sender's name; none for what is not shown to anybody.
    async fn open_one(
        &self,
        line: Option<&Line>,
        row: &Incoming,
    ) -> Result<Option<String>, Unopened> {
        let signer = self.signer().ok_or(Failure::Locked)?;
        let me = OwnDevice {
            account_id: signer.account,
            device_id: signer.device,
            mailbox: signer.mailbox,
        };
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let place = row.place();
        let unsealed = self
            .with_store(move |store| Ok(unseal(store, carriage.fetched(place)?, &me)))
            .await??;
        let claimed = unsealed.claimed_sender();
        let mut known = self.find_contact(claimed.account_id).await?;
        if known.is_none() {
            let line = line.ok_or(Failure::from(Reason::RelayUnreachable))?;
            if let Err(failure) = self.meet(line, claimed.account_id).await {
                return Err(match failure {
                    Failure::AddressUnknown => Unopened::For(Unopenable::UnknownSender),
                    other => Unopened::Later(other),
                });
            }
            known = self.find_contact(claimed.account_id).await?;
        }
        let contact = known.ok_or(Unopened::For(Unopenable::UnknownSender))?;
        let (contact, card) = self.sender_card(line, row, &unsealed, contact).await?;
        if unsealed.claims_key_notice() && !unsealed.is_signed_by(&card) {
            // It made this device look, and says nothing else.
            return Err(Unopened::Repeated);
        }
        // Judged by the time it came: a vault may stay locked for longer than an envelope lives.
        let opened = unsealed
            .authenticate(&card, row.fetched_at)
            .map_err(|error| {
                Unopened::For(match error {
                    OpenError::Expired => Unopenable::Expired,
                    OpenError::Refused if contact.held => Unopenable::SenderChanged,
                    OpenError::Refused => Unopenable::Damaged,
                })
            })?;
        let is_notice = matches!(opened.message.body, Body::KeyNotice { .. });
        self.keep_opened(row, opened).await?;
        Ok((!is_notice).then_some(contact.petname))
    }

    /// The card that an envelope is judged by: the pinned one, which the relay is asked about when the
    /// sender names another or its signature is not there; or the one before it, for what was fetched
    /// before that was replaced. What comes later under replaced keys may be anybody's who has a copy of
    /// them: the sender is asked to seal it again.
    async fn sender_card(
        &self,
        line: Option<&Line>,
        row: &Incoming,
        unsealed: &Unsealed,
        mut contact: Contact,
    ) -> Result<(Contact, VerifiedCard), Unopened> {
        let claimed = unsealed.claimed_sender();
        let unknown = || Unopened::For(Unopenable::UnknownSender);
        let mut pinned = directory::pinned(&contact).ok_or_else(unknown)?;
        let mut is_pinned = unsealed.is_signed_by(&pinned);
        let mut before =
            directory::former(&contact).filter(|(card, _)| unsealed.is_signed_by(card));
        let names_pinned = contact.card_digest == claimed.card_hash;
        let was_tried = names_pinned && row.reason.is_some();
        if (!names_pinned || !is_pinned) && before.is_none() && !was_tried {
            let line = line.ok_or(Failure::from(Reason::RelayUnreachable))?;
            self.look_again(line, claimed.account_id).await?;
            let looked = self.find_contact(claimed.account_id).await?;
            contact = looked.ok_or(Failure::NotFound)?;
            pinned = directory::pinned(&contact).ok_or_else(unknown)?;
            is_pinned = unsealed.is_signed_by(&pinned);
            before = directory::former(&contact).filter(|(card, _)| unsealed.is_signed_by(card));
        }
        match before {
            Some((card, replaced_at)) if !is_pinned && row.fetched_at <= replaced_at => {
                Ok((contact, card))
            }
            Some(_) if !is_pinned => {
                let (sender, message) = (claimed.account_id, unsealed.claimed_message());
                let is_here = self
                    .with_store(move |store| Ok(store.replay_seen(sender, message)?))
                    .await?;
                Err(if is_here || unsealed.claims_key_notice() {
                    Unopened::Repeated
                } else {
                    Unopened::Retry
                })
            }
            _ => Ok((contact, pinned)),
        }
    }

    pub(crate) async fn find_contact(
        &self,
        account: AccountId,
    ) -> Result<Option<Contact>, Failure> {
        self.with_store(move |store| Ok(store.load::<Contact>(&account)?))
            .await
    }

    async fn keep_opened(&self, row: &Incoming, opened: Opened) -> Result<(), Unopened> {
        let (place, received_at, now) = (row.place(), row.received_at, self.now());
        let me = self.signer().ok_or(Failure::Locked)?.account;
        let mut rng = self.chance.draw();
        let kept = self
            .with_store(move |store| {
                let kept = store.commit(&mut rng, |tx| {
                    let message = opened.message;
                    tx.create(&Replay {
                        sender: message.sender,
                        message: message.msg_id,
                        until: opened.replay_until,
                    })?;
                    tx.put(&seen(&me, opened.env_id, opened.replay_until))?;
                    let thread_key = (message.conversation, message.sender, message.device);
                    let before = tx.load::<Thread>(&thread_key)?;
                    let last_seq = before.as_ref().map_or(0, |thread| thread.seq);
                    // Before the first message that is known here there may be others, to a device
                    // that was not there yet: only what follows a known one can leave a gap.
                    let missing = match &before {
                        Some(_) => message.seq.saturating_sub(last_seq + 1),
                        None => 0,
                    };
                    let follows_last = message.seq == last_seq + 1;
                    let other_before = before.is_some_and(|before| {
                        follows_last && message.previous != Some(before.last)
                    });
                    // A notice counts for itself, beside every conversation.
                    let is_notice = matches!(message.body, Body::KeyNotice { .. });
                    if message.seq > last_seq && !is_notice {
                        tx.put(&Thread {
                            conversation: message.conversation,
                            account: message.sender,
                            device: message.device,
                            seq: message.seq,
                            last: opened.payload_hash,
                        })?;
                    }
                    let is_news = know_own(tx, &message, &me)?;
                    if !is_notice {
                        tx.put(&Message {
                            gap: missing > 0,
                            missing,
                            other_before,
                            ..letter(message, place.seq, received_at, now)
                        })?;
                    }
                    if opened.used_kind == PrekeyKind::OneTime {
                        tx.delete::<PrekeySecret>(&opened.used_prekey)?;
                    }
                    tx.carriage().remove_incoming(place);
                    Ok::<_, VaultError>(is_news)
                });
                match kept {
                    Err(VaultError::Exists(_)) => Ok(None),
                    Err(error) => Err(error.into()),
                    Ok(is_news) => Ok(Some(is_news)),
                }
            })
            .await?;
        self.wakers.upkeep.notify_one();
        let is_news = kept.ok_or(Unopened::Repeated)?;
        if is_news {
            self.tell(Change::Renewal);
        }
        Ok(())
    }

    async fn drop_waiting(&self, place: Place) -> Result<(), Failure> {
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        blocking(move || {
            carriage.commit(|tx| {
                tx.remove_incoming(place);
                Ok::<_, Failure>(())
            })
        })
        .await
    }

    /// Leaves a signed statement at the relay that the sender reads, and keeps the envelope with its
    /// reason until the answer comes or the person deletes it.
    async fn ask_again(&self, row: &Incoming, key: &DeviceKey) -> Result<(), Failure> {
        if row.reason.is_some() {
            return Ok(());
        }
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let mailbox = self.signer().ok_or(Failure::Locked)?.mailbox;
        let place = row.place();
        let bytes = blocking({
            let carriage = carriage.clone();
            move || Ok(carriage.fetched(place)?)
        })
        .await?;
        let Some(Ok(received)) = bytes.map(|bytes| Received::decode(&bytes)) else {
            return Ok(());
        };
        let body = RetryBody {
            env_id: received.env_id(),
            to: mailbox,
            reason: RetryReason::UnknownPrekey,
            at: self.now(),
        };
        let statement = sign_retry(key, &body);
        let mut kept = row.clone();
        kept.reason = Some(code(Unopenable::UnknownKey));
        kept.attempts += 1;
        blocking(move || {
            carriage.commit(|tx| {
                tx.owe(&OwedAck {
                    retry: Some(statement),
                    ..OwedAck::plain(place)
                })?;
                Ok::<_, Failure>(tx.update_incoming(&kept)?)
            })
        })
        .await?;
        Ok(())
    }

    async fn keep_unopenable(&self, mut row: Incoming, reason: Unopenable) -> Result<(), Failure> {
        let code = code(reason);
        if row.reason.as_ref() == Some(&code) {
            return Ok(());
        }
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        row.reason = Some(code);
        row.attempts += 1;
        blocking(move || carriage.commit(|tx| Ok::<_, Failure>(tx.update_incoming(&row)?))).await
    }
}

/// Keeps which version of our own card a contact has written to; answers whether that is a later one
/// than was known.
fn know_own(
    tx: &mut Tx<'_>,
    message: &waxwing_crypto::message::Message,
    me: &AccountId,
) -> Result<bool, VaultError> {
    let named = message.recipients.iter().find(|(account, _)| account == me);
    if let Some((_, version)) = named
        && let Some(mut contact) = tx.load::<Contact>(&message.sender)?
        && contact.knows_own < *version
    {
        contact.knows_own = *version;
        tx.put(&contact)?;
        return Ok(true);
    }
    Ok(false)
}

/// Notes that an envelope was opened, beside the notes of messages: under the own account, which is
/// the sender of no other account's envelopes, with the envelope's id in place of a message's.
fn seen(me: &AccountId, envelope: EnvelopeId, until: u64) -> Replay {
    Replay {
        sender: *me,
        message: MessageId::new(*envelope.as_bytes()),
        until,
    }
}

/// Steps 1 to 6: from the ciphertext to a message that nobody vouches for yet.
fn unseal(store: &Store, bytes: Option<Vec<u8>>, me: &OwnDevice) -> Result<Unsealed, Unopened> {
    let bytes = bytes.ok_or(Unopened::Repeated)?;
    let received = Received::decode(&bytes).map_err(|_| Unopened::For(Unopenable::Damaged))?;
    let Some(row) = store.load::<PrekeySecret>(&received.kid())? else {
        // Its one-time prekey went when it was opened: not to be asked for again.
        let key = seen(&me.account_id, received.env_id(), 0).key();
        return Err(match store.load::<Replay>(&key)? {
            Some(_) => Unopened::Repeated,
            None => Unopened::Retry,
        });
    };
    let prekey =
        OwnPrekey::from_exposed(&row.secret).map_err(|_| Unopened::Later(Failure::Corrupt))?;
    received
        .open(&prekey, me)
        .map_err(|_| Unopened::For(Unopenable::Damaged))
}

fn letter(
    message: waxwing_crypto::message::Message,
    seq: u64,
    received_at: u64,
    now: u64,
) -> Message {
    let (text, unknown) = match message.body {
        Body::Text(text) => (text, None),
        // Never kept as a message.
        Body::KeyNotice { .. } => (
            Text {
                subject: Zeroizing::default(),
                text: Zeroizing::default(),
                in_reply_to: None,
            },
            None,
        ),
        Body::Unknown { content_type, body } => {
            let name = Text {
                subject: Zeroizing::new(content_type.clone()),
                text: Zeroizing::default(),
                in_reply_to: None,
            };
            let unknown = UnknownBody {
                content_type,
                bytes: body,
            };
            (name, Some(unknown))
        }
    };
    Message {
        id: message.msg_id,
        mailbox: MailBox::Inbox,
        sender: message.sender,
        sender_device: message.device,
        recipients: message
            .recipients
            .into_iter()
            .map(|(account, card_version)| Party {
                account,
                card_version,
                deliveries: Vec::new(),
                left_out: 0,
            })
            .collect(),
        subject: text.subject,
        body: text.text,
        unknown,
        at: now,
        claimed_at: message.sent_at,
        relay_seq: Some(seq),
        relay_at: Some(received_at),
        conversation: message.conversation,
        seq: message.seq,
        previous: message.previous,
        sender_card: Some(message.sender_card),
        gap: false,
        missing: 0,
        other_before: false,
        in_reply_to: text.in_reply_to,
        attachments: message
            .attachments
            .into_iter()
            .map(|attachment| Attachment {
                id: attachment.att_id,
                key: Zeroizing::new(*attachment.key.expose()),
                sealed_length: attachment.sealed_length,
                sha256: attachment.sha256,
                length: attachment.length,
                name: attachment.name,
                media_type: attachment.media_type,
            })
            .collect(),
        opened: false,
    }
}

fn code(reason: Unopenable) -> String {
    serde_json::to_value(reason)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
