//! `rollout`: how fast devices start. A steady rate, or a ramp that grows with what has worked. Pure but for the clock given.

use std::time::Duration;

use tokio::time::Instant;

use crate::book::Rollout;

/// When the next device may start.
pub(super) struct Pace {
    rollout: Option<Rollout>,
    next: Option<Instant>,
}

impl Pace {
    pub(super) fn new(rollout: Option<Rollout>) -> Self {
        Self { rollout, next: None }
    }

    /// The moment from which the next one may start; `None` is at once.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// One started now, and so many have worked until now.
    pub(super) fn started(&mut self, now: Instant, succeeded: usize) {
        let Some(rollout) = &self.rollout else { return };
        let rate = rate(rollout, succeeded);
        if rate > 0.0 {
            // From when it was due, not from now: a late start must not slow the whole run.
            let due = self.next.map_or(now, |due| due.max(now.checked_sub(Duration::from_secs(1)).unwrap_or(now)));
            self.next = Some(due + Duration::from_secs_f64((1.0 / rate).min(86_400.0)));
        }
    }
}

/// Devices a second after so many successes.
fn rate(rollout: &Rollout, succeeded: usize) -> f64 {
    match rollout.ramp {
        None => rollout.rate,
        Some((base, factor, after)) => {
            let steps = succeeded.checked_div(after).unwrap_or(0);
            let grown = base * factor.powi(i32::try_from(steps).unwrap_or(i32::MAX));
            if rollout.rate > 0.0 { grown.min(rollout.rate) } else { grown }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_grows_to_the_rate() {
        let rollout = Rollout { rate: 30.0, ramp: Some((5.0, 2.0, 50)) };
        for (succeeded, expected) in [(0, 5.0), (49, 5.0), (50, 10.0), (100, 20.0), (150, 30.0), (100_000, 30.0)] {
            assert!((rate(&rollout, succeeded) - expected).abs() < 1e-9, "{succeeded}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_spaces_the_starts() {
        let mut pace = Pace::new(Some(Rollout { rate: 4.0, ramp: None }));
        let start = Instant::now();
        assert_eq!(pace.next(), None);
        for _ in 0..4 {
            pace.started(start, 0);
        }
        assert_eq!(pace.next(), Some(start + Duration::from_secs(1)));
        assert_eq!(Pace::new(None).next(), None);
    }
}
