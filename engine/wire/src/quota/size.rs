//! How large a hub was bought: so many units of a tier.

use std::fmt;
use std::ops::RangeInclusive;

use thiserror::Error;

use super::{QuotaKind, Rate, Tier};

/// What one hub can have; S3 less, which nobody will mind.
const UNITS: RangeInclusive<u32> = 1..=200;

/// So many units of a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HubSize {
    tier: Tier,
    units: u32,
}

/// A size that nobody sells.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum HubSizeError {
    /// None or too many units.
    #[error("a hub has 1 to 200 units, not {0}")]
    Units(u32),
    /// The free tier is one unit.
    #[error("a free hub has one unit, not {0}")]
    Free(u32),
}

impl HubSize {
    /// So many units of a tier.
    ///
    /// # Errors
    /// When there is no such hub.
    pub fn new(tier: Tier, units: u32) -> Result<Self, HubSizeError> {
        if !UNITS.contains(&units) {
            return Err(HubSizeError::Units(units));
        }
        if tier == Tier::Free && units != 1 {
            return Err(HubSizeError::Free(units));
        }
        Ok(Self { tier, units })
    }

    /// Its tier.
    pub fn tier(self) -> Tier {
        self.tier
    }

    /// Units of it.
    pub fn units(self) -> u32 {
        self.units
    }

    /// What it allows of a kind, all units together.
    pub fn rate(self, kind: QuotaKind) -> Rate {
        self.tier.rate(kind, self.units)
    }

    /// Messages a day, all units together.
    pub fn messages(self) -> u64 {
        self.tier.messages() * u64::from(self.units)
    }
}

/// `S1, 1 unit`
impl fmt::Display for HubSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} unit{}", self.tier, self.units, if self.units == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hubs_that_are_sold() {
        for (tier, units, wrong) in [
            (Tier::S1, 1, None),
            (Tier::S2, 200, None),
            (Tier::S1, 0, Some(HubSizeError::Units(0))),
            (Tier::B1, 201, Some(HubSizeError::Units(201))),
            (Tier::Free, 2, Some(HubSizeError::Free(2))),
        ] {
            assert_eq!(HubSize::new(tier, units).err(), wrong, "{units} {tier}");
        }
        let size = HubSize::new(Tier::S1, 3).unwrap();
        assert_eq!((size.messages(), size.rate(QuotaKind::Methods).count), (1_200_000, 120));
        assert_eq!(size.to_string(), "S1, 3 units");
    }
}
