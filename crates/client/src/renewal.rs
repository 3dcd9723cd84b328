//! New keys for this account: identity, signing and transport key of this device, all at once, since
//! who has a copy of one has them all. Device id, mailbox, contacts and messages stay.
//!
//! ```text
//! wish ─→ keys staged ─→ card staged ─→ card at the relay ─→ keys swapped ─→ card adopted
//!                                                            ^ from here on the new keys are ours
//! ```
//! Every step is on the disk before the next, and every call to the relay may be repeated, so what cuts
//! it off (a crash, a lock, an absent relay, a lost answer) leaves something that goes on: at the next
//! round of the upkeep. Then what the old keys signed and nobody has fetched is sealed again, and contacts
//! are told ([`telling`]). What a person asks for is in [`asking`].
//! Carries out docs/protocol.md section 17.
//!
//! Invariants:
//! * key and card change together for who signs: both are replaced under [`Inner::signing`];
//! * keys that a relay may have been shown are dropped only when a card that our own key signed proves
//!   that another device was first, never on the relay's word.

mod asking;
mod telling;

pub(crate) use telling::{enter_notice, forget_notice};

use asking::{keep_wish, refuse_second};

use crate::app::{App, Inner};
use crate::directory;
use crate::failure::Failure;
use crate::line::{Line, Signer};
use crate::own_card::compare;
use crate::prekeys::{own_card, restock};
use crate::view::{Change, Reason, RelayShows};
use std::sync::Arc;
use waxwing_crypto::card::{Terms, sign_reset, sign_rotation};
use waxwing_crypto::keys::{AccountKey, DeviceKey, TransportKey, device_entry};
use waxwing_crypto::revocation::sign_revocation;
use waxwing_crypto::vault_header::Keyring;
use waxwing_vault::rows::{
    ActivityKind, Contact, DeliveryState, OwnCard, OwnRevocation, Renewal, RenewalKind,
    RenewalState, Told, Waiting,
};
use waxwing_vault::steps::{Step, reached};
use waxwing_vault::{Open, Store, VaultError};
use waxwing_wire::card::{Card, VerifiedCard};
use waxwing_wire::limits::MAX_CARD_LIFE;
use waxwing_wire::problem::Slug;

/// What the relay made of the staged card.
enum Put {
    /// It shows it.
    Taken,
    /// It shows a card that our key signed elsewhere.
    Lost,
}

impl App {
    /// Takes the replacement of the keys as far as it goes now.
    pub(crate) async fn renew_keys(&self) -> Result<(), Failure> {
        let went = self.replace_keys().await;
        let waits = match &went {
            Err(Failure::Relay { reason }) => Some(*reason),
            _ => None,
        };
        let before = std::mem::replace(&mut self.know().renewal_waits, waits);
        if before != waits {
            self.tell(Change::Renewal);
        }
        went
    }

    async fn replace_keys(&self) -> Result<(), Failure> {
        self.hand_in_revocation().await?;
        let Some(mut row) = self.with_open(wanted).await? else {
            return Ok(());
        };
        let line = self.line().await?;
        if row.card.is_none() {
            let shows = self.publish_own_card(&line).await?;
            self.relay_showed(shows);
            match shows {
                RelayShows::Agrees => {}
                RelayShows::Newer => return self.lose().await,
                _ => return Err(Reason::Rejected.into()),
            }
            row = self.with_open(stage).await?;
        }
        let (new, signer) = self.with_open(staged).await?;
        let by_new = line.signed_by(Arc::new(signer));
        match self.put_staged(&line, &by_new, &row, &new).await? {
            Put::Lost => return self.lose().await,
            Put::Taken => reached(Step::CardOut),
        }
        if row.kind == RenewalKind::Reset {
            self.reset_where_it_was_left(&new).await;
        }
        let signing = self.signing.write().await;
        self.with_open(swap).await?;
        drop(signing);
        // Until it has prekeys under the new key, nobody can write to this account.
        if let Err(failure) = restock(self, &by_new).await {
            tracing::info!(%failure, "prekeys under the new key are published later");
        }
        self.relay_showed(RelayShows::Agrees);
        self.tell(Change::Renewal);
        self.tell(Change::Contacts(None));
        for waker in [
            &self.wakers.inbox,
            &self.wakers.left,
            &self.wakers.outbox,
            &self.wakers.watch,
        ] {
            waker.notify_one();
        }
        Ok(())
    }

