//! Opening: from the ciphertext on this disk to a message.
//!
//! Takes the steps of docs/protocol.md section 3 in their order; what was opened is kept in [`crate::filing`].

use crate::app::{App, blocking};
use crate::directory;
use crate::failure::Failure;
use crate::filing::seen;
use crate::line::Line;
use crate::view::{Reason, Unopenable};
use waxwing_crypto::envelope::{OpenError, OwnDevice, Received, Unsealed};
use waxwing_crypto::keys::DeviceKey;
use waxwing_crypto::message::{Body, Message};
use waxwing_crypto::prekey::OwnPrekey;
use waxwing_crypto::retry::sign_retry;
use waxwing_vault::rows::{Contact, Incoming, OwedAck, Place, PrekeySecret, Replay, Row};
use waxwing_vault::{Store, VaultError};
use waxwing_wire::card::VerifiedCard;
use waxwing_wire::ids::AccountId;
use waxwing_wire::retry::{RetryBody, RetryReason};

/// What came of opening everything.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// The last sender's name.
    pub(crate) sender: Option<String>,
    /// How many were opened that are shown to nobody.
    pub(crate) notices: u32,
}

/// Why an envelope was not opened this time.
pub(crate) enum Unopened {
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
        if let Some(envelope) = self.dropped(row, &me).await? {
            return self.open_drop(row, envelope).await.map(Some);
        }
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
        let is_ours = opened.message.sender == me.account_id;
        let is_own_copy = is_ours && opened.message.device != me.device_id;
        if opened.message.body.is_between_devices() && !is_own_copy {
            return Err(Unopened::Repeated);
        }
        if let Body::KeyShare { version, account } = &opened.message.body {
            self.follow_key(&card, *version, account).await?;
        }
        if let Some(line) = line.filter(|_| is_own_copy) {
            self.meet_recipients(line, &opened.message).await;
        }
        let is_told = self.keep_opened(row, opened).await?;
        Ok(is_told.then_some(contact.petname))
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

    /// Whom another of the account's devices wrote to: their names are shown, as far as the relay is there.
    async fn meet_recipients(&self, line: &Line, message: &Message) {
        for (account, _) in &message.recipients {
            let met = match self.find_contact(*account).await {
                Ok(None) => self.meet(line, *account).await,
                other => other.map(drop),
            };
            if let Err(failure) = met {
                tracing::info!(%failure, "somebody another computer wrote to is not known here");
            }
        }
    }

    pub(crate) async fn find_contact(
        &self,
        account: AccountId,
    ) -> Result<Option<Contact>, Failure> {
        self.with_store(move |store| Ok(store.load::<Contact>(&account)?))
            .await
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

fn code(reason: Unopenable) -> String {
    serde_json::to_value(reason)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
