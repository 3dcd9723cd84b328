//! Prekeys: published by a device, claimed by whoever writes to it (docs/protocol.md section 2).
//!
//! A one-time prekey leaves its bag at most once, ever; when the answer is lost, so is the key,
//! which costs nothing but itself. Each record is checked against the device's key in the card
//! twice: when it is published, and again when it is handed out, for the card may have changed.
//! Each signing key of a device has bags of its own: who replaces the key begins with empty ones. Of an
//! account whose key was revoked nothing is taken in and nothing is handed out.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use futures_util::future::try_join_all;
use waxwing_wire::api::{ClaimPrekeys, DevicePrekeys, PrekeyBundle, PrekeyStock, PublishPrekeys};
use waxwing_wire::b64::B64;
use waxwing_wire::card::{DeviceEntry, VerifiedCard};
use waxwing_wire::cose_key::Suite;
use waxwing_wire::ids::{AccountId, DeviceId};
use waxwing_wire::prekey::{Prekey, PrekeyKind, VerifiedPrekey};
use waxwing_wire::problem::Slug;

use super::caller::{Caller, Signed};
use super::{App, Refusal, Shared, revocations};
use crate::store::{BagItem, Expect, Space, StoreError};

const SUITES: [u64; 2] = [1, 2];
/// Records in one call.
const SIGNED_AT_ONCE: usize = 8;
const ONE_TIME_AT_ONCE: usize = 256;
/// How far ahead a prekey's time may lie: its place in the bag is remembered for so long.
const LONGEST: u64 = 400 * 86_400;

/// Publishes prekeys of the calling device. A record that is there already is passed over.
#[utoipa::path(post, path = "/v1/prekeys", tag = "prekeys",
    request_body = PublishPrekeys,
    responses((status = 200, body = PrekeyStock)))]
pub(super) async fn publish(
    State(app): State<Shared>,
    signed: Signed,
) -> Result<Json<PrekeyStock>, Refusal> {
    let records: PublishPrekeys = signed.json()?;
    if records.signed.len() > SIGNED_AT_ONCE || records.one_time.len() > ONE_TIME_AT_ONCE {
        let detail = format!(
            "At most {SIGNED_AT_ONCE} signed and {ONE_TIME_AT_ONCE} one-time prekeys in one call."
        );
        return Err(Refusal::because(Slug::TooLarge, detail));
    }
    revocations::refuse_revoked(&app, &signed.caller.current.card).await?;
    let now = app.now();
    let (current, device) = (signed.caller.current.clone(), signed.caller.device);
    let (last_resort, one_time) = tokio::task::spawn_blocking(move || {
        let check = |records: &[B64], kind| {
            records
                .iter()
                .map(|record| checked(record, kind, &current.card, device, now))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok::<_, Refusal>((
            check(&records.signed, PrekeyKind::Signed)?,
            check(&records.one_time, PrekeyKind::OneTime)?,
        ))
    })
    .await
    .map_err(|_| Slug::Internal)??;

    for (record, prekey) in last_resort {
        keep_newest(&app, &signed.caller, record, &prekey).await?;
    }
    for suite in SUITES {
        let items: Vec<BagItem> = one_time
            .iter()
            .filter(|(_, prekey)| prekey.body().key.suite().number() == suite)
            .map(|(record, prekey)| BagItem {
                key: Bytes::copy_from_slice(prekey.hash().as_bytes()),
                body: record.clone(),
                expires_at: prekey.body().not_after,
            })
            .collect();
        if items.is_empty() {
            continue;
        }
        let id = signed.caller.place(suite);
        match app.store.fill(&id, items, app.config.prekeys_waiting).await {
            Ok(_) => {}
            Err(StoreError::QuotaFull) => {
                let detail = format!(
                    "At most {} one-time prekeys may wait.",
                    app.config.prekeys_waiting
                );
                return Err(Refusal::because(Slug::TooLarge, detail));
            }
            Err(error) => return Err(error.into()),
        }
    }
    told(&app, &signed.caller).await
}

/// How many prekeys of the calling device wait.
#[utoipa::path(get, path = "/v1/prekeys", tag = "prekeys", responses((status = 200, body = PrekeyStock)))]
pub(super) async fn stock(
    State(app): State<Shared>,
    signed: Signed,
) -> Result<Json<PrekeyStock>, Refusal> {
    told(&app, &signed.caller).await
}

/// Claims one bundle: the account's card, and of each device its signed prekey and one one-time
/// prekey that nobody else will get.
#[utoipa::path(post, path = "/v1/accounts/{account}/prekeys/claim", tag = "prekeys",
    params(("account" = AccountId, Path, description = "The account, hex")),
    request_body = ClaimPrekeys,
    responses((status = 200, body = PrekeyBundle)))]
