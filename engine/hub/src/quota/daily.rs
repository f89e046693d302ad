//! The messages of a day: counted from midnight UTC, by the wall clock, in memory only.

use std::sync::Mutex;
use std::time::Duration;

use base::Clock;

const DAY: u64 = 86_400;

/// How many messages were used of those that a day has.
#[derive(Debug)]
pub(super) struct Daily {
    limit: u64,
    /// Bytes of one message.
    meter: usize,
    clock: Clock,
    today: Mutex<Today>,
}

#[derive(Debug, Default)]
struct Today {
    /// Since 1970.
    day: u64,
    used: u64,
}

impl Daily {
    pub(super) fn new(limit: u64, meter: usize, clock: Clock) -> Self {
        Self { limit, meter, clock, today: Mutex::default() }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    fn today<T>(&self, work: impl FnOnce(&mut u64) -> T) -> T {
        let day = self.clock.unix_seconds() / DAY;
        let mut today = self.today.lock().expect("numbers only: no panic while held");
        if today.day != day {
            *today = Today { day, used: 0 };
        }
        work(&mut today.used)
    }

    /// Whether nothing more is taken today; else how long that lasts.
    pub(super) fn exhausted(&self) -> Option<Duration> {
        let left = DAY - self.clock.unix_seconds() % DAY;
        self.today(|used| *used >= self.limit).then(|| Duration::from_secs(left))
    }

    /// Counts what was taken: an empty message is one, too.
    pub(super) fn count(&self, bytes: usize) {
        let messages = bytes.div_ceil(self.meter).max(1);
        self.today(|used| *used = used.saturating_add(u64::try_from(messages).unwrap_or(u64::MAX)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn a_day_has_so_many_and_midnight_brings_new_ones() {
        let (clock, hand) = Clock::manual(UNIX_EPOCH + Duration::from_secs(20_000 * DAY + DAY - 90));
        let daily = Daily::new(10, 512, clock);
        for (bytes, left) in [(0, 9), (512, 8), (513, 6), (2_048, 2), (1, 1)] {
            daily.count(bytes);
            assert_eq!(daily.today(|used| 10 - *used), left, "{bytes}");
            assert_eq!(daily.exhausted(), None);
        }
        daily.count(4_096);
        assert_eq!(daily.exhausted(), Some(Duration::from_secs(90)));
        hand.advance(Duration::from_secs(89));
        assert_eq!(daily.exhausted(), Some(Duration::from_secs(1)));
        hand.advance(Duration::from_secs(1));
        assert_eq!(daily.exhausted(), None);
    }
}
