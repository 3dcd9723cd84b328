//! The new keys and their card: made, kept beside the present ones, and put in their place.

use crate::app::{App, Inner};
use crate::directory;
use crate::failure::Failure;
use crate::line::Signer;
use crate::prekeys::own_card;
use std::sync::Arc;
use waxwing_crypto::card::{Terms, sign_reset, sign_rotation};
use waxwing_crypto::keys::{AccountKey, DeviceKey, TransportKey, device_entry};
use waxwing_crypto::vault_header::Keyring;
use waxwing_vault::rows::{
    ActivityKind, Contact, DeliveryState, OwnCard, Renewal, RenewalKind, RenewalState, Told,
    Waiting,
};
use waxwing_vault::steps::{Step, reached};
use waxwing_vault::{Carriage, Open, Store, VaultError};
use waxwing_wire::card::VerifiedCard;
use waxwing_wire::ids::{AccountId, Digest};
use waxwing_wire::limits::MAX_CARD_LIFE;

/// Makes the new keys, and the card under them.
pub(super) fn stage(app: &App, open: &mut Open) -> Result<Renewal, Failure> {
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
    if row.kind == RenewalKind::Reset {
        // In whose hands the others are, nobody knows: they are linked again.
        devices.retain(|device| device.device_id == keyring.device_id);
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
pub(super) fn unstage(app: &App, open: &mut Open) -> Result<(), Failure> {
    Ok(open.store().commit(&mut app.chance.draw(), |tx| {
        if let Some(mut row) = tx.load::<Renewal>(&())? {
            row.card = None;
            tx.put(&row)?;
        }
        Ok::<_, VaultError>(())
    })?)
}

/// The staged card, and what signs requests with its keys.
pub(super) fn staged(_: &App, open: &mut Open) -> Result<(VerifiedCard, Signer), Failure> {
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
pub(super) fn swap(app: &App, open: &mut Open) -> Result<(), Failure> {
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
    let has_others = card.body().devices.len() > 1;
    let carriage = open.carriage();
    if !row.is_followed {
        note_what_is_left(&mut row, (&store, &carriage), &me, has_others)?;
    }
    (row.state, row.since) = (RenewalState::Done, now);
    let did = match row.kind {
        RenewalKind::Rotate => ActivityKind::KeyRotated,
        RenewalKind::Reset => ActivityKind::KeyReset,
    };
    store.commit(&mut app.chance.draw(), |tx| {
        let mut own = tx.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?;
        own.ancestors.push(Digest::of(&own.card));
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
    if row.is_followed {
        return Ok(());
    }
    keep_back(app, &store, &row.lanes)?;
    // What is under way was signed by the old key.
    for row in carriage.outbox()? {
        app.stop_sending(&row);
    }
    Ok(())
}

/// Everything that the old keys signed and that nobody has fetched, and everybody who is told: the
/// account's own other devices too, which are given the new account key.
fn note_what_is_left(
    row: &mut Renewal,
    (store, carriage): (&Store, &Carriage),
    me: &AccountId,
    has_others: bool,
) -> Result<(), Failure> {
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
        .filter(|contact| !contact.stranger && (contact.account != *me || has_others))
        .map(|contact| Told {
            account: contact.account,
            deliveries: Vec::new(),
        })
        .collect();
    Ok(())
}

/// Lanes that are not handed in before they are sealed again.
fn keep_back(app: &Inner, store: &Store, accounts: &[AccountId]) -> Result<(), Failure> {
    let lanes = accounts.iter().map(|account| store.lane(account));
    let lanes = lanes.collect::<Result<_, _>>()?;
    app.know().seals_again = lanes;
    Ok(())
}

/// The card of the new keys, once it was made.
pub(super) fn card_of(row: &Renewal) -> Option<VerifiedCard> {
    directory::proven(row.card.as_deref()?)
}

fn signer(keyring: &Keyring, key: TransportKey) -> Signer {
    Signer {
        account: keyring.account_id,
        device: keyring.device_id,
        mailbox: keyring.mailbox_id,
        key,
    }
}
