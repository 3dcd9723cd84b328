//! Sending: from a draft to the outbox in one commit.
//!
//! Nothing here waits for the network but the first envelope to somebody whose prekeys are not at
//! hand yet. When [`App::send_draft`] returns, the message is sealed, on disk and in its lanes.
//! Carries out docs/protocol.md section 3.

use crate::app::App;
use crate::drafts::{apply, draft_id, draft_name};
use crate::failure::Failure;
use crate::history;
use crate::letters::{letter_id, letter_key};
use crate::prekeys::own_card;
use crate::renewal;
use crate::sealing::{Me, seal_draft, seal_for_one};
use crate::spares::{Devices, lacks_prekeys, take_spares};
use crate::view::{Change, DraftText, Folder};
use rand::rngs::StdRng;
use waxwing_crypto::keys::DeviceKey;
use waxwing_vault::rows::{
    Contact, Delivery, DeliveryState, Draft, DraftId, MailBox, Message, Outgoing, Party, Watch,
};
use waxwing_vault::{Carriage, Store, Tx};
use waxwing_wire::ids::{AccountId, MessageId};
use waxwing_wire::limits::MAX_RECIPIENTS;
use zeroize::Zeroizing;

impl App {
    /// Seals a draft and puts it in the outbox. Gives the message's id.
    ///
    /// # Errors
    /// [`Failure::NoRecipients`], [`Failure::EmptyMessage`], [`Failure::ContactHeld`],
    /// [`Failure::TooManyRecipients`], [`Failure::FileUnreadable`], or [`Failure::Relay`] when a
    /// recipient's keys are not at hand and cannot be fetched. The draft stays then.
    pub async fn send_draft(&self, draft: String, text: DraftText) -> Result<String, Failure> {
        let key = draft_id(&draft)?;
        let now = self.now();
        self.change_draft(key, move |draft| apply(draft, &text, now))
            .await?;
        let ready = self.wait_for_files(key).await?;
        check(&ready, self.most_recipients().await?)?;
        self.check_recipients(&ready.to).await?;
        let message = self.seal_into_outbox(ready, Some(key)).await?;
        self.tell(Change::Drafts(Some(draft_name(&key))));
        Ok(message)
    }

    /// A short envelope to this account itself, to see the whole way work.
    pub(crate) async fn send_test(&self) -> Result<String, Failure> {
        let me = self.signer().ok_or(Failure::Locked)?.account;
        let letter = Draft {
            id: DraftId::generate(&mut self.chance.draw()),
            to: vec![me],
            subject: Zeroizing::new("A test envelope".to_owned()),
            body: Zeroizing::new(
                "This was sealed on this computer, carried by the relay as ciphertext, and opened here again.".to_owned(),
            ),
            in_reply_to: None,
            files: Vec::new(),
            saved_at: self.now(),
        };
        self.check_recipients(&letter.to).await?;
        self.seal_into_outbox(letter, None).await
    }

    /// Waits until every file of a draft is sealed.
    async fn wait_for_files(&self, key: DraftId) -> Result<Draft, Failure> {
        loop {
            let sealed = self.sealed.notified();
            tokio::pin!(sealed);
            sealed.as_mut().enable();
            let draft = self
                .with_store(move |store| store.load::<Draft>(&key)?.ok_or(Failure::NotFound))
                .await?;
            let Some(pending) = draft.files.iter().find(|file| file.sealed.is_none()) else {
                return Ok(draft);
            };
            if self.transfers.progress(&pending.id).is_some() {
                sealed.await;
                continue;
            }
            // Not under way: it ended since the draft was read, or it failed.
            let (id, name) = (pending.id, pending.name.clone());
            let draft = self
                .with_store(move |store| store.load::<Draft>(&key)?.ok_or(Failure::NotFound))
                .await?;
            let mut files = draft.files.iter();
            if files.any(|file| file.id == id && file.sealed.is_none()) {
                return Err(Failure::FileUnreadable { name });
            }
        }
    }

    /// Every recipient may be sent to, and has prekeys at hand. Where a device has none the relay is
    /// asked; one that has none then is left out, as long as another has.
    async fn check_recipients(&self, to: &[AccountId]) -> Result<(), Failure> {
        if self.own().await?.removed_at.is_some() {
            return Err(Failure::DeviceRemoved);
        }
        for account in to {
            let account = *account;
            let contact = self
                .with_store(move |store| store.load::<Contact>(&account)?.ok_or(Failure::NotFound))
                .await?;
            if contact.held {
                return Err(Failure::ContactHeld {
                    account: account.to_string(),
                });
            }
            let now = self.now();
            let reaches_nobody = take_spares(&mut contact.clone(), Devices::All, now).is_none();
            if reaches_nobody || lacks_prekeys(&contact, now) {
                match self.fetch_spares(account).await {
                    Err(failure) if reaches_nobody => return Err(failure),
                    Err(failure) => tracing::info!(%failure, "a device is left out"),
                    Ok(()) => {}
                }
            }
        }
        self.check_own_devices().await
    }

