//! When an account's devices were last here, for the account itself (docs/protocol.md section 8).
//!
//! Kept in memory alone, for those that a relay knows anyway while it runs: nothing of it is written.

use axum::Json;
use axum::extract::{Path, State};
use moka::sync::Cache;
use waxwing_wire::api::{DeviceSeen, DevicesSeen};
use waxwing_wire::ids::{AccountId, DeviceId};
use waxwing_wire::problem::Slug;

use super::caller::Signed;
use super::{Refusal, Shared};

/// Devices that are remembered; the least seen are forgotten first.
const MOST: u64 = 100_000;

/// When which device last asked for something.
pub(super) struct Seen(Cache<(AccountId, DeviceId), u64>);

impl Seen {
    pub(super) fn new() -> Self {
        Self(Cache::new(MOST))
    }

    pub(super) fn note(&self, account: AccountId, device: DeviceId, now: u64) {
        self.0.insert((account, device), now);
    }
}

/// When the calling account's devices last asked for something, as far as this relay remembers: since it
/// was started.
#[utoipa::path(get, path = "/v1/accounts/{account}/devices", tag = "cards",
    params(("account" = AccountId, Path, description = "The caller's account, hex")),
    responses((status = 200, body = DevicesSeen)))]
pub(super) async fn devices(
    State(app): State<Shared>,
    Path(account): Path<String>,
    signed: Signed,
) -> Result<Json<DevicesSeen>, Refusal> {
    if super::id::<AccountId>(&account)? != signed.caller.account {
        return Err(Refusal::because(
            Slug::Forbidden,
            "Only an account's own devices may ask.",
        ));
    }
    let card = signed.caller.current.card.body();
    let devices = card.devices.iter().map(|entry| DeviceSeen {
        device_id: entry.device_id,
        last_seen: app.seen.0.get(&(card.account_id, entry.device_id)),
    });
    Ok(Json(DevicesSeen {
        devices: devices.collect(),
    }))
}
