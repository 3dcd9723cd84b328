//! Prekeys: ours at the relay, and spare ones of others at hand (docs/protocol.md sections 1, 2).
//!
//! Ours: one signed prekey, new every week, and a stock of one-time ones. A record is published
//! only after its secret half is on disk, sealed under the key of its week; the keys of weeks in
//! which nobody can need them any more are destroyed.
//! What is kept only for a time is forgotten here too.
//! Others': for each device of a contact a bundle is claimed ahead, so that sealing never waits
//! for the network; what was used is replaced afterwards.

use crate::app::App;
use crate::directory::{self, Outcome};
use crate::failure::Failure;
use crate::line::Line;
use crate::view::Change;
use std::time::Duration;
use waxwing_crypto::keys::DeviceKey;
use waxwing_crypto::prekey::{self, PrekeyTerms};
use waxwing_crypto::vault_header::EpochId;
use waxwing_vault::Store;
use waxwing_vault::rows::{Contact, DeviceSpares, OwnCard, PrekeyKind, PrekeySecret};
use waxwing_wire::api::{PrekeyBundle, PublishPrekeys};
use waxwing_wire::card::{Card, VerifiedCard};
use waxwing_wire::cose_key::Suite;
use waxwing_wire::ids::{AccountId, DeviceId};
use waxwing_wire::limits::{MAX_TTL, SIGNED_PREKEY_TURN};
use waxwing_wire::prekey::{Prekey, PrekeyKind as WireKind, VerifiedPrekey};

const DAY: u64 = 86_400;
/// The suite of everything made here: post-quantum hybrid.
pub(crate) const SUITE: Suite = Suite::S2;
/// One-time prekeys kept at the relay; refilled when half are gone.
const STOCK: u64 = 40;
/// A signed prekey may be used for a week after it was replaced, by who claimed it before.
const SIGNED_LIFE: u64 = 2 * SIGNED_PREKEY_TURN;
const ONE_TIME_LIFE: u64 = 30 * DAY;
/// The longest that a prekey of a week can still open something: its own life and an envelope's.
const EPOCH_LIFE: u64 = ONE_TIME_LIFE + MAX_TTL + SIGNED_PREKEY_TURN;
/// Looks after the stock this often when nothing wakes it.
const ROUND: Duration = Duration::from_secs(3600);

