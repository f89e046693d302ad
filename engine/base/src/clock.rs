//! Time comes in through the door: a [`Clock`] is handed to whoever needs the wall time, so tests can turn it.
//! Also the two text forms of a moment: milliseconds for playbooks, 100 ns ticks for IoT Hub documents.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// The text that IoT Hub uses for "has not happened yet".
pub const NEVER: &str = "0001-01-01T00:00:00Z";

type Now = dyn Fn() -> SystemTime + Send + Sync;

/// A source of wall time, cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<Now>);

impl Clock {
    /// The machine's own clock.
    pub fn system() -> Self {
        Self(Arc::new(SystemTime::now))
    }

    /// A clock that stands still at `start` until its [`ManualClock`] moves it.
    pub fn manual(start: SystemTime) -> (Self, ManualClock) {
        let time = Arc::new(Mutex::new(start));
        let seen = Arc::clone(&time);
        let clock = Self(Arc::new(move || *seen.lock().expect("a moment is plain data: no panic while held")));
        (clock, ManualClock(time))
    }

    /// A clock that this function reads.
    pub fn of(read: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The present moment.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }

    /// Whole seconds since the Unix epoch, as SAS tokens count.
    pub fn unix_seconds(&self) -> u64 {
        self.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// The hand that turns a manual [`Clock`].
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<SystemTime>>);

impl ManualClock {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().expect("a moment is plain data: no panic while held") += by;
    }
}

fn timestamp(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// UTC as `2026-11-23T13:27:42.118Z`: the form that playbooks and handlers see.
pub fn rfc3339_millis(at: SystemTime) -> String {
    format!("{:.3}", timestamp(at))
}

/// UTC with seven fractional digits, `2026-11-23T13:27:42.1180000Z`: the form of IoT Hub's documents.
pub fn rfc3339_ticks(at: SystemTime) -> String {
    format!("{:.7}", timestamp(at))
}

/// The machine's local time with its offset, for people: `2026-11-23 14:27:42 +01:00`.
pub fn local_time(at: SystemTime) -> String {
    in_zone(at, jiff::tz::TimeZone::system())
}

fn in_zone(at: SystemTime, zone: jiff::tz::TimeZone) -> String {
    timestamp(at).to_zoned_datetime(zone).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
}

/// Reads an RFC 3339 time with any offset and precision; `None` when the text is not one.
pub fn parse_time(text: &str) -> Option<SystemTime> {
    text.trim().parse::<Timestamp>().ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_forms_differ_only_in_digits() {
        let at = UNIX_EPOCH + Duration::from_millis(1_795_440_462_118);
        assert_eq!(rfc3339_millis(at), "2026-11-23T13:27:42.118Z");
        assert_eq!(rfc3339_ticks(at), "2026-11-23T13:27:42.1180000Z");
        assert_eq!(parse_time("2026-11-23T14:27:42.118+01:00"), Some(at));
        assert_eq!(parse_time("yesterday"), None);
    }

    #[test]
    fn people_see_their_own_time_with_its_offset() {
        let at = UNIX_EPOCH + Duration::from_millis(1_795_440_462_118);
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(in_zone(at, zone), "2026-11-23 14:27:42 +01:00");
    }

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let (clock, hand) = Clock::manual(UNIX_EPOCH);
        assert_eq!(clock.unix_seconds(), 0);
        hand.advance(Duration::from_secs(90));
        assert_eq!(clock.unix_seconds(), 90);
    }
}
