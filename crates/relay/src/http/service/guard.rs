//! Who tries passphrases, and how often.
//!
//! After [`FREE`] wrong ones from one address at one key each further one doubles the wait, to
//! [`LONGEST`] seconds at most; a right one forgets them. Behind that, wider: wrong ones at one key
//! from everywhere, and from one address at every key. While one waits, nothing is tried, so a
//! refusal costs a look into memory, and a right passphrase cannot be told from a wrong one.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::visitor::Visitor;
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

#[derive(Clone, Copy, Default)]
struct Tries {
    wrong: u32,
    wait_until: u64,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum At {
    Both(Token, Visitor),
    Key(Token),
    Visitor(Visitor),
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

    fn places(token: &Token, visitor: Visitor) -> [(At, u32); 3] {
        [
            (At::Both(token.clone(), visitor), FREE),
            (At::Key(token.clone()), FREE_WIDE),
            (At::Visitor(visitor), FREE_WIDE),
        ]
    }

    /// Whether one may try now.
    ///
    /// # Errors
    /// One must wait.
    pub(super) fn may_try(&self, token: &Token, visitor: Visitor, now: u64) -> Result<(), Fault> {
        let until = Self::places(token, visitor)
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
    pub(super) fn was_wrong(&self, token: &Token, visitor: Visitor, now: u64) {
        for (at, free) in Self::places(token, visitor) {
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
    pub(super) fn was_right(&self, token: &Token, visitor: Visitor) {
        self.tries.invalidate(&At::Both(token.clone(), visitor));
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

    const HERE: Visitor = Visitor(None);

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
        let elsewhere = Visitor(Some("2001:db8::".parse().unwrap()));
        guard.was_wrong(&token, HERE, now);
        guard.may_try(&token, elsewhere, now).unwrap();
        assert!(guard.may_try(&token, HERE, now).is_err());
        guard.was_right(&token, HERE);
        guard.may_try(&token, HERE, now).unwrap();
    }
}