/// Looks after own card, own prekeys and the spares of others, whenever woken and every hour.
pub(crate) async fn run(app: App) {
    let mut purge_at = 0;
    loop {
        if app.known().store.is_some() {
            let now = app.now();
            if now >= purge_at {
                match app.purge_replays().await {
                    Ok(()) => purge_at = now + DAY,
                    Err(failure) => tracing::info!(%failure, "replay rows are removed later"),
                }
            }
            if let Err(failure) = look_after(&app).await {
                tracing::info!(%failure, "cards and prekeys are looked after later");
            }
        }
        tokio::select! {
            () = app.wakers.upkeep.notified() => {}
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

async fn look_after(app: &App) -> Result<(), Failure> {
    let line = app.line().await?;
    app.publish_own_card(&line).await?;
    app.take_own_name(&line, &app.relay_name().await?).await?;
    let before = app.know().relay_agrees.replace(true);
    if before != Some(true) {
        app.tell(Change::Contacts(None));
    }
    restock(app, &line).await?;
    for left in app.left_lines().await? {
        // Who writes from there needs what everybody needs, and the newest card.
        let kept_up = async {
            app.publish_own_card(&left).await?;
            restock(app, &left).await
        };
        if let Err(failure) = kept_up.await {
            tracing::info!(%failure, "a relay that was left is looked after later");
        }
    }
    let contacts = app.with_store(|store| Ok(store.all::<Contact>()?)).await?;
    let now = app.now();
    for contact in contacts {
        if !contact.held && wants_spares(&contact, now) {
            // One contact that is gone must not keep the others waiting.
            if let Err(failure) = app.fetch_spares(contact.account).await {
                tracing::info!(%failure, "spare prekeys of a contact are claimed later");
            }
        }
    }
    Ok(())
}

/// Makes and publishes what the relay's stock of our prekeys lacks.
pub(crate) async fn restock(app: &App, line: &Line) -> Result<(), Failure> {
    let stock = line.prekey_stock().await?;
    let now = app.now();
    let signed_is_old = stock
        .signed_until
        .is_none_or(|until| until < now + SIGNED_LIFE - SIGNED_PREKEY_TURN);
    let missing = if stock.one_time_waiting <= STOCK / 2 {
        STOCK - stock.one_time_waiting
    } else {
        0
    };
    if !signed_is_old && missing == 0 {
        return Ok(());
    }
    app.open_epoch(
        EpochId::at(now),
        EpochId::at(now.saturating_sub(EPOCH_LIFE)),
    )
    .await?;
    let keys = app.device_keys().await?;
    let app_for_work = app.clone();
    let publish = app
        .with_store(move |store| {
            let own = store.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?;
            let card = own_card(&own)?;
            let maker = Maker {
                app: &app_for_work,
                key: &keys,
                card: &card,
                now,
            };
            let signed = if signed_is_old {
                maker.make(store, WireKind::Signed, 1)?
            } else {
                Vec::new()
            };
            let one_time = maker.make(store, WireKind::OneTime, missing)?;
            Ok(PublishPrekeys {
                signed: signed.into_iter().map(Into::into).collect(),
                one_time: one_time.into_iter().map(Into::into).collect(),
            })
        })
        .await?;
    line.publish_prekeys(&publish).await?;
    Ok(())
}

struct Maker<'a> {
    app: &'a App,
    key: &'a DeviceKey,
    card: &'a VerifiedCard,
    now: u64,
}

impl Maker<'_> {
    /// Makes prekeys and keeps their secret halves; gives the records to publish.
    fn make(&self, store: &Store, kind: WireKind, count: u64) -> Result<Vec<Vec<u8>>, Failure> {
        let mut rng = self.app.chance.draw();
        let signer = self.app.signer().ok_or(Failure::Locked)?;
        let (life, row_kind) = match kind {
            WireKind::Signed => (SIGNED_LIFE, PrekeyKind::Signed),
            WireKind::OneTime => (ONE_TIME_LIFE, PrekeyKind::OneTime),
        };
        let terms = PrekeyTerms {
            account_id: signer.account,
            device_id: signer.device,
            kind,
            suite: SUITE,
            not_after: self.now + life,
            card_hash: self.card.hash(),
        };
        let mut rows = Vec::new();
        for _ in 0..count {
            let (own, record) = prekey::generate(self.key, &terms, &mut rng)
                .map_err(|_| Failure::internal("prekey"))?;
            rows.push(PrekeySecret {
                kid: own.kid(),
                kind: row_kind,
                suite: i64::try_from(SUITE.number()).unwrap_or_default(),
                epoch: EpochId::at(self.now).0,
                secret: own.expose(),
                record: record.as_bytes().to_vec(),
                made_at: self.now,
                not_after: terms.not_after,
            });
        }
        store.commit(&mut rng, |tx| rows.iter().try_for_each(|row| tx.put(row)))?;
        Ok(rows.into_iter().map(|row| row.record).collect())
    }
}

/// Our own card, as it stands on disk.
pub(crate) fn own_card(own: &OwnCard) -> Result<VerifiedCard, Failure> {
    Card::decode(&own.card)
        .ok()
        .and_then(|card| card.verify_self().ok())
        .ok_or(Failure::Corrupt)
}

/// Whether some device of a contact lacks a one-time or a signed prekey that lasts until the next
/// round.
fn wants_spares(contact: &Contact, now: u64) -> bool {
    asks_for(contact, now, |card, spare| {
        let until = now + ROUND.as_secs();
        let lasts = |record: &Option<Vec<u8>>| usable(record.as_deref(), card, until).is_some();
        lasts(&spare.one_time) && lasts(&spare.signed)
    })
}

/// Whether some device of a contact has no prekey at all that can be sealed to.
pub(crate) fn lacks_prekeys(contact: &Contact, now: u64) -> bool {
    asks_for(contact, now, |card, spare| {
        let is_usable = |record: &Option<Vec<u8>>| usable(record.as_deref(), card, now).is_some();
        is_usable(&spare.one_time) || is_usable(&spare.signed)
    })
}

/// Whether the relay is to be asked because a device has not enough. What was claimed without
/// getting more is not asked for again before the next round: the relay has none.
fn asks_for(
    contact: &Contact,
    now: u64,
    is_enough: impl Fn(&VerifiedCard, &DeviceSpares) -> bool,
) -> bool {
    let Some(card) = directory::pinned(contact) else {
        return true;
    };
    let patient = now.saturating_sub(ROUND.as_secs() / 2);
    card.body().devices.iter().any(|device| {
        spare_of(contact, &device.device_id)
            .is_none_or(|spare| spare.claimed_at < patient && !is_enough(&card, spare))
    })
}

fn spare_of<'a>(contact: &'a Contact, device: &DeviceId) -> Option<&'a DeviceSpares> {
    let mut spares = contact.spares.iter();
    spares.find(|spare| spare.device == *device)
}

