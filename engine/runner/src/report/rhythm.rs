//! How fast devices end, how long the rest will take, and when a line about it is due where there is no live block.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// A line at least so often: a CI job that says nothing for long is taken for dead.
const OFTEN: Duration = Duration::from_secs(30);
/// After so long, seldom is enough: nobody reads thousands of lines.
const LONG: Duration = Duration::from_secs(600);
/// Then so often.
const SELDOM: Duration = Duration::from_secs(300);
/// Tenths of the devices make a line too, but not faster than this.
const NOT_BEFORE: Duration = Duration::from_secs(5);
/// The rate is that of the last while: waves, soaks and slow devices make an average over all untrue.
const SAMPLES: usize = 15;
/// So many ends make a rate, or a quarter of a small fleet.
const ENOUGH: usize = 10;
/// Between two samples.
const BETWEEN: Duration = Duration::from_secs(2);

/// The pace of a play.
#[derive(Debug)]
pub(super) struct Rhythm {
    since: Instant,
    /// The last line.
    last: Instant,
    /// The tenth that it was about.
    tenth: usize,
    /// Devices ended, at moments past.
    samples: VecDeque<(Instant, usize)>,
}

impl Rhythm {
    /// Of a play that begins now.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { since: now, last: now, tenth: 0, samples: VecDeque::from([(now, 0)]) }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Whether a line is due, now that so many devices have ended; then it counts as printed.
    pub(super) fn due(&mut self, ended: usize, of: usize) -> bool {
        let tenth = (ended * 10).checked_div(of).unwrap_or(0);
        let often = if self.since.elapsed() < LONG { OFTEN } else { SELDOM };
        let quiet = self.last.elapsed();
        let due = quiet >= often || (tenth > self.tenth && tenth < 10 && quiet >= NOT_BEFORE);
        if due {
            self.last = Instant::now();
            self.tenth = tenth;
        }
        due
    }

    /// Remembers how many devices have ended by now.
    pub(super) fn sample(&mut self, ended: usize) {
        if self.samples.back().is_some_and(|(at, _)| at.elapsed() >= BETWEEN) {
            if self.samples.len() == SAMPLES {
                self.samples.pop_front();
            }
            self.samples.push_back((Instant::now(), ended));
        }
    }

    /// Devices a second of late; nothing while too few of so many have ended to tell: the first to end are those that fail.
    pub(super) fn rate(&self, ended: usize, of: usize) -> Option<f64> {
        let (at, before) = *self.samples.front()?;
        let seconds = at.elapsed().as_secs_f64();
        let enough = ENOUGH.min(of / 4).max(1);
        (ended >= before + enough && seconds > 0.0).then(|| (ended - before) as f64 / seconds)
    }

    /// How long the rest will take: as the rate has it, and never less than the quota allows.
    pub(super) fn left(&self, ended: usize, of: usize, estimate: Option<Duration>) -> Option<Duration> {
        let rest = of.saturating_sub(ended);
        let by_rate = self.rate(ended, of).map(|rate| rest as f64 / rate);
        let by_quota = estimate.map(|estimate| estimate.saturating_sub(self.elapsed()).as_secs_f64());
        let seconds = match (by_rate, by_quota) {
            (Some(rate), Some(quota)) => rate.max(quota),
            (rate, quota) => rate.or(quota.filter(|left| *left > 0.0))?,
        };
        (rest > 0).then(|| Duration::try_from_secs_f64(seconds.min(LONGEST)).unwrap_or_default())
    }
}

/// Longer guesses are not worth a number.
const LONGEST: f64 = 30.0 * 86_400.0;

/// `45/s`, `2.3/s`, `12/min`.
pub(super) fn per(rate: f64) -> String {
    if rate >= 10.0 {
        format!("{rate:.0}/s")
    } else if rate >= 1.0 {
        format!("{rate:.1}/s")
    } else {
        format!("{:.0}/min", (rate * 60.0).max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn after(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn lines_are_due_by_time_and_by_tenths() {
        let mut rhythm = Rhythm::new();
        assert!(!rhythm.due(50, 100), "a short run says nothing");
        after(5).await;
        assert!(rhythm.due(50, 100) && !rhythm.due(60, 100));
        after(29).await;
        assert!(!rhythm.due(50, 100));
        after(1).await;
        assert!(rhythm.due(50, 100));
        after(5).await;
        assert!(!rhythm.due(100, 100), "the end has its own lines");
        let mut lines = 0;
        for _ in 0..24 * 360 {
            after(10).await;
            lines += usize::from(rhythm.due(50, 100));
        }
        assert!(lines < 320, "a day: {lines} lines");
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_that_of_the_last_while() {
        let mut rhythm = Rhythm::new();
        assert_eq!((rhythm.rate(0, 10), rhythm.left(0, 10, None)), (None, None));
        assert_eq!(rhythm.left(0, 10, Some(Duration::from_secs(25))), Some(Duration::from_secs(25)));
        for second in 1..=100 {
            after(1).await;
            rhythm.sample(second * 10);
        }
        assert_eq!(rhythm.rate(1_000, 2_000).map(f64::round), Some(10.0));
        assert_eq!(rhythm.left(1_000, 2_000, None), Some(Duration::from_secs(100)));
        assert_eq!(rhythm.left(1_000, 2_000, Some(Duration::from_secs(500))), Some(Duration::from_secs(400)));
        // Nobody has ended for a while: no guess.
        for _ in 0..40 {
            after(1).await;
            rhythm.sample(1_000);
        }
        assert_eq!(rhythm.left(1_000, 2_000, None), None);
    }

    #[test]
    fn rates_are_short() {
        assert_eq!([45.4, 2.34, 0.2, 0.001].map(per), ["45/s", "2.3/s", "12/min", "1/min"]);
    }
}
