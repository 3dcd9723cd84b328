//! How long to wait before the next try: 2, 4, 8 … seconds, five minutes at most, with jitter so
//! that many clients of a relay that comes back do not arrive together.

use backon::{BackoffBuilder, ExponentialBuilder};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(300);

/// The pause after the `attempts`-th failure in a row (the first is 1). `seed` is fresh randomness.
pub(crate) fn pause(attempts: u32, seed: u64) -> Duration {
    let nth = usize::try_from(attempts.saturating_sub(1).min(16)).unwrap_or(16);
    ExponentialBuilder::new()
        .with_min_delay(FIRST)
        .with_max_delay(LONGEST)
        .with_factor(2.0)
        .without_max_times()
        .with_jitter()
        .with_jitter_seed(seed)
        .build()
        .nth(nth)
        .unwrap_or(LONGEST)
        .min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pauses_grow_and_never_exceed_five_minutes(attempts in 1u32..100, seed: u64) {
            let pause = pause(attempts, seed);
            let expected = Duration::from_secs(2u64.saturating_pow(attempts.min(9))).min(LONGEST);
            prop_assert!(pause >= expected, "{pause:?} is less than {expected:?}");
            prop_assert!(pause <= LONGEST);
        }
    }
}