    /// Puts the staged card. A rotation is proven by the key in the new card. A reset is proven by the key
    /// in the revoked one; once it was taken that key is unknown there, and the new one is asked with.
    async fn put_staged(
        &self,
        line: &Line,
        by_new: &Line,
        row: &Renewal,
        new: &VerifiedCard,
    ) -> Result<Put, Failure> {
        let own = self.own().await?;
        let bytes = || new.as_bytes().to_vec();
        let replaces = Some(own.version);
        let put = match row.kind {
            RenewalKind::Rotate => by_new.put_card(bytes(), replaces).await,
            RenewalKind::Reset => {
                self.revoke_at(line, &own).await?;
                match line.put_card(bytes(), replaces).await {
                    Err(error) if error.is_about_signer() => {
                        by_new.put_card(bytes(), replaces).await
                    }
                    put => put,
                }
            }
        };
        let Err(error) = put else {
            return Ok(Put::Taken);
        };
        match (error.slug, &error.current_card) {
            (Some(Slug::CardChanged), Some(current)) => {
                let shows = compare(&own, current, self.now());
                self.relay_showed(shows);
                match shows {
                    RelayShows::Newer => return Ok(Put::Lost),
                    // It was set back: it gets our present card first.
                    RelayShows::Older => drop(self.publish_own_card(line).await?),
                    _ => {}
                }
            }
            (Some(Slug::CardChanged), None) => drop(self.publish_own_card(line).await?),
            (Some(Slug::AccountRevoked), _) => return Ok(Put::Lost),
            (Some(Slug::CardInvalid), _) if new.body().check_time(self.now()).is_err() => {
                // It waited for so long that it is over, and was never taken.
                self.with_open(unstage).await?;
            }
            _ => {}
        }
        Err(error.into())
    }

    /// Relays that were left are asked once, while the old key still can; what they miss they never get.
    async fn reset_where_it_was_left(&self, new: &VerifiedCard) {
        for line in self.left_lines().await.unwrap_or_default() {
            let reset = async {
                let own = self.own().await?;
                self.revoke_at(&line, &own).await?;
                let bytes = new.as_bytes().to_vec();
                line.put_card(bytes, Some(own.version)).await?;
                Ok::<_, Failure>(())
            };
            if let Err(failure) = reset.await {
                tracing::info!(%failure, "a relay that was left keeps the revoked card");
            }
        }
    }

    /// Hands in the revocation of our own key, once.
    async fn hand_in_revocation(&self) -> Result<(), Failure> {
        let own = self.own().await?;
        if own.revocation.as_ref().is_none_or(|kept| kept.is_out) {
            return Ok(());
        }
        self.revoke_at(&self.line().await?, &own).await?;
        for line in self.left_lines().await.unwrap_or_default() {
            if let Err(failure) = self.revoke_at(&line, &own).await {
                tracing::info!(%failure, "a relay that was left does not learn of the revocation");
            }
        }
        let mut rng = self.chance.draw();
        self.with_store(move |store| {
            store.commit(&mut rng, |tx| {
                let mut own = tx.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?;
                if let Some(revocation) = &mut own.revocation {
                    revocation.is_out = true;
                }
                Ok::<_, Failure>(tx.put(&own)?)
            })
        })
        .await?;
        reached(Step::RevocationOut);
        self.tell(Change::Contacts(None));
        Ok(())
    }