    /// The account's other devices get what is sent, as far as there are prekeys of theirs.
    async fn check_own_devices(&self) -> Result<(), Failure> {
        let account = self.signer().ok_or(Failure::Locked)?.account;
        if self.has_other_devices().await?
            && let Some(me) = self.find_contact(account).await?
            && lacks_prekeys(&me, self.now())
            && let Err(failure) = self.fetch_spares(account).await
        {
            tracing::info!(%failure, "another computer of the account is left out");
        }
        Ok(())
    }

    /// How many recipients a message may have: the account's other devices are one.
    async fn most_recipients(&self) -> Result<usize, Failure> {
        Ok(MAX_RECIPIENTS - usize::from(self.has_other_devices().await?))
    }

    async fn has_other_devices(&self) -> Result<bool, Failure> {
        let card = own_card(&self.own().await?)?;
        Ok(card.body().devices.len() > 1)
    }

    async fn seal_into_outbox(
        &self,
        draft: Draft,
        from: Option<DraftId>,
    ) -> Result<String, Failure> {
        let _signing = self.signing.read().await;
        let key = self.device_keys().await?;
        let signer = self.signer().ok_or(Failure::Locked)?;
        let me = Me {
            account: signer.account,
            device: signer.device,
        };
        let now = self.now();
        let mut rng = self.chance.draw();
        let mut seal_rng = self.chance.draw();
        let message = self
            .with_store(move |store| {
                store.commit(&mut rng, |tx| {
                    let message = seal_draft(tx, &draft, &me, &key, now, &mut seal_rng)?;
                    if let Some(from) = from {
                        tx.delete::<Draft>(&from)?;
                    }
                    Ok::<_, Failure>(message)
                })
            })
            .await?;
        self.wakers.outbox.notify_one();
        self.wakers.upkeep.notify_one();
        self.tell(Change::Envelopes {
            folder: Folder::Outbox,
            id: Some(letter_id(MailBox::Sent, &message)),
        });
        self.tell(Change::Status);
        Ok(letter_id(MailBox::Sent, &message))
    }

    /// Seals a message anew for one recipient who could not open it: same message id, new envelope,
    /// at the end of the lane. What was watched is settled in the same commit.
    pub(crate) async fn seal_again(
        &self,
        message: MessageId,
        account: AccountId,
        settled: Watch,
    ) -> Result<(), Failure> {
        self.fetch_spares(account).await?;
        let _signing = self.signing.read().await;
        let key = self.device_keys().await?;
        let now = self.now();
        let mut rng = self.chance.draw();
        let mut seal_rng = self.chance.draw();
        self.with_store(move |store| {
            store.commit(&mut rng, |tx| {
                tx.carriage().unwatch(&settled.envelope, &settled.to);
                seal_for_one(tx, message, account, &key, now, &mut seal_rng)
            })
        })
        .await?;
        self.wakers.outbox.notify_one();
        self.tell(Change::Envelopes {
            folder: Folder::Outbox,
            id: Some(letter_id(MailBox::Sent, &message)),
        });
        Ok(())
    }

    /// Seals a whole lane anew for the devices that its recipient has now: each message in its
    /// place, all or none, so that the order stays.
    pub(crate) async fn seal_lane_again(&self, account: AccountId) -> Result<(), Failure> {
        self.fetch_spares(account).await?;
        let _signing = self.signing.read().await;
        let key = self.device_keys().await?;
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let now = self.now();
        let mut rng = self.chance.draw();
        let mut seal_rng = self.chance.draw();
        self.with_store(move |store| {
            store.commit(&mut rng, |tx| {
                let rng = &mut seal_rng;
                lane_again(tx, (store, &carriage), account, &key, now, rng)
            })
        })
        .await?;
        self.wakers.outbox.notify_one();
        self.wakers.upkeep.notify_one();
        self.tell(Change::Envelopes {
            folder: Folder::Outbox,
            id: None,
        });
        Ok(())
    }

