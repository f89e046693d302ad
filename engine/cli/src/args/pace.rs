//! Flags of whatever runs a playbook against a hub: how large the hub was bought.

use clap::Args;
use wire::{HubSize, Tier};

use crate::process::Trouble;

/// The hub's size, if it is known.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct PaceArgs {
    /// The hub's tier (free, S1, S2 or S3): keep to its limits from the first call, and tell how long that takes
    #[arg(long, value_name = "TIER", help_heading = "Hub")]
    pub(crate) tier: Option<Tier>,
    /// How many units of the tier; 1 when nothing else is said
    #[arg(long, value_name = "N", help_heading = "Hub")]
    pub(crate) units: Option<u32>,
}

impl PaceArgs {
    /// The size; none when the flags say nothing.
    pub(crate) fn size(self) -> Result<Option<HubSize>, Trouble> {
        match (self.tier, self.units) {
            (Some(tier), units) => {
                HubSize::new(tier, units.unwrap_or(1)).map(Some).map_err(|error| Trouble::usage(error.to_string()))
            }
            (None, Some(units)) => Err(Trouble::usage(format!("--units {units} without a tier says nothing"))
                .help(format!("name it too: --tier S1 --units {units}"))),
            (None, None) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_by_table() {
        for (tier, units, size) in [
            (None, None, Some(None)),
            (Some(Tier::S1), None, Some(HubSize::new(Tier::S1, 1).ok())),
            (Some(Tier::S2), Some(7), Some(HubSize::new(Tier::S2, 7).ok())),
            (Some(Tier::Free), Some(2), None),
            (Some(Tier::S3), Some(0), None),
            (None, Some(2), None),
        ] {
            assert_eq!(PaceArgs { tier, units }.size().ok(), size, "{tier:?} {units:?}");
        }
    }
}