    /// Hands in our revocation at one relay. One that took the reset already knows our old key no more.
    async fn revoke_at(&self, line: &Line, own: &OwnCard) -> Result<(), Failure> {
        let account = self.signer().ok_or(Failure::Locked)?.account;
        let Some(revocation) = &own.revocation else {
            return Err(Failure::internal("revocation"));
        };
        match line.revoke(&account, revocation.statement.clone()).await {
            Err(error) if !error.is_about_signer() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Another device was first: what was made here is dropped, and the person is told.
    async fn lose(&self) -> Result<(), Failure> {
        self.with_open(|app, open| {
            let mut rng = app.chance.draw();
            if open.keyring().next().is_some() {
                open.update_keyring(&mut rng, |keyring, _| {
                    keyring.drop_next();
                    Ok::<_, VaultError>(())
                })?;
            }
            let now = app.now();
            open.store().commit(&mut rng, |tx| {
                if let Some(mut row) = tx.load::<Renewal>(&())? {
                    (row.state, row.since, row.card) = (RenewalState::Lost, now, None);
                    tx.put(&row)?;
                }
                Ok::<_, Failure>(tx.record(now, ActivityKind::RenewalLost, "")?)
            })
        })
        .await?;
        self.tell(Change::Renewal);
        Ok(())
    }

    /// Whether a card under new keys is on its way, which follows the present one.
    pub(crate) async fn has_staged_card(&self) -> Result<bool, Failure> {
        self.with_store(|store| {
            let row = store.load::<Renewal>(&())?;
            Ok(row.is_some_and(|row| row.state == RenewalState::Wanted && row.card.is_some()))
        })
        .await
    }
}

/// The replacement that is to go on now. One that waited for a re-key goes on when that is finished, and
/// is dropped when it was undone.
fn wanted(app: &App, open: &mut Open) -> Result<Option<Renewal>, Failure> {
    let store = open.store();
    let Some(mut row) = store.load::<Renewal>(&())? else {
        return Ok(None);
    };
    match row.state {
        RenewalState::Wanted => {}
        RenewalState::Done | RenewalState::Lost => return Ok(None),
        RenewalState::AfterRekey { store: left } if open.store_number() == left => {
            // One that was to begin with a reset, and was cut off before it did.
            if open.rekey().is_some() {
                if row.kind == RenewalKind::Reset {
                    keep_revocation(app, open)?;
                }
            } else {
                store.commit(&mut app.chance.draw(), |tx| tx.delete::<Renewal>(&()))?;
                app.tell(Change::Renewal);
            }
            return Ok(None);
        }
        RenewalState::AfterRekey { .. } => {
            (row.state, row.since) = (RenewalState::Wanted, app.now());
            store.commit(&mut app.chance.draw(), |tx| tx.put(&row))?;
            app.tell(Change::Renewal);
        }
    }
    if row.kind == RenewalKind::Reset {
        keep_revocation(app, open)?;
    }
    Ok(Some(row))
}

/// Keeps that the keys are to be replaced when the re-key that begins now is finished. Gives what was
/// kept before.
pub(crate) fn wish(app: &App, open: &Open, kind: RenewalKind) -> Result<Option<Renewal>, Failure> {
    let store = open.store();
    refuse_second(&store, kind)?;
    let before = store.load::<Renewal>(&())?;
    let left = open.store_number();
    keep_wish(app, open, kind, RenewalState::AfterRekey { store: left })?;
    Ok(before)
}

/// The re-key did not begin: what was kept before the wish is kept again.
pub(crate) fn unwish(app: &App, open: &Open, before: Option<Renewal>) -> Result<(), Failure> {
    Ok(open
        .store()
        .commit(&mut app.chance.draw(), |tx| match &before {
            Some(row) => tx.put(row),
            None => tx.delete::<Renewal>(&()),
        })?)
}

/// The re-key was undone: what waited for it is not wanted any more.
pub(crate) fn drop_wish(app: &App, open: &mut Open) -> Result<(), Failure> {
    wanted(app, open).map(drop)
}

/// Signs the revocation of the present key and keeps it, unless that was done.
pub(crate) fn keep_revocation(app: &Inner, open: &Open) -> Result<(), Failure> {
    let store = open.store();
    let mut own = store.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?;
    if own.revocation.is_some() {
        return Ok(());
    }
    let (key, now) = (AccountKey::from_seed(&open.keyring().account), app.now());
    own.revocation = Some(OwnRevocation {
        statement: sign_revocation(&key, open.keyring().account_id, now),
        at: now,
        is_out: false,
    });
    store.commit(&mut app.chance.draw(), |tx| {
        tx.put(&own)?;
        tx.record(now, ActivityKind::Revoked, "")
    })?;
    reached(Step::RevocationKept);
    Ok(())
}

/// Makes the new keys, and the card under them.
fn stage(app: &App, open: &mut Open) -> Result<Renewal, Failure> {
    let mut rng = app.chance.draw();
    if open.keyring().next().is_none() {
        open.update_keyring(&mut rng, |keyring, rng| {
            keyring.stage_next(rng);
            Ok::<_, VaultError>(())
        })?;
        reached(Step::KeysStaged);
    }
    let store = open.store();
    let mut row = store.load::<Renewal>(&())?.ok_or(Failure::NotFound)?;
    let previous = own_card(&store.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?)?;
    let keyring = open.keyring();
    let next = keyring.next().ok_or(Failure::NotFound)?;
    let (old, new) = (
        AccountKey::from_seed(&keyring.account),
        AccountKey::from_seed(&next.account),
    );
    let mut devices = previous.body().devices.clone();
    for device in &mut devices {
        if device.device_id == keyring.device_id {
            *device = device_entry(
                device.device_id,
                device.mailbox,
                &DeviceKey::from_seed(&next.device),
                &TransportKey::from_seed(&next.transport),
                device.added_at,
            );
        }
    }
    let now = app.now();
    let terms = Terms {
        issued_at: now,
        expires_at: now + MAX_CARD_LIFE,
        min_suite: previous.body().min_suite,
    };
    let card = match row.kind {
        RenewalKind::Rotate => sign_rotation(&old, &new, &previous, devices, terms),
        RenewalKind::Reset => sign_reset(&new, &previous, devices, terms),
    };
    let card = card.map_err(|_| Failure::internal("card"))?;
    row.card = Some(card.as_bytes().to_vec());
    store.commit(&mut rng, |tx| tx.put(&row))?;
    reached(Step::CardStaged);
    Ok(row)
}

/// Forgets a staged card that is over; its keys are used for the next.
fn unstage(app: &App, open: &mut Open) -> Result<(), Failure> {
    Ok(open.store().commit(&mut app.chance.draw(), |tx| {
        if let Some(mut row) = tx.load::<Renewal>(&())? {
            row.card = None;
            tx.put(&row)?;
        }
        Ok::<_, VaultError>(())
    })?)
}

/// The staged card, and what signs requests with its keys.
fn staged(_: &App, open: &mut Open) -> Result<(VerifiedCard, Signer), Failure> {
    let row = open.store().load::<Renewal>(&())?;
    let card = row.as_ref().and_then(card_of).ok_or(Failure::Corrupt)?;
    let keyring = open.keyring();
    let next = keyring.next().ok_or(Failure::Corrupt)?;
    Ok((
        card,
        signer(keyring, TransportKey::from_seed(&next.transport)),
    ))
}

/// Puts the new keys in the place of the old ones, for good, and the card with them.
fn swap(app: &App, open: &mut Open) -> Result<(), Failure> {
    open.update_keyring(&mut app.chance.draw(), |keyring, _| {
        keyring.adopt_next();
        Ok::<_, VaultError>(())
    })?;
    reached(Step::KeysSwapped);
    let transport = TransportKey::from_seed(&open.keyring().transport);
    let signer = signer(open.keyring(), transport);
    app.know().signer = Some(Arc::new(signer));
    adopt(app, open)
}

impl Inner {
    /// After an unlock, before anything is signed: the card of keys that were swapped just before a
    /// crash is adopted, and lanes that hold what the old keys signed are known.
    pub(crate) fn resume_renewal(&self, open: &Open) {
        let resumed = adopt(self, open).and_then(|()| {
            let store = open.store();
            let row = store.load::<Renewal>(&())?;
            let lanes = row.map(|row| row.lanes).unwrap_or_default();
            keep_back(self, &store, &lanes)
        });
        if let Err(failure) = resumed {
            tracing::error!(%failure, "the replacement of the keys does not go on");
        }
    }
}

/// Makes the staged card our own, once its keys are; and notes what is to be done after that. Nothing
/// when that was done before.
fn adopt(app: &Inner, open: &Open) -> Result<(), Failure> {
    let store = open.store();
    let row = store.load::<Renewal>(&())?;
    let Some(mut row) = row.filter(|row| row.state == RenewalState::Wanted) else {
        return Ok(());
    };
    let Some(card) = card_of(&row) else {
        return Ok(());
    };
    let keyring = open.keyring();
    if *AccountKey::from_seed(&keyring.account).public() != card.body().identity {
        return Ok(());
    }
    let (me, now) = (keyring.account_id, app.now());
    let carriage = open.carriage();
    let waiting = carriage.watched()?.into_iter();
    let waiting = waiting.filter(|watch| watch.state == DeliveryState::AtRelay);
    for watch in waiting {
        let waiting = Waiting {
            envelope: watch.envelope,
            to: watch.to,
        };
        if !row.to_seal_again.contains(&waiting) {
            row.to_seal_again.push(waiting);
        }
    }
    let mut contacts: Vec<Contact> = store.all()?;
    contacts.sort_by_cached_key(|contact| contact.petname.to_lowercase());
    row.lanes = Vec::new();
    for contact in &contacts {
        if !carriage.in_lane(&store.lane(&contact.account)?)?.is_empty() {
            row.lanes.push(contact.account);
        }
    }
    row.told = contacts
        .iter()
        .filter(|contact| contact.account != me && !contact.stranger)
        .map(|contact| Told {
            account: contact.account,
            deliveries: Vec::new(),
        })
        .collect();
    (row.state, row.since) = (RenewalState::Done, now);
    let did = match row.kind {
        RenewalKind::Rotate => ActivityKind::KeyRotated,
        RenewalKind::Reset => ActivityKind::KeyReset,
    };
    store.commit(&mut app.chance.draw(), |tx| {
        let mut own = tx.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?;
        own.ancestors.push(waxwing_wire::ids::Digest::of(&own.card));
        own.card = card.as_bytes().to_vec();
        own.version = card.body().version;
        (own.published, own.published_at) = (Some(own.version), Some(now));
        own.revocation = None;
        tx.put(&own)?;
        if let Some(mut me) = tx.load::<Contact>(&me)? {
            directory::take(&mut me, &card, now);
            me.held = false;
            tx.put(&me)?;
        }
        tx.put(&row)?;
        Ok::<_, Failure>(tx.record(now, did, "")?)
    })?;
    reached(Step::CardAdopted);
    // What is under way was signed by the old key.
    for row in carriage.outbox()? {
        app.stop_sending(&row);
    }
    keep_back(app, &store, &row.lanes)
}

/// Lanes that are not handed in before they are sealed again.
fn keep_back(
    app: &Inner,
    store: &Store,
    accounts: &[waxwing_wire::ids::AccountId],
) -> Result<(), Failure> {
    let lanes = accounts.iter().map(|account| store.lane(account));
    let lanes = lanes.collect::<Result<_, _>>()?;
    app.know().seals_again = lanes;
    Ok(())
}

fn card_of(row: &Renewal) -> Option<VerifiedCard> {
    Card::decode(row.card.as_deref()?).ok()?.verify_self().ok()
}

fn signer(keyring: &Keyring, key: TransportKey) -> Signer {
    Signer {
        account: keyring.account_id,
        device: keyring.device_id,
        mailbox: keyring.mailbox_id,
        key,
    }
}
