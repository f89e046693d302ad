//! When a device is away: once or again and again, all of a group together or one part after the other. Pure.

use std::time::Duration;

use base::format_duration;

/// Absences of a group of devices, counted from the agent's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Absence {
    /// When the first one begins.
    pub(super) after: Duration,
    /// How long each lasts; none is for ever.
    pub(super) lasts: Option<Duration>,
    /// From one beginning to the next; none is only once.
    pub(super) every: Option<Duration>,
    /// In how many parts the group leaves, each when the one before is back.
    pub(super) waves: u32,
}

impl Absence {
    /// The absences of the device that is `number` in its group, as they come: when it begins, and how long it lasts.
    pub(crate) fn of(self, number: usize) -> impl Iterator<Item = (Duration, Option<Duration>)> + use<> {
        let part = u32::try_from(number % self.waves.max(1) as usize).expect("less than a number of 32 bits");
        let first = self.after.saturating_add(self.lasts.unwrap_or_default().saturating_mul(part));
        let mut next = Some(first);
        std::iter::from_fn(move || {
            let begins = next?;
            next = self.every.and_then(|every| begins.checked_add(every));
            Some((begins, self.lasts))
        })
    }

    /// Behind "are offline".
    pub(super) fn told(&self) -> String {
        let mut text = String::new();
        if let Some(lasts) = self.lasts {
            text = format!(" for {}", format_duration(lasts));
        }
        if !self.after.is_zero() {
            text = format!("{text} after {}", format_duration(self.after));
        }
        if let Some(every) = self.every {
            text = format!("{text} every {}", format_duration(every));
        }
        if self.waves > 1 {
            text = format!("{text} in {} waves", self.waves);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(of: impl Iterator<Item = (Duration, Option<Duration>)>) -> Vec<(u64, Option<u64>)> {
        of.take(3).map(|(begins, lasts)| (begins.as_secs(), lasts.map(|lasts| lasts.as_secs()))).collect()
    }

    #[test]
    fn once_again_and_again_and_in_turns() {
        let s = Duration::from_secs;
        let never_there = Absence { after: s(0), lasts: None, every: None, waves: 1 };
        assert_eq!((seconds(never_there.of(3)), never_there.told().as_str()), (vec![(0, None)], ""));
        let late = Absence { lasts: Some(s(20)), ..never_there };
        assert_eq!((seconds(late.of(3)), late.told().as_str()), (vec![(0, Some(20))], " for 20s"));
        let turns = Absence { after: s(10), lasts: Some(s(5)), every: Some(s(30)), waves: 2 };
        assert_eq!(seconds(turns.of(4)), [(10, Some(5)), (40, Some(5)), (70, Some(5))]);
        assert_eq!(seconds(turns.of(5)), [(15, Some(5)), (45, Some(5)), (75, Some(5))]);
        assert_eq!(turns.told(), " for 5s after 10s every 30s in 2 waves");
    }
}
