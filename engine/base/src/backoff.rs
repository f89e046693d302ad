//! Exponential back-off with full jitter: the delay before try n is uniform between the floor and the capped exponential.

use std::time::Duration;

use rand::Rng;

/// How long to wait before the next try.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    tries: u32,
}

impl Backoff {
    /// Starts at `first`, doubles, and never exceeds `cap`.
    pub fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap, tries: 0 }
    }

    /// The next delay: between a quarter of the current ceiling and the ceiling itself.
    pub fn next(&mut self, rng: &mut impl Rng) -> Duration {
        let ceiling = self.first.saturating_mul(1u32.checked_shl(self.tries.min(30)).unwrap_or(u32::MAX)).min(self.cap);
        self.tries = self.tries.saturating_add(1);
        ceiling.mul_f64(rng.random_range(0.25..=1.0))
    }

    /// Back to the first delay, after something worked.
    pub fn reset(&mut self) {
        self.tries = 0;
    }

    /// How many delays were handed out since the last reset.
    pub fn tries(&self) -> u32 {
        self.tries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    #[test]
    fn grows_to_the_cap_and_resets() {
        let mut rng = Seed(1).rng();
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        let delays: Vec<_> = (0..40).map(|_| backoff.next(&mut rng)).collect();
        assert!(delays[0] <= Duration::from_secs(1) && delays[0] >= Duration::from_millis(250));
        assert!(delays.iter().all(|delay| *delay <= Duration::from_secs(30)));
        assert!(delays[20..].iter().all(|delay| *delay >= Duration::from_millis(7_500)));
        backoff.reset();
        assert!(backoff.next(&mut rng) <= Duration::from_secs(1));
    }
}
