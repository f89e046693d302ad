//! The tiers that IoT Hub is sold in, and what each allows: the tables of its page on quotas and throttling.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::QuotaKind;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// F1.
    Free,
    /// Messages from devices only.
    B1,
    /// Messages from devices only.
    B2,
    /// Messages from devices only.
    B3,
    /// Everything, 400,000 messages a day.
    S1,
    /// Everything, 6 million messages a day.
    S2,
    /// Everything, 300 million messages a day.
    S3,
}

/// So many in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long: a second or a minute.
    pub window: Duration,
}

impl Rate {
    /// How many in a second.
    pub fn per_second(self) -> f64 {
        f64::from(self.count) / self.window.as_secs_f64()
    }
}

/// `40 a second`
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let window = if self.window == MINUTE { "a minute" } else { "a second" };
        write!(f, "{} {window}", self.count)
    }
}

impl Tier {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Free, Self::B1, Self::B2, Self::B3, Self::S1, Self::S2, Self::S3];

    /// What a hub of so many units allows.
    pub fn rate(self, kind: QuotaKind, units: u32) -> Rate {
        use QuotaKind::{
            Connections, Identities, JobDevices, Jobs, Messages, Methods, Queries, Telemetry, TwinReads, TwinWrites,
            Uploads,
        };
        // Fixed for the whole hub, and for each unit; the larger one holds. The three columns: 1, 2 and 3.
        let (fixed, each, window) = match kind {
            Identities | Jobs | Messages | Uploads => ([0, 0, 0], [100, 100, 5_000], MINUTE),
            Connections | Telemetry => ([100, 0, 0], [12, 120, 6_000], SECOND),
            Queries => ([0, 0, 0], [20, 20, 1_000], MINUTE),
            // 160 KB, 480 KB and 24 MB a second, in pieces of 4 KB.
            Methods => ([0, 0, 0], [40, 120, 6_144], SECOND),
            TwinReads => ([100, 100, 0], [0, 10, 500], SECOND),
            TwinWrites => ([50, 50, 0], [0, 5, 250], SECOND),
            JobDevices => ([10, 10, 0], [0, 1, 50], SECOND),
        };
        let column = match self {
            Self::Free | Self::B1 | Self::S1 => 0,
            Self::B2 | Self::S2 => 1,
            Self::B3 | Self::S3 => 2,
        };
        Rate { count: u32::max(fixed[column], each[column] * units), window }
    }

    /// Messages a day and unit.
    pub fn messages(self) -> u64 {
        match self {
            Self::Free => 8_000,
            Self::B1 | Self::S1 => 400_000,
            Self::B2 | Self::S2 => 6_000_000,
            Self::B3 | Self::S3 => 300_000_000,
        }
    }

    /// Jobs that may run at once.
    pub fn active_jobs(self) -> usize {
        match self {
            Self::Free | Self::B1 | Self::S1 => 1,
            Self::B2 | Self::S2 => 5,
            Self::B3 | Self::S3 => 10,
        }
    }

    /// Bytes that count as one message.
    pub fn meter(self) -> usize {
        if self == Self::Free { 512 } else { 4 * 1024 }
    }

    /// Whether it has the operation at all.
    pub fn has(self, kind: QuotaKind) -> bool {
        kind.is_basic() || !matches!(self, Self::B1 | Self::B2 | Self::B3)
    }
}

/// A text that names no tier.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a tier: free, B1, B2, B3, S1, S2 or S3")]
pub struct UnknownTier(String);

/// In any case; the free tier also as `F1`.
impl FromStr for Tier {
    type Err = UnknownTier;

    fn from_str(text: &str) -> Result<Self, UnknownTier> {
        let is = |tier: &&Self| tier.to_string().eq_ignore_ascii_case(text);
        let free = text.eq_ignore_ascii_case("F1").then_some(Self::Free);
        free.or_else(|| Self::ALL.iter().find(is).copied()).ok_or_else(|| UnknownTier(text.to_owned()))
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Free => "free",
            Self::B1 => "B1",
            Self::B2 => "B2",
            Self::B3 => "B3",
            Self::S1 => "S1",
            Self::S2 => "S2",
            Self::S3 => "S3",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Count per second of the kinds in [`QuotaKind::ALL`]'s order; those of a minute are per minute.
    #[test]
    fn limits_by_table() {
        for (tier, units, counts) in [
            (Tier::Free, 1, [100, 100, 100, 20, 40, 100, 50, 100, 100, 10, 100]),
            (Tier::B1, 1, [100, 100, 100, 20, 40, 100, 50, 100, 100, 10, 100]),
            (Tier::S1, 1, [100, 100, 100, 20, 40, 100, 50, 100, 100, 10, 100]),
            (Tier::S1, 9, [900, 108, 108, 180, 360, 100, 50, 900, 900, 10, 900]),
            (Tier::B2, 1, [100, 120, 120, 20, 120, 100, 50, 100, 100, 10, 100]),
            (Tier::S2, 1, [100, 120, 120, 20, 120, 100, 50, 100, 100, 10, 100]),
            (Tier::S2, 20, [2_000, 2_400, 2_400, 400, 2_400, 200, 100, 2_000, 2_000, 20, 2_000]),
            (Tier::B3, 1, [5_000, 6_000, 6_000, 1_000, 6_144, 500, 250, 5_000, 5_000, 50, 5_000]),
            (Tier::S3, 2, [10_000, 12_000, 12_000, 2_000, 12_288, 1_000, 500, 10_000, 10_000, 100, 10_000]),
        ] {
            let minutes =
                [QuotaKind::Identities, QuotaKind::Queries, QuotaKind::Messages, QuotaKind::Jobs, QuotaKind::Uploads];
            for (kind, count) in QuotaKind::ALL.into_iter().zip(counts) {
                let window = if minutes.contains(&kind) { MINUTE } else { SECOND };
                assert_eq!(tier.rate(kind, units), Rate { count, window }, "{kind} of {units} {tier}");
            }
        }
    }

    #[test]
    fn kinds_are_numbered_as_they_are_listed() {
        for (index, kind) in QuotaKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
    }

    #[test]
    fn jobs_at_once() {
        let jobs = Tier::ALL.map(Tier::active_jobs);
        assert_eq!(jobs, [1, 1, 5, 10, 1, 5, 10]);
    }

    #[test]
    fn basic_hubs_take_messages_and_files_only() {
        let has = |tier: Tier| QuotaKind::ALL.into_iter().filter(|kind| tier.has(*kind)).count();
        for tier in Tier::ALL {
            let basic = matches!(tier, Tier::B1 | Tier::B2 | Tier::B3);
            assert_eq!(has(tier), if basic { 5 } else { 11 }, "{tier}");
        }
    }

    #[test]
    fn names_are_read_in_any_case() {
        for tier in Tier::ALL {
            assert_eq!(tier.to_string().to_lowercase().parse(), Ok(tier));
            assert_eq!(tier.to_string().to_uppercase().parse(), Ok(tier));
        }
        assert_eq!("f1".parse(), Ok(Tier::Free));
        assert!("S4".parse::<Tier>().unwrap_err().to_string().contains("free, B1"));
    }
}