pub(super) async fn claim(
    State(app): State<Shared>,
    Path(account): Path<String>,
    signed: Signed,
) -> Result<Json<PrekeyBundle>, Refusal> {
    let account = super::id::<AccountId>(&account)?;
    let wanted: ClaimPrekeys = signed.json()?;
    if Suite::from_number(wanted.suite).is_none() {
        return Err(Refusal::because(
            Slug::BodyInvalid,
            "There are suites 1 and 2.",
        ));
    }
    let current = app
        .directory
        .card(&account)
        .await?
        .ok_or_else(super::cards::unknown_account)?;
    app.limits.claim(signed.caller.account, account)?;
    let card = &current.card;
    revocations::refuse_revoked(&app, card).await?;
    let devices = card.body().devices.iter().map(async |device| {
        let id = place(account, device, wanted.suite);
        let stored = app.store.load(Space::SignedPrekeys, &id).await?;
        let last_resort = stored
            .map(|stored| stored.value)
            .filter(|record| stands(&app, record, card));
        let one_time = loop {
            match app.store.pop(&id).await? {
                // Made under a key that the card no longer has: gone for good.
                Some(record) if !stands(&app, &record, card) => {}
                other => break other,
            }
        };
        let shown = |record: Bytes| B64(record.to_vec());
        Ok::<_, StoreError>(DevicePrekeys {
            device_id: device.device_id,
            signed: last_resort.map(shown),
            one_time: one_time.map(shown),
        })
    });
    let devices = try_join_all(devices).await?;
    Ok(Json(PrekeyBundle {
        card: B64(card.as_bytes().to_vec()),
        devices,
    }))
}

/// Where the prekeys of a device are kept, for a suite and the device's present signing key.
fn place(account: AccountId, device: &DeviceEntry, suite: u64) -> Vec<u8> {
    [
        &account.as_bytes()[..],
        device.device_id.as_bytes(),
        &suite.to_be_bytes(),
        device.signing.as_bytes(),
    ]
    .concat()
}

impl Caller {
    /// Where the caller's own prekeys are kept.
    fn place(&self, suite: u64) -> Vec<u8> {
        place(self.account, &self.entry, suite)
    }
}

fn checked(
    record: &B64,
    kind: PrekeyKind,
    card: &VerifiedCard,
    device: DeviceId,
    now: u64,
) -> Result<(Bytes, VerifiedPrekey), Refusal> {
    let invalid = |detail: String| Refusal::because(Slug::PrekeyInvalid, detail);
    let prekey = Prekey::decode(record.as_slice()).map_err(|error| invalid(format!("{error}.")))?;
    let prekey = prekey
        .verify(card, now)
        .map_err(|error| invalid(format!("{error}.")))?;
    if prekey.body().device_id != device {
        return Err(invalid("A device publishes its own prekeys only.".into()));
    }
    if prekey.body().kind != kind {
        return Err(invalid("A record is in the list of the other kind.".into()));
    }
    if prekey.body().not_after > now.saturating_add(LONGEST) {
        return Err(invalid(
            "A prekey may be valid for 400 days at most.".into(),
        ));
    }
    Ok((Bytes::copy_from_slice(record.as_slice()), prekey))
}

fn stands(app: &App, record: &Bytes, card: &VerifiedCard) -> bool {
    Prekey::decode(record).is_ok_and(|prekey| prekey.verify(card, app.now()).is_ok())
}

/// Keeps a signed prekey unless a newer one is there.
async fn keep_newest(
    app: &App,
    caller: &Caller,
    record: Bytes,
    prekey: &VerifiedPrekey,
) -> Result<(), Refusal> {
    let id = caller.place(prekey.body().key.suite().number());
    loop {
        let stored = app.store.load(Space::SignedPrekeys, &id).await?;
        let expect = stored
            .as_ref()
            .map_or(Expect::Absent, |stored| Expect::Version(stored.version));
        if let Some(stored) = stored
            && let Some(old) = not_after(&stored.value, &caller.current.card, app.now())
            && old >= prekey.body().not_after
        {
            return Ok(());
        }
        match app
            .store
            .save(Space::SignedPrekeys, &id, Some(record.clone()), expect)
            .await
        {
            Ok(_) => return Ok(()),
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Until when a stored record may be used; `None` when it may not at all.
fn not_after(record: &Bytes, card: &VerifiedCard, now: u64) -> Option<u64> {
    let prekey = Prekey::decode(record).ok()?.verify(card, now).ok()?;
    Some(prekey.body().not_after)
}

async fn told(app: &App, caller: &Caller) -> Result<Json<PrekeyStock>, Refusal> {
    let mut stock = PrekeyStock {
        one_time_waiting: 0,
        signed_until: None,
    };
    for suite in SUITES {
        let id = caller.place(suite);
        stock.one_time_waiting += app.store.waiting(&id).await?;
        let stored = app.store.load(Space::SignedPrekeys, &id).await?;
        let until =
            stored.and_then(|stored| not_after(&stored.value, &caller.current.card, app.now()));
        stock.signed_until = stock.signed_until.max(until);
    }
    Ok(Json(stock))
}
