//! Randomness as an argument: one generator, seeded by the system unless a test seeds it.

use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::{Mutex, PoisonError};

/// Where generators come from.
pub(crate) struct Chance(Mutex<StdRng>);

impl Chance {
    /// Seeded by the system, or by a test.
    pub(crate) fn new(seed: Option<[u8; 32]>) -> Self {
        Self(Mutex::new(match seed {
            Some(seed) => StdRng::from_seed(seed),
            None => StdRng::from_rng(&mut rand::rng()),
        }))
    }

    /// A generator of one's own.
    pub(crate) fn draw(&self) -> StdRng {
        StdRng::from_rng(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
