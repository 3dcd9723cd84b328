//! Prekeys: ours at the relay (docs/protocol.md sections 1, 2 and 12), and what else is looked after.
//!
//! Ours: one signed prekey, new every week, and a stock of one-time ones. A record is published
//! only after its secret half is on disk, sealed under the key of its week; the keys of weeks in
//! which nobody can need them any more are destroyed.
//! What is kept only for a time is forgotten here too.
//! Others': for each device of a contact a bundle is claimed ahead, so that sealing never waits
//! for the network; what was used is replaced afterwards.

use crate::app::App;
use crate::backoff;
use crate::directory;
use crate::failure::Failure;
use crate::line::Line;
use crate::spares::wants_spares;
use crate::view::RelayShows;
use rand::RngExt;
use std::time::Duration;
use waxwing_crypto::keys::DeviceKey;
use waxwing_crypto::prekey::{self, PrekeyTerms};
use waxwing_crypto::vault_header::EpochId;
use waxwing_vault::Store;
use waxwing_vault::rows::{Contact, OwnCard, PrekeyKind, PrekeySecret};
use waxwing_wire::api::PublishPrekeys;
use waxwing_wire::card::VerifiedCard;
use waxwing_wire::cose_key::Suite;
use waxwing_wire::limits::{MAX_TTL, SIGNED_PREKEY_TURN};
use waxwing_wire::prekey::PrekeyKind as WireKind;

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
pub(crate) const ROUND: Duration = Duration::from_secs(3600);

/// Looks after own card, own prekeys and the spares of others, whenever woken and every hour; sooner when
/// something did not work.
pub(crate) async fn run(app: App) {
    let (mut purge_at, mut failures) = (0, 0);
    loop {
        let mut wait = ROUND;
        if app.known().store.is_some() {
            let now = app.now();
            if now >= purge_at {
                match app.purge_replays().await {
                    Ok(()) => purge_at = now + DAY,
                    Err(failure) => tracing::info!(%failure, "replay rows are removed later"),
                }
            }
            failures = match look_after(&app).await {
                Ok(()) => 0,
                Err(failure) => {
                    tracing::info!(%failure, "cards and prekeys are looked after later");
                    failures + 1
                }
            };
            if failures > 0 {
                wait = backoff::pause(failures, app.chance.draw().random());
            }
        }
        tokio::select! {
            () = app.wakers.upkeep.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn look_after(app: &App) -> Result<(), Failure> {
    // Before anything is asked: it may be what the relay knows us by.
    let renewed = app.renew_keys().await;
    if let Err(failure) = &renewed {
        tracing::info!(%failure, "the keys are replaced later");
    }
    let line = app.line().await?;
    let shows = app.publish_own_card(&line).await;
    if let Ok(shows) = shows {
        app.relay_showed(shows);
    }
    if shows? == RelayShows::Agrees {
        app.take_own_name(&line, &app.relay_name().await?).await?;
        if !app.is_revoked().await? {
            restock(app, &line).await?;
        }
    }
    for left in app.left_lines().await? {
        // Who writes from there needs what everybody needs, and the newest card.
        let kept_up = async {
            match app.publish_own_card(&left).await? {
                RelayShows::Agrees => restock(app, &left).await,
                _ => Ok(()),
            }
        };
        if let Err(failure) = kept_up.await {
            tracing::info!(%failure, "a relay that was left is looked after later");
        }
    }
    app.settle_drop_boxes().await?;
    let contacts = app.with_store(|store| Ok(store.all::<Contact>()?)).await?;
    let now = app.now();
    for mut contact in contacts {
        if contact.looked_at + DAY <= now {
            // They may have another computer, to which nothing is sealed before it is known.
            match app.look_everywhere(contact.account).await {
                Ok(_) => contact = app.find_contact(contact.account).await?.unwrap_or(contact),
                Err(failure) => {
                    tracing::info!(%failure, "the card of a contact is looked at later");
                }
            }
        }
        if !contact.held && wants_spares(&contact, now) {
            // One contact that is gone must not keep the others waiting.
            if let Err(failure) = app.fetch_spares(contact.account).await {
                tracing::info!(%failure, "spare prekeys of a contact are claimed later");
            }
        }
    }
    app.seal_again_and_tell().await?;
    renewed
}

/// Makes and publishes what the relay's stock of our prekeys lacks.
pub(crate) async fn restock(app: &App, line: &Line) -> Result<(), Failure> {
    let stock = line.prekey_stock().await?;
    let now = app.now();
    let is_ours = app.with_store(move |store| signed_here(store, stock.signed_until));
    let is_ours = is_ours.await?;
    let signed_is_old = !is_ours
        || stock
            .signed_until
            .is_none_or(|until| until < now + SIGNED_LIFE - SIGNED_PREKEY_TURN);
    let missing = if !is_ours {
        STOCK
    } else if stock.one_time_waiting <= STOCK / 2 {
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
    // The signed one goes first: with it alone anybody can write.
    for (kind, count) in [
        (WireKind::Signed, u64::from(signed_is_old)),
        (WireKind::OneTime, missing),
    ] {
        if count > 0 {
            let records = make(app, kind, count, now).await?;
            let records = records.into_iter().map(Into::into).collect();
            let mut publish = PublishPrekeys {
                signed: Vec::new(),
                one_time: Vec::new(),
            };
            match kind {
                WireKind::Signed => publish.signed = records,
                WireKind::OneTime => publish.one_time = records,
            }
            line.publish_prekeys(&publish).await?;
        }
    }
    Ok(())
}

/// Makes prekeys under the present signing key.
async fn make(app: &App, kind: WireKind, count: u64, now: u64) -> Result<Vec<Vec<u8>>, Failure> {
    let _signing = app.signing.read().await;
    let key = app.device_keys().await?;
    let app_for_work = app.clone();
    app.with_store(move |store| {
        let own = store.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?;
        let maker = Maker {
            app: &app_for_work,
            key: &key,
            card: &own_card(&own)?,
            now,
        };
        maker.make(store, kind, count)
    })
    .await
}

/// Whether the secret half of the signed prekey at the relay is here. After a restored backup it is
/// not, nor those of the one-time prekeys: what is sealed to these is asked for again.
fn signed_here(store: &Store, until: Option<u64>) -> Result<bool, Failure> {
    let rows = store.all::<PrekeySecret>()?;
    let mut signed = rows.iter().filter(|row| row.kind == PrekeyKind::Signed);
    Ok(until.is_none() || signed.any(|row| Some(row.not_after) == until))
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
    directory::proven(&own.card).ok_or(Failure::Corrupt)
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

    /// The device's signing key, from the keyring.
    pub(crate) async fn device_keys(&self) -> Result<DeviceKey, Failure> {
        self.with_keyring(|keyring| DeviceKey::from_seed(&keyring.device))
            .await
    }
}
