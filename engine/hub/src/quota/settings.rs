//! What whoever starts a hub may ask for: a tier, a latency, lags.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base::{DurationError, format_duration, parse_duration};
use thiserror::Error;
use wire::{HubSize, HubSizeError, Tier};

/// How long a burst may be queued before calls are refused: less than any client's patience with one call.
const QUEUE: Duration = Duration::from_secs(5);
/// The longest latency: the SDKs give up after 100 s.
const LONGEST_LATENCY: Duration = Duration::from_secs(60);
/// The limits of a hub as it is sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    pub(super) size: HubSize,
    /// How long a call may wait for its turn at the limit's rate before calls are refused; zero refuses at once.
    pub queue: Duration,
    /// Whether a refusal says `Retry-After`. IoT Hub's documents promise none.
    pub retry_after: bool,
    /// Messages a day instead of the tier's.
    pub messages: Option<u64>,
}

impl Quota {
    /// So many units of a tier.
    ///
    /// # Errors
    /// When there is no such hub.
    pub fn new(tier: Tier, units: u32) -> Result<Self, HubSizeError> {
        Ok(Self { size: HubSize::new(tier, units)?, queue: QUEUE, retry_after: false, messages: None })
    }

    /// Jobs that may run at once.
    pub(crate) fn active_jobs(&self) -> usize {
        self.size.tier().active_jobs()
    }

    /// Messages a day, all units together.
    pub(super) fn daily(&self) -> u64 {
        self.messages.unwrap_or(self.size.messages())
    }
}

/// How much later things are true or answered than they could be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// Of every REST call.
    pub latency: Latency,
    /// How much later than the twins a query sees a change.
    pub query_lag: Duration,
    /// How much later than the connection itself `connectionState` changes.
    pub state_lag: Duration,
}

/// From the shortest to the longest, evenly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    pub(super) shortest: Duration,
    pub(super) longest: Duration,
}

impl Latency {
    /// That part of the way from the shortest to the longest.
    pub(crate) fn at(self, part: f64) -> Duration {
        self.shortest + (self.longest - self.shortest).mul_f64(part)
    }
}

/// As it is read.
impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration(self.shortest))?;
        if self.longest == self.shortest { Ok(()) } else { write!(f, "..{}", format_duration(self.longest)) }
    }
}

/// A text that is no latency.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LatencyError {
    /// Not a time.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// Turned round or too long.
    #[error("`{0}` is not a latency: write `50ms` or `20ms..80ms`, at most 1m")]
    Range(String),
}

/// `50ms`, or `20ms..80ms`.
impl FromStr for Latency {
    type Err = LatencyError;

    fn from_str(text: &str) -> Result<Self, LatencyError> {
        let (shortest, longest) = text.split_once("..").unwrap_or((text, text));
        let (shortest, longest) = (parse_duration(shortest)?, parse_duration(longest)?);
        if shortest > longest || longest > LONGEST_LATENCY {
            return Err(LatencyError::Range(text.to_owned()));
        }
        Ok(Self { shortest, longest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_of_a_day_can_be_set() {
        assert_eq!(Quota::new(Tier::S1, 3).unwrap().daily(), 1_200_000);
        assert_eq!(Quota { messages: Some(7), ..Quota::new(Tier::S1, 3).unwrap() }.daily(), 7);
    }

    #[test]
    fn latencies_by_table() {
        let millis = Duration::from_millis;
        for (text, read) in [
            ("50ms", Some((50, 50))),
            ("20ms..80ms", Some((20, 80))),
            ("0..1s", Some((0, 1_000))),
            ("0", Some((0, 0))),
            ("80ms..20ms", None),
            ("2m", None),
            ("..", None),
            ("soon", None),
        ] {
            let read = read.map(|(shortest, longest)| Latency { shortest: millis(shortest), longest: millis(longest) });
            assert_eq!(text.parse().ok(), read, "{text}");
        }
    }
}
