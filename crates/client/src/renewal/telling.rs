//! After the keys were replaced: what the old ones signed and nobody has fetched is sealed again, and
//! contacts are told.
//!
//! What lay at a relay is taken back first, so that it comes before what waits here, as it was written.
//! The signed words stay the same byte for byte; only the signature over them is new. What was fetched
//! meanwhile is left: it opens there, or comes back as a retry statement.

use crate::app::App;
use crate::compose::lane_again;
use crate::failure::Failure;
use crate::prekeys::own_card;
use crate::sealing::{Me, Word, seal_for_one, seal_word};
use crate::spares::Devices;
use crate::view::{Change, Folder};
use crate::watch::take_back;
use waxwing_crypto::message::Body;
use waxwing_crypto::vault_header::AccountSeed;
use waxwing_vault::rows::{
    Contact, DeliveryState, MailBox, Message, OwnCard, Renewal, RenewalState, Told, Waiting,
};
use waxwing_vault::steps::{Step, reached};
use waxwing_vault::{Store, Tx};
use waxwing_wire::api::EnvelopeState;
use waxwing_wire::ids::{AccountId, EnvelopeId, MailboxId, MessageId};

/// What is left to do for one person.
struct Left {
    account: AccountId,
    /// Envelopes at a relay with their messages, in the order in which they were written.
    waiting: Vec<(Waiting, Written)>,
    /// Something of theirs waits in the outbox.
    has_lane: bool,
    is_told: bool,
}

/// A message by when it was written, so that messages sort in that order.
type Written = (u64, u64, MessageId);

impl App {
    /// Does what is left to do after the keys were replaced. One person who cannot be reached does not
    /// keep the others waiting.
    pub(crate) async fn seal_again_and_tell(&self) -> Result<(), Failure> {
        let mut went = self.take_back_notices().await;
        let left = self.with_store(left_to_do).await?;
        for left in left {
            if let Err(failure) = self.follow_up(left).await {
                tracing::info!(%failure, "somebody is told of the new keys later");
                went = Err(failure);
            }
        }
        went
    }

    /// Notices of the replacement before, and what was deleted here since: taken back and not sealed
    /// again.
    async fn take_back_notices(&self) -> Result<(), Failure> {
        let over = self
            .with_store(|store| {
                let row = store.load::<Renewal>(&())?;
                let row = row.filter(|row| row.state == RenewalState::Done);
                let mut over = Vec::new();
                for waiting in row.map(|row| row.to_seal_again).unwrap_or_default() {
                    if message_of(store, &waiting)?.is_none() {
                        over.push(waiting);
                    }
                }
                Ok(over)
            })
            .await?;
        if over.is_empty() {
            return Ok(());
        }
        let lines = self.lines().await?;
        for waiting in &over {
            take_back(&lines, &waiting.envelope, &waiting.to).await?;
        }
        let mut rng = self.chance.draw();
        self.with_store(move |store| {
            store.commit(&mut rng, |tx| {
                let mut row = tx.load::<Renewal>(&())?.ok_or(Failure::NotFound)?;
                row.to_seal_again.retain(|waiting| !over.contains(waiting));
                for waiting in &over {
                    tx.carriage().unwatch(&waiting.envelope, &waiting.to);
                }
                Ok::<_, Failure>(tx.put(&row)?)
            })
        })
        .await?;
        self.tell(Change::Renewal);
        Ok(())
    }

    async fn follow_up(&self, left: Left) -> Result<(), Failure> {
        let account = left.account;
        let (mut settled, mut back) = (Vec::new(), Vec::new());
        if !left.waiting.is_empty() {
            let lines = self.lines().await?;
            for (waiting, (.., message)) in left.waiting {
                if take_back(&lines, &waiting.envelope, &waiting.to).await?
                    == EnvelopeState::Recalled
                {
                    back.push(message);
                    reached(Step::TakenBack);
                }
                settled.push(waiting);
            }
        }
        back.dedup();
        let seals = left.has_lane || !back.is_empty() || !left.is_told;
        if seals {
            self.fetch_spares(account).await?;
        }
        let _signing = self.signing.read().await;
        let key = self.device_keys().await?;
        let seed = self
            .with_keyring(|keyring| AccountSeed::new(*keyring.account.expose()))
            .await?;
        let signer = self.signer().ok_or(Failure::Locked)?;
        let me = Me {
            account: signer.account,
            device: signer.device,
        };
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let now = self.now();
        let mut rng = self.chance.draw();
        let mut seal_rng = self.chance.draw();
        let lane = self
            .with_store(move |store| {
                let lane = store.lane(&account)?;
                store.commit(&mut rng, |tx| {
                    let mut row = tx.load::<Renewal>(&())?.ok_or(Failure::NotFound)?;
                    for waiting in &settled {
                        row.to_seal_again.retain(|other| other != waiting);
                    }
                    row.lanes.retain(|other| *other != account);
                    tx.put(&row)?;
                    for message in &back {
                        seal_for_one(tx, *message, account, &key, now, &mut seal_rng)?;
                    }
                    if left.has_lane {
                        let of = (store, &carriage);
                        lane_again(tx, of, account, &key, now, &mut seal_rng)?;
                    }
                    for waiting in &settled {
                        tx.carriage().unwatch(&waiting.envelope, &waiting.to);
                    }
                    if !left.is_told {
                        let own = tx.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?;
                        let version = own_card(&own)?.body().version;
                        let is_own = account == me.account;
                        let word = word_of_key(account, &me, version, seed);
                        let to = match seal_word(tx, word, &me, &key, now, &mut seal_rng) {
                            // Another computer that was off for long; it is tried again.
                            Err(Failure::Relay { .. }) if is_own => Vec::new(),
                            to => to?,
                        };
                        let mut row = tx.load::<Renewal>(&())?.ok_or(Failure::NotFound)?;
                        let told = row.told.iter_mut().find(|told| told.account == account);
                        if let Some(told) = told {
                            told.deliveries = to;
                        }
                        tx.put(&row)?;
                    }
                    Ok::<_, Failure>(())
                })?;
                Ok(lane)
            })
            .await?;
        if left.has_lane {
            reached(Step::LaneSealedAgain);
        }
        reached(Step::SealedAgain);
        if !left.is_told {
            reached(Step::NoticeSealed);
        }
        self.know().seals_again.remove(&lane);
        self.wakers.outbox.notify_one();
        for folder in [Folder::Outbox, Folder::Sent] {
            self.tell(Change::Envelopes { folder, id: None });
        }
        self.tell(Change::Renewal);
        Ok(())
    }
}

