//! Whom a fault concerns: everybody, names and patterns, or lots drawn by the seed. The same seed and the same ids give the same
//! devices, whatever the order. Pure but for asking who is registered.

use std::collections::BTreeSet;

use base::Seed;
use rand::Rng;
use wire::{DeviceId, Identity};

/// Who is registered, for drawing lots.
pub(crate) trait Registered: Send + Sync {
    /// How many devices.
    fn total(&self) -> usize;
    /// Their ids, in any order.
    fn ids(&self) -> Vec<DeviceId>;
}

/// As a profile says it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Who {
    /// Everybody, and calls that are about nobody.
    All,
    /// Names, with `*` and `?`.
    Like(Vec<String>),
    Percent(f64),
    Count(usize),
    /// Who asked for it.
    Exactly(Identity),
}

/// The same, with what was drawn so far.
#[derive(Debug)]
pub(super) struct Chosen {
    who: Who,
    seed: Seed,
    /// Those who have it, and how many devices there were when they were drawn.
    drawn: Option<(usize, BTreeSet<DeviceId>)>,
}

impl Chosen {
    pub(super) fn new(who: Who, seed: Seed) -> Self {
        Self { who, seed, drawn: None }
    }

    /// Whether this one is concerned. A module has its device's lot. A call that is about no device concerns nobody in particular.
    pub(super) fn has(&mut self, identity: Option<&Identity>, registered: &dyn Registered) -> bool {
        let wanted = match &self.who {
            Who::All => return true,
            Who::Like(patterns) => {
                return identity
                    .is_some_and(|one| patterns.iter().any(|pattern| is_like(one.device.as_str(), pattern)));
            }
            Who::Exactly(one) => return identity == Some(one),
            wanted @ (Who::Percent(_) | Who::Count(_)) => wanted,
        };
        let Some(identity) = identity else { return false };
        let total = registered.total();
        let stale = self.drawn.as_ref().is_none_or(|(then, _)| is_another_fleet(*then, total));
        if stale {
            let count = match wanted {
                Who::Percent(percent) => share(*percent, total),
                Who::Count(count) => *count,
                Who::All | Who::Like(_) | Who::Exactly(_) => 0,
            };
            self.drawn = Some((total, draw(self.seed, registered.ids(), count)));
        }
        self.drawn.as_ref().is_some_and(|(_, drawn)| drawn.contains(&identity.device))
    }
}

/// Whether lots must be drawn anew: small fleets at each change, large ones when they are a twentieth larger or smaller.
fn is_another_fleet(then: usize, now: usize) -> bool {
    then.abs_diff(now) > then.max(now) / 20
}

/// A device's lot depends on its id alone: a fleet that grows keeps most of its faults where they were.
fn draw(seed: Seed, ids: Vec<DeviceId>, count: usize) -> BTreeSet<DeviceId> {
    let mut lots: Vec<(u64, DeviceId)> =
        ids.into_iter().map(|id| (seed.of(id.as_str()).rng().random::<u64>(), id)).collect();
    if count < lots.len() {
        lots.select_nth_unstable(count);
        lots.truncate(count);
    }
    lots.into_iter().map(|(_, id)| id).collect()
}

/// So many percent, rounded up, at least one unless it is nothing at all.
fn share(percent: f64, of: usize) -> usize {
    if percent <= 0.0 || of == 0 {
        return 0;
    }
    // Rounding up must not make 7 % of 100 an 8 because of a binary fraction.
    ((of as f64 * percent / 100.0 - 1e-9).ceil() as usize).clamp(1, of)
}

/// `*` is any text, `?` any character.
fn is_like(name: &str, pattern: &str) -> bool {
    let (name, pattern): (Vec<char>, Vec<char>) = (name.chars().collect(), pattern.chars().collect());
    let (mut at, mut of, mut star) = (0, 0, None);
    while at < name.len() {
        match pattern.get(of) {
            Some('*') => {
                star = Some((of, at));
                of += 1;
            }
            Some(one) if *one == '?' || *one == name[at] => (at, of) = (at + 1, of + 1),
            // The last star takes one character more.
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    (at, of) = (taken + 1, place + 1);
                }
                None => return false,
            },
        }
    }
    pattern[of..].iter().all(|one| *one == '*')
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fleet;
    use super::*;
    use proptest::prelude::*;

    fn chosen(who: Who, seed: u64, of: usize) -> Vec<String> {
        let mut chosen = Chosen::new(who, Seed(seed));
        let ids = Fleet(of).ids();
        let has = |id: &&DeviceId| chosen.has(Some(&Identity::device((*id).clone())), &Fleet(of));
        ids.iter().filter(has).map(ToString::to_string).collect()
    }

    #[test]
    fn patterns_by_table() {
        for (name, pattern, like) in [
            ("press-7", "press-7", true),
            ("press-7", "press-*", true),
            ("press-7", "*-?", true),
            ("press-77", "*-?", false),
            ("press-77", "p*7", true),
            ("press", "press*", true),
            ("press", "pres", false),
            ("press", "?", false),
            ("", "*", true),
            ("abab", "*ab", true),
        ] {
            assert_eq!(is_like(name, pattern), like, "{name} {pattern}");
        }
    }

    #[test]
    fn shares_are_exact_and_calls_about_nobody_concern_everybody_only() {
        assert_eq!(chosen(Who::Percent(5.0), 1, 200).len(), 10);
        assert_eq!(chosen(Who::Percent(0.1), 1, 20).len(), 1);
        assert_eq!(chosen(Who::Percent(0.0), 1, 20).len(), 0);
        assert_eq!(chosen(Who::Count(30), 1, 20).len(), 20);
        assert_eq!(chosen(Who::Like(vec!["sim-1?".into(), "sim-2".into()]), 1, 20).len(), 11);
        assert!(Chosen::new(Who::All, Seed(1)).has(None, &Fleet(3)));
        assert!(!Chosen::new(Who::Count(3), Seed(1)).has(None, &Fleet(3)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn lots_repeat_and_a_fleet_that_grows_keeps_most(seed: u64, of in 20..200_usize, count in 1..10_usize) {
            let before = chosen(Who::Count(count), seed, of);
            prop_assert_eq!(before.len(), count);
            prop_assert_eq!(&before, &chosen(Who::Count(count), seed, of));
            let after = chosen(Who::Count(count), seed, of + 1);
            prop_assert!(before.iter().filter(|id| !after.contains(id)).count() <= 1);
        }
    }
}
