//! How often a caller may ask (`RateLimit` fields of draft-ietf-httpapi-ratelimit-headers).

use std::num::NonZeroU32;

use axum::http::{HeaderMap, HeaderValue};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use waxwing_wire::ids::{AccountId, DeviceId};
use waxwing_wire::problem::Slug;

use super::Refusal;
use super::visitor::Visitor;
use crate::{Config, Rate};

type Keyed<K> = RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// What a caller may still do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remaining {
    rate: Rate,
    left: u32,
}

impl Remaining {
    pub(super) fn write(self, headers: &mut HeaderMap) {
        let (burst, per_second) = (self.rate.burst.get(), self.rate.per_second.get());
        let window = burst.div_ceil(per_second);
        let fill = (burst - self.left.min(burst)).div_ceil(per_second);
        for (name, text) in [
            (
                "ratelimit-policy",
                format!("\"device\";q={burst};w={window}"),
            ),
            ("ratelimit", format!("\"device\";r={};t={fill}", self.left)),
        ] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
    }
}

/// All limits of one relay.
pub(crate) struct Rates {
    clock: DefaultClock,
    device: Option<(Rate, Keyed<(AccountId, DeviceId)>)>,
    claim: Option<(Rate, Keyed<(AccountId, AccountId)>)>,
    account: Option<(Rate, Keyed<()>)>,
    link: Option<(Rate, Keyed<()>)>,
    service: Option<(Rate, Keyed<Visitor>)>,
    service_key: Option<(Rate, Keyed<()>)>,
    visitor: Option<(Rate, Keyed<Visitor>)>,
    visitors: Option<(Rate, Keyed<()>)>,
}

impl Rates {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            clock: DefaultClock::default(),
            device: keyed(config.device_rate),
            claim: keyed(config.claim_rate),
            account: keyed(config.account_rate),
            link: keyed(config.link_rate),
            service: keyed(config.key_service.address_rate),
            service_key: keyed(config.key_service.key_rate),
            visitor: keyed(config.visitor_rate),
            visitors: keyed(config.visitors_rate),
        }
    }

    /// Counts a request of a device.
    pub(super) fn device(
        &self,
        account: AccountId,
        device: DeviceId,
    ) -> Result<Option<Remaining>, Refusal> {
        self.check(
            self.device.as_ref(),
            &(account, device),
            "This device asks too often; wait a little.",
        )
    }

    /// Counts a claim of a contact's prekeys.
    pub(super) fn claim(&self, caller: AccountId, contact: AccountId) -> Result<(), Refusal> {
        let detail = "This account claims that contact's prekeys too often; wait a little.";
        self.check(self.claim.as_ref(), &(caller, contact), detail)
            .map(drop)
    }

    /// Counts a new account.
    pub(super) fn account(&self) -> Result<(), Refusal> {
        let detail = "Too many new accounts at this moment; wait a little.";
        self.check(self.account.as_ref(), &(), detail).map(drop)
    }

    /// Counts a request about a link, of whomever.
    pub(super) fn link(&self) -> Result<(), Refusal> {
        let detail = "Too many devices are being linked here; wait a little.";
        self.check(self.link.as_ref(), &(), detail).map(drop)
    }

    /// Counts a request to the key service from an address; answers the seconds to wait.
    pub(super) fn service(&self, source: Visitor) -> Result<(), u64> {
        self.count(self.service.as_ref(), &source).map(drop)
    }

    /// Counts a new key of the key service.
    pub(super) fn service_key(&self) -> Result<(), u64> {
        self.count(self.service_key.as_ref(), &()).map(drop)
    }

    /// Counts a request of somebody at a drop box.
    pub(super) fn visitor(&self, visitor: Visitor) -> Result<(), Refusal> {
        let detail = "Too much is asked from where you are; wait a little.";
        self.check(self.visitor.as_ref(), &visitor, detail)?;
        let detail = "Too many people write to drop boxes here; wait a little.";
        self.check(self.visitors.as_ref(), &(), detail).map(drop)
    }

    fn check<K: std::hash::Hash + Eq + Clone>(
        &self,
        limit: Option<&(Rate, Keyed<K>)>,
        key: &K,
        detail: &'static str,
    ) -> Result<Option<Remaining>, Refusal> {
        self.count(limit, key).map_err(|seconds| {
            Refusal::because(Slug::TooManyRequests, detail)
                .with(|problem| problem.retry_after = Some(seconds))
        })
    }

    /// Counts a request; refused, it answers the seconds to wait.
    fn count<K: std::hash::Hash + Eq + Clone>(
        &self,
        limit: Option<&(Rate, Keyed<K>)>,
        key: &K,
    ) -> Result<Option<Remaining>, u64> {
        let Some((rate, limiter)) = limit else {
            return Ok(None);
        };
        match limiter.check_key(key) {
            Ok(state) => Ok(Some(Remaining {
                rate: *rate,
                left: state.remaining_burst_capacity(),
            })),
            Err(until) => {
                let wait = until.wait_time_from(self.clock.now());
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                Err(seconds.max(1))
            }
        }
    }

    /// Drops what is remembered of callers who have rested long enough.
    pub(crate) fn forget_rested(&self) {
        if let Some((_, limiter)) = &self.device {
            limiter.retain_recent();
        }
        if let Some((_, limiter)) = &self.claim {
            limiter.retain_recent();
        }
        if let Some((_, limiter)) = &self.service {
            limiter.retain_recent();
        }
        if let Some((_, limiter)) = &self.visitor {
            limiter.retain_recent();
        }
    }
}

fn keyed<K: std::hash::Hash + Eq + Clone>(rate: Option<Rate>) -> Option<(Rate, Keyed<K>)> {
    let rate = rate?;
    let quota = Quota::per_second(rate.per_second)
        .allow_burst(NonZeroU32::max(rate.burst, rate.per_second));
    Some((rate, RateLimiter::keyed(quota).with_middleware()))
}