/// A record that the device of a card signed and that may be sealed to at a time.
fn usable(record: Option<&[u8]>, card: &VerifiedCard, at: u64) -> Option<VerifiedPrekey> {
    let prekey = Prekey::decode(record?).ok()?;
    prekey.verify(card, at).ok()
}

/// Claims fresh prekeys for every device of a contact and judges the card that comes with them.
async fn claim_spares(app: &App, line: &Line, account: AccountId) -> Result<(), Failure> {
    let bundle = line.claim_prekeys(&account, SUITE.number()).await?;
    let now = app.now();
    let mut rng = app.chance.draw();
    let outcome = app
        .with_store(move |store| {
            store.commit(&mut rng, |tx| {
                let Some(mut contact) = tx.load::<Contact>(&account)? else {
                    return Ok(None);
                };
                let outcome = directory::judge(&mut contact, bundle.card.as_slice(), now);
                if matches!(outcome, Outcome::Same | Outcome::Taken) {
                    keep_spares(&mut contact, &bundle, now);
                }
                tx.put(&contact)?;
                Ok::<_, Failure>(Some(outcome))
            })
        })
        .await?;
    if !matches!(outcome, Some(Outcome::Same) | None) {
        app.tell(Change::Contacts(Some(account.to_string())));
    }
    Ok(())
}

fn keep_spares(contact: &mut Contact, bundle: &PrekeyBundle, now: u64) {
    let Some(card) = directory::pinned(contact) else {
        return;
    };
    let genuine = |record: &Option<waxwing_wire::b64::B64>| {
        let bytes = record.as_ref()?.as_slice();
        Prekey::decode(bytes).ok()?.verify(&card, now).ok()?;
        Some(bytes.to_vec())
    };
    for device in &bundle.devices {
        let fresh = DeviceSpares {
            device: device.device_id,
            signed: genuine(&device.signed),
            one_time: genuine(&device.one_time),
            claimed_at: now,
        };
        contact
            .spares
            .retain(|spare| spare.device != device.device_id);
        contact.spares.push(fresh);
    }
}

/// What is at hand to seal to a contact.
pub(crate) struct Taken {
    /// The card that the prekeys were checked against.
    pub(crate) card: VerifiedCard,
    /// One for each device that has one.
    pub(crate) prekeys: Vec<VerifiedPrekey>,
    /// How many devices have none, and get nothing.
    pub(crate) left_out: u32,
}

/// Takes one prekey for each device of a contact: the one-time one at hand, else the signed one.
/// None when no device has one.
pub(crate) fn take_spares(contact: &mut Contact, now: u64) -> Option<Taken> {
    let card = directory::pinned(contact)?;
    let (mut prekeys, mut left_out) = (Vec::new(), 0);
    for device in &card.body().devices {
        let mut spares = contact.spares.iter_mut();
        let spare = spares.find(|spare| spare.device == device.device_id);
        let taken = spare.and_then(|spare| {
            let one_time = usable(spare.one_time.as_deref(), &card, now);
            spare.one_time = None;
            if one_time.is_some() {
                spare.claimed_at = 0;
            }
            one_time.or_else(|| usable(spare.signed.as_deref(), &card, now))
        });
        match taken {
            Some(prekey) => prekeys.push(prekey),
            None => left_out += 1,
        }
    }
    (!prekeys.is_empty()).then_some(Taken {
        card,
        prekeys,
        left_out,
    })
}