/// What somebody is told of the new key: the account's other devices get it, others learn of it.
fn word_of_key(to: AccountId, me: &Me, version: u64, account: AccountSeed) -> Word<'static> {
    let (devices, body) = if to == me.account {
        let share = Body::KeyShare { version, account };
        (Devices::AllBut(me.device), share)
    } else {
        (Devices::All, Body::KeyNotice { version })
    };
    Word {
        to,
        devices,
        body,
        files: &[],
    }
}

/// What is left to do, by person; nothing for whom sending is held.
fn left_to_do(store: &Store) -> Result<Vec<Left>, Failure> {
    let row = store.load::<Renewal>(&())?;
    let Some(row) = row.filter(|row| row.state == RenewalState::Done) else {
        return Ok(Vec::new());
    };
    let mut left: Vec<Left> = Vec::new();
    let of = |left: &mut Vec<Left>, account: AccountId| -> usize {
        if let Some(at) = left.iter().position(|left| left.account == account) {
            return at;
        }
        left.push(Left {
            account,
            waiting: Vec::new(),
            has_lane: false,
            is_told: true,
        });
        left.len() - 1
    };
    for waiting in &row.to_seal_again {
        if let Some((message, account)) = message_of(store, waiting)? {
            let at = of(&mut left, account);
            left[at].waiting.push((waiting.clone(), message));
        }
    }
    for account in &row.lanes {
        let at = of(&mut left, *account);
        left[at].has_lane = true;
    }
    for told in row.told.iter().filter(|told| told.deliveries.is_empty()) {
        let at = of(&mut left, told.account);
        left[at].is_told = false;
    }
    let mut reachable = Vec::new();
    for mut left in left {
        let contact = store.load::<Contact>(&left.account)?;
        let Some(contact) = contact.filter(|contact| !contact.held) else {
            continue;
        };
        // Removed since: what waits still leaves, and nothing is said.
        left.is_told |= contact.stranger;
        left.waiting.sort_by_key(|(_, written)| *written);
        if !left.waiting.is_empty() || left.has_lane || !left.is_told {
            reachable.push(left);
        }
    }
    Ok(reachable)
}

/// The message and the recipient of an envelope that lay at a relay; none of a notice, which is said
/// anew, and of what was deleted or sealed again since.
fn message_of(store: &Store, waiting: &Waiting) -> Result<Option<(Written, AccountId)>, Failure> {
    let Some((MailBox::Sent, id)) = store.find_envelope(&waiting.envelope)? else {
        return Ok(None);
    };
    let Some(message) = store.load::<Message>(&(MailBox::Sent, id))? else {
        return Ok(None);
    };
    let party = message.recipients.iter().find(|party| {
        party
            .deliveries
            .iter()
            .any(|one| one.envelope == waiting.envelope && one.to == waiting.to)
    });
    Ok(party.map(|party| ((message.at, message.seq, id), party.account)))
}

/// Keeps how far a notice is. One that has come to nothing counts as not sealed, and is sealed anew.
/// False when the envelope is none.
pub(crate) fn enter_notice(
    tx: &mut Tx<'_>,
    envelope: &EnvelopeId,
    to: &MailboxId,
    (state, since): (DeliveryState, u64),
) -> Result<bool, Failure> {
    let Some(mut row) = tx.load::<Renewal>(&())? else {
        return Ok(false);
    };
    let Some(told) = notice(&mut row, envelope) else {
        return Ok(false);
    };
    match state {
        DeliveryState::Sealed | DeliveryState::AtRelay | DeliveryState::Fetched => {
            for delivery in told.deliveries.iter_mut().filter(|one| one.to == *to) {
                (delivery.state, delivery.since) = (state, since);
            }
        }
        _ => told.deliveries.clear(),
    }
    tx.put(&row)?;
    Ok(true)
}

/// A notice was taken out of its lane: its recipient counts as not told.
pub(crate) fn forget_notice(tx: &mut Tx<'_>, envelope: &EnvelopeId) -> Result<(), Failure> {
    if let Some(mut row) = tx.load::<Renewal>(&())?
        && let Some(told) = notice(&mut row, envelope)
    {
        told.deliveries.clear();
        tx.put(&row)?;
    }
    Ok(())
}

fn notice<'a>(row: &'a mut Renewal, envelope: &EnvelopeId) -> Option<&'a mut Told> {
    row.told.iter_mut().find(|told| {
        let mut deliveries = told.deliveries.iter();
        deliveries.any(|delivery| delivery.envelope == *envelope)
    })
}
