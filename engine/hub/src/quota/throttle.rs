//! One limit: what comes faster goes through at the limit's rate, each a little later, until the wait would be too long. One
//! moment in memory, whatever the rate and however many wait; the waiting itself is the caller's.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;
use wire::Rate;

/// A bucket that holds the limit of one window (a second's or a minute's worth) and fills at the limit's rate. What finds it
/// empty is given the moment at which its turn comes: it pays at once, so those behind it are given later ones.
#[derive(Debug)]
pub(super) struct Throttle {
    /// One operation's share of time.
    interval: Duration,
    /// How far the debt may go ahead of time without anyone waiting.
    burst: Duration,
    /// The longest wait.
    queue: Duration,
    /// When all that was taken so far is paid for.
    paid: Mutex<Instant>,
}

impl Throttle {
    pub(super) fn new(rate: Rate, queue: Duration, now: Instant) -> Self {
        let interval = rate.window / rate.count.max(1);
        Self { interval, burst: rate.window.saturating_sub(interval), queue, paid: Mutex::new(now) }
    }

    fn paid(&self) -> MutexGuard<'_, Instant> {
        self.paid.lock().expect("a moment is plain data: no panic while held")
    }

    /// Takes so many at once: when they may go, or after how long to ask again. A refusal costs nothing.
    pub(super) fn take(&self, count: u32, now: Instant) -> Result<Instant, Duration> {
        let mut paid = self.paid();
        let from = (*paid).max(now);
        let at = from.checked_sub(self.burst).map_or(now, |at| at.max(now));
        let wait = at.duration_since(now);
        if wait > self.queue {
            return Err(wait - self.queue);
        }
        *paid = from + self.interval.saturating_mul(count);
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn throttle(count: u32, queue: Duration) -> Throttle {
        Throttle::new(Rate { count, window: SECOND }, queue, Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_then_at_the_rate_then_not_at_all() {
        let start = Instant::now();
        let limit = throttle(40, 2 * SECOND);
        for index in 0..40 {
            assert_eq!(limit.take(1, start), Ok(start), "{index}");
        }
        for index in 1..=80_u32 {
            assert_eq!(limit.take(1, start), Ok(start + index * Duration::from_millis(25)), "{index}");
        }
        assert_eq!(limit.take(1, start), Err(Duration::from_millis(25)));
        assert_eq!(limit.take(1, start), Err(Duration::from_millis(25)), "a refusal costs nothing");
        let later = start + Duration::from_millis(25);
        assert_eq!(limit.take(1, later), Ok(later + 2 * SECOND));
        assert!(limit.take(1, later).is_err());
        let much_later = start + 10 * SECOND;
        for _ in 0..40 {
            assert_eq!(limit.take(1, much_later), Ok(much_later), "rest fills the bucket, and no further");
        }
        assert!(limit.take(1, much_later).unwrap() > much_later);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_queue_what_comes_too_fast_is_refused() {
        let start = Instant::now();
        let limit = throttle(2, Duration::ZERO);
        assert_eq!((limit.take(1, start), limit.take(1, start)), (Ok(start), Ok(start)));
        assert_eq!(limit.take(1, start), Err(SECOND / 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_counts_for_many_goes_when_the_debt_allows_and_others_pay_for_it() {
        let start = Instant::now();
        let limit = throttle(10, SECOND);
        assert_eq!(limit.take(30, start), Ok(start), "more than a window's worth: it must go at some time");
        assert_eq!(limit.take(1, start), Err(Duration::from_millis(1_100)));
        let later = start + 2 * SECOND;
        assert_eq!(limit.take(1, later), Ok(later + Duration::from_millis(100)));
    }

    proptest! {
        /// Whatever comes whenever: in no stretch of time does more go through than the bucket and the rate allow, nobody waits
        /// longer than the queue, and turns come in the order of asking.
        #[test]
        fn never_more_than_the_limit(
            count in 1_u32..200,
            queue in 0_u64..5_000,
            gaps in proptest::collection::vec(0_u64..200, 1..300),
        ) {
            let start = Instant::now();
            let limit = Throttle::new(Rate { count, window: SECOND }, Duration::from_millis(queue), start);
            let mut now = start;
            let mut went: Vec<Instant> = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                if let Ok(at) = limit.take(1, now) {
                    prop_assert!(at.duration_since(now) <= Duration::from_millis(queue));
                    prop_assert!(went.last().is_none_or(|last| *last <= at));
                    went.push(at);
                }
            }
            for (index, from) in went.iter().enumerate() {
                for (further, to) in went.iter().enumerate().skip(index) {
                    let stretch = to.duration_since(*from).as_secs_f64();
                    let most = f64::from(count) * (1.0 + stretch) + 1e-3;
                    prop_assert!((further - index + 1) as f64 <= most, "{} in {stretch} s", further - index + 1);
                }
            }
        }
    }
}