impl App {
    /// Forgets messages of which no envelope can be accepted any more (docs/protocol.md section 4).
    /// An envelope is judged by the time it was fetched, so a row stays while one waits that was
    /// fetched before the row was over.
    async fn purge_replays(&self) -> Result<(), Failure> {
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let now = self.now();
        let mut rng = self.chance.draw();
        self.with_store(move |store| {
            let waiting = carriage.incoming()?;
            let oldest = waiting.iter().map(|row| row.fetched_at).min();
            let over = now.min(oldest.unwrap_or(now));
            store.commit(&mut rng, |tx| Ok(tx.purge_replays(over).map(drop)?))
        })
        .await
    }

    /// Claims a spare bundle of a contact from the first relay that knows them.
    pub(crate) async fn fetch_spares(&self, account: AccountId) -> Result<(), Failure> {
        for line in self.lines().await? {
            match claim_spares(self, &line, account).await {
                Err(Failure::AddressUnknown) => {}
                other => return other,
            }
        }
        Err(Failure::AddressUnknown)
    }

    /// The device's signing key, from the keyring.
    pub(crate) async fn device_keys(&self) -> Result<DeviceKey, Failure> {
        self.with_keyring(|keyring| DeviceKey::from_seed(&keyring.device))
            .await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use waxwing_crypto::card::{Terms, sign_genesis};
    use waxwing_crypto::keys::{AccountKey, TransportKey, device_entry};
    use waxwing_wire::ids::MailboxId;

    const NOW: u64 = 1_800_000_000;

    /// A contact with one computer whose prekeys, if there are any, may be used until then.
    fn contact(signed_until: Option<u64>, one_time_until: Option<u64>) -> Contact {
        let rng = &mut rand::rng();
        let (account, key) = (AccountKey::generate(rng), DeviceKey::generate(rng));
        let (device_id, mailbox) = (DeviceId::generate(rng), MailboxId::generate(rng));
        let transport = TransportKey::generate(rng);
        let terms = Terms {
            issued_at: NOW,
            expires_at: NOW + 60 * DAY,
            min_suite: SUITE,
        };
        let entry = device_entry(device_id, mailbox, &key, &transport, NOW);
        let card = sign_genesis(&account, vec![entry], terms).unwrap();
        let account_id = card.body().account_id;
        let mut contact = directory::first(&account_id, card.as_bytes(), "bob", "", NOW).unwrap();
        let record = |kind, until: Option<u64>| {
            let terms = PrekeyTerms {
                account_id,
                device_id,
                kind,
                suite: SUITE,
                not_after: until?,
                card_hash: card.hash(),
            };
            let (_, record) = prekey::generate(&key, &terms, &mut rand::rng()).unwrap();
            Some(record.as_bytes().to_vec())
        };
        contact.spares = vec![DeviceSpares {
            device: device_id,
            signed: record(WireKind::Signed, signed_until),
            one_time: record(WireKind::OneTime, one_time_until),
            claimed_at: NOW - DAY,
        }];
        contact
    }

    #[test]
    fn spares_that_are_over_or_missing_are_claimed_anew() {
        let (over, soon, later) = (NOW - 1, NOW + 60, NOW + DAY);
        assert!(!wants_spares(&contact(Some(later), Some(later)), NOW));
        assert!(wants_spares(&contact(Some(later), None), NOW));
        assert!(wants_spares(&contact(Some(later), Some(over)), NOW));
        assert!(wants_spares(&contact(Some(over), Some(later)), NOW));
        assert!(wants_spares(&contact(Some(soon), Some(later)), NOW));
        assert!(wants_spares(&contact(None, None), NOW));
        // Just claimed: the relay had no more.
        let mut asked = contact(Some(later), None);
        asked.spares[0].claimed_at = NOW - 60;
        assert!(!wants_spares(&asked, NOW));
    }

    #[test]
    fn a_computer_lacks_prekeys_only_when_none_can_be_sealed_to() {
        let (over, later) = (NOW - 1, NOW + DAY);
        assert!(!lacks_prekeys(&contact(Some(later), Some(over)), NOW));
        assert!(!lacks_prekeys(&contact(None, Some(later)), NOW));
        assert!(lacks_prekeys(&contact(Some(over), Some(over)), NOW));
        let taken = take_spares(&mut contact(Some(later), Some(over)), NOW).unwrap();
        assert_eq!(taken.prekeys[0].body().kind, WireKind::Signed);
        assert!(take_spares(&mut contact(Some(over), None), NOW).is_none());
    }
}
