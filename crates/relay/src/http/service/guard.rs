//! Who tries passphrases, and how often.
//!
//! After [`FREE`] wrong ones from one address at one key each further one doubles the wait, to
//! [`LONGEST`] seconds at most; a right one forgets them. Behind that, wider: wrong ones at one key
//! from everywhere, and from one address at every key. While one waits, nothing is tried, so a
//! refusal costs a look into memory, and a right passphrase cannot be told from a wrong one.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::Peer;
use super::answer::Fault;
use super::token::Token;

const FREE: u32 = 5;
const FREE_WIDE: u32 = 50;
const LONGEST: u64 = 15 * 60;
/// Places of work that keep a processor busy: stretching a passphrase, making a key, sealing.
const AT_WORK: usize = 2;
/// How long one waits for such a place.
const PATIENCE: Duration = Duration::from_secs(20);
/// Who is remembered.
const REMEMBERED: u64 = 100_000;

/// An address, or the network that one household has of IPv6.
pub(super) type Source = Option<IpAddr>;

/// Where a request comes from: the connection, or behind a proxy what the proxy says.
pub(super) fn source(peer: Option<Peer>, headers: &HeaderMap, behind_proxy: bool) -> Source {
    let told = || {
        let list = headers.get_all("x-forwarded-for").iter().next_back()?;
        list.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
    };
    let address: IpAddr = if behind_proxy { told()? } else { peer?.0 };
    Some(match address.to_canonical() {
        IpAddr::V6(long) => {
            let network = u128::from(long) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        short @ IpAddr::V4(_) => short,
    })
}

#[derive(Clone, Copy, Default)]
struct Tries {
    wrong: u32,
    wait_until: u64,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum At {
    Both(Token, Source),
    Key(Token),
    Source(Source),
}

/// The door to everything that a passphrase or a hash opens.
pub(super) struct Guard {
    tries: Cache<At, Tries>,
    work: Arc<Semaphore>,
}

impl Guard {
    pub(super) fn new() -> Self {
        let tries = Cache::builder()
            .max_capacity(REMEMBERED)
            .time_to_idle(Duration::from_secs(24 * 3600))
            .build();
        Self {
            tries,
            work: Arc::new(Semaphore::new(AT_WORK)),
        }
    }

    fn places(token: &Token, source: Source) -> [(At, u32); 3] {
        [
            (At::Both(token.clone(), source), FREE),
            (At::Key(token.clone()), FREE_WIDE),
            (At::Source(source), FREE_WIDE),
        ]
    }

    /// Whether one may try now.
    ///
    /// # Errors
    /// One must wait.
    pub(super) fn may_try(&self, token: &Token, source: Source, now: u64) -> Result<(), Fault> {
        let until = Self::places(token, source)
            .iter()
            .filter_map(|(at, _)| self.tries.get(at))
            .map(|tries| tries.wait_until)
            .max()
            .unwrap_or(0);
        if until > now {
            return Err(Fault::too_many(
                "Too many wrong passphrases or hashes; wait before the next try.",
                until - now,
            ));
        }
        Ok(())
    }

    /// One was wrong.
    pub(super) fn was_wrong(&self, token: &Token, source: Source, now: u64) {
        for (at, free) in Self::places(token, source) {
            self.tries.entry(at).and_compute_with(|entry| {
                let tries = entry.map(moka::Entry::into_value).unwrap_or_default();
                let wrong = tries.wrong.saturating_add(1);
                let doublings = wrong.saturating_sub(free);
                let wait = match doublings {
                    0 => 0,
                    _ => (1_u64 << doublings.min(20)).min(LONGEST),
                };
                let wait_until = now.saturating_add(wait);
                moka::ops::compute::Op::Put(Tries { wrong, wait_until })
            });
        }
    }

    /// One was right.
    pub(super) fn was_right(&self, token: &Token, source: Source) {
        self.tries.invalidate(&At::Both(token.clone(), source));
    }

    /// A place for work that keeps a processor busy.
    ///
    /// # Errors
    /// None became free in time.
    pub(super) async fn place(&self) -> Result<OwnedSemaphorePermit, Fault> {
        match tokio::time::timeout(PATIENCE, Arc::clone(&self.work).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Fault::busy()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Source = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    #[test]
    fn wrong_ones_wait_longer_and_longer_and_a_right_one_forgets_them() {
        let guard = Guard::new();
        let token = Token::random();
        let mut now = 1000;
        for _ in 0..FREE {
            guard.may_try(&token, HERE, now).unwrap();
            guard.was_wrong(&token, HERE, now);
        }
        let mut waits = Vec::new();
        for _ in 0..12 {
            guard.may_try(&token, HERE, now).unwrap();
            guard.was_wrong(&token, HERE, now);
            let begun = now;
            while guard.may_try(&token, HERE, now).is_err() {
                now += 1;
            }
            waits.push(now - begun);
        }
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        // Somebody elsewhere is not kept waiting for that.
        let elsewhere = Some("2001:db8::1".parse().unwrap());
        guard.was_wrong(&token, HERE, now);
        guard.may_try(&token, elsewhere, now).unwrap();
        assert!(guard.may_try(&token, HERE, now).is_err());
        guard.was_right(&token, HERE);
        guard.may_try(&token, HERE, now).unwrap();
    }

    #[test]
    fn a_household_is_one_source_and_a_proxy_tells_the_address() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "6.6.6.6, 2001:db8::5".parse().unwrap());
        let peer = Some(Peer("::ffff:10.0.0.1".parse().unwrap()));
        let direct = source(peer, &headers, false);
        assert_eq!(direct, Some("10.0.0.1".parse().unwrap()));
        let told = source(peer, &headers, true);
        assert_eq!(told, Some("2001:db8::".parse().unwrap()));
    }
}