    /// Makes a draft again of what has not reached the relay. Gives the draft's id.
    ///
    /// # Errors
    /// [`Failure::NotFound`] when everything has left already.
    pub async fn cancel_send(&self, message: String) -> Result<String, Failure> {
        let (_, key) = letter_key(&message)?;
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let mut rng = self.chance.draw();
        let draft_key = DraftId::generate(&mut rng);
        let now = self.now();
        let app = self.clone();
        let copies = self
            .with_store(move |store| {
                let waiting = carriage.outbox()?;
                store.commit(&mut rng, |tx| {
                    let mut message = tx
                        .load::<Message>(&(MailBox::Sent, key))?
                        .ok_or(Failure::NotFound)?;
                    let mut back = Vec::new();
                    for party in shown(&mut message) {
                        let lane = tx.lane(&party.account)?;
                        for row in &waiting {
                            if tx.carriage().lane_now(&row.lane) != lane {
                                continue;
                            }
                            if party
                                .deliveries
                                .iter()
                                .any(|delivery| delivery.envelope == row.envelope)
                            {
                                app.stop_sending(row);
                                tx.carriage().remove(row)?;
                                back.push(party.account);
                                for delivery in &mut party.deliveries {
                                    (delivery.state, delivery.since) =
                                        (DeliveryState::Recalled, now);
                                }
                            }
                        }
                    }
                    if back.is_empty() {
                        return Err(Failure::NotFound);
                    }
                    tx.put(&draft_of(&message, draft_key, back.clone(), now))?;
                    if back.len() < shown(&mut message).count() {
                        tx.put(&message)?;
                        return Ok(Vec::new());
                    }
                    tx.delete::<Message>(&(MailBox::Sent, key))?;
                    // Nobody got it: the account's other devices need not have it either.
                    let copies = message.recipients.into_iter().filter(|one| one.is_copy);
                    let copies: Vec<Delivery> = copies.flat_map(|one| one.deliveries).collect();
                    for copy in &copies {
                        for row in waiting.iter().filter(|row| row.envelope == copy.envelope) {
                            app.stop_sending(row);
                            tx.carriage().remove(row)?;
                        }
                        tx.carriage().unwatch(&copy.envelope, &copy.to);
                    }
                    Ok(copies)
                })
            })
            .await?;
        self.take_back_copies(copies);
        self.wakers.outbox.notify_one();
        self.tell(Change::Envelopes {
            folder: Folder::Outbox,
            id: Some(message),
        });
        self.tell(Change::Drafts(None));
        self.tell(Change::Status);
        Ok(draft_name(&draft_key))
    }
}

/// The recipients that a person chose.
fn shown(message: &mut Message) -> impl Iterator<Item = &mut Party> {
    let parties = message.recipients.iter_mut();
    parties.filter(|party| !party.is_copy)
}

fn check(draft: &Draft, most: usize) -> Result<(), Failure> {
    if draft.to.is_empty() {
        return Err(Failure::NoRecipients);
    }
    if draft.to.len() > most {
        let limit = u32::try_from(most).unwrap_or(u32::MAX);
        return Err(Failure::TooManyRecipients { limit });
    }
    if draft.subject.trim().is_empty() && draft.body.trim().is_empty() && draft.files.is_empty() {
        return Err(Failure::EmptyMessage);
    }
    Ok(())
}

/// The draft that an unsent message came from, for the recipients it did not reach.
fn draft_of(message: &Message, key: DraftId, to: Vec<AccountId>, now: u64) -> Draft {
    Draft {
        id: key,
        to,
        subject: message.subject.clone(),
        body: message.body.clone(),
        in_reply_to: message.in_reply_to,
        files: message
            .attachments
            .iter()
            .map(|attachment| waxwing_vault::rows::DraftFile {
                id: attachment.id,
                path: std::path::PathBuf::new(),
                name: attachment.name.clone(),
                media_type: attachment.media_type.clone(),
                length: attachment.length,
                sealed: Some(attachment.clone()),
            })
            .collect(),
        saved_at: now,
    }
}

/// Seals a lane again within a commit. A word of the app says nothing that the next one would not: it is
/// taken out, and whoever said it says it anew.
pub(crate) fn lane_again(
    tx: &mut Tx<'_>,
    (store, carriage): (&Store, &Carriage),
    account: AccountId,
    key: &DeviceKey,
    now: u64,
    rng: &mut StdRng,
) -> Result<(), Failure> {
    for row in carriage.in_lane(&tx.lane(&account)?)? {
        if let Some((message, _)) = addressee(store, &row)? {
            seal_for_one(tx, message, account, key, now, rng)?;
            tx.carriage().remove(&row)?;
        } else if row.is_notice {
            renewal::forget_notice(tx, &row.envelope)?;
            history::forget_part(tx, &row.envelope)?;
            tx.carriage().remove(&row)?;
        }
    }
    Ok(())
}

/// Which message and which recipient an envelope in the outbox belongs to.
pub(crate) fn addressee(
    store: &Store,
    row: &Outgoing,
) -> Result<Option<(MessageId, AccountId)>, Failure> {
    let Some((MailBox::Sent, message)) = store.find_envelope(&row.envelope)? else {
        return Ok(None);
    };
    let Some(message) = store.load::<Message>(&(MailBox::Sent, message))? else {
        return Ok(None);
    };
    for party in &message.recipients {
        if store.is_lane_of(&row.lane, &party.account)? {
            return Ok(Some((message.id, party.account)));
        }
    }
    Ok(None)
}
