//! More devices than lines: per step how many ended how, and the first failures of each kind. Memory grows with steps, not devices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::line::{self, Tone};
use crate::{Class, Outcome, Skip};

/// Failures of one step and class that are shown in full; the others are counted.
const SHOWN: usize = 3;

/// How a step ended on all devices so far.
#[derive(Debug, Default)]
struct Tally {
    name: String,
    ok: usize,
    skipped: usize,
    ignored: usize,
    failed: BTreeMap<Class, usize>,
    longest: Duration,
}

/// All steps of a play, over many devices.
#[derive(Debug, Default)]
pub(super) struct Many {
    steps: BTreeMap<usize, Tally>,
    /// Steps under way, and on how many devices.
    busy: BTreeMap<usize, (Arc<str>, usize)>,
    /// How far those are that one call serves, by step.
    together: BTreeMap<usize, String>,
}

impl Many {
    /// Counts one begin of a step.
    pub(super) fn started(&mut self, step: usize, name: &Arc<str>) {
        self.busy.entry(step).or_insert_with(|| (Arc::clone(name), 0)).1 += 1;
    }

    /// The step that most devices are at now: `Ask the device to reboot: 10 under way`.
    pub(super) fn busiest(&self) -> Option<String> {
        let under_way = self.busy.iter().filter(|(_, (_, count))| *count > 0);
        let (step, (name, count)) = under_way.max_by_key(|(_, (_, count))| *count)?;
        let together = self.together.get(step).map_or(String::new(), |text| format!(", {text}"));
        Some(format!("{name}: {count} under way{together}"))
    }

    /// How far those are that one call serves.
    pub(super) fn together(&mut self, step: usize, text: String) {
        self.together.insert(step, text);
    }

    /// Counts one end of a step. Returns whether a failure should be shown in full.
    pub(super) fn ended(&mut self, step: usize, name: &str, outcome: &Outcome, ignored: bool, took: Duration) -> bool {
        if let Some((_, count)) = self.busy.get_mut(&step) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.together.remove(&step);
            }
        }
        let tally = self.steps.entry(step).or_insert_with(|| Tally { name: name.to_owned(), ..Tally::default() });
        tally.longest = tally.longest.max(took);
        match outcome {
            Outcome::Done { .. } => tally.ok += 1,
            Outcome::Skipped(Skip::Check(_)) => tally.ok += 1,
            Outcome::Skipped(_) => tally.skipped += 1,
            Outcome::Failed(_) if ignored => tally.ignored += 1,
            Outcome::Failed(failure) => {
                let count = tally.failed.entry(failure.class).or_default();
                *count += 1;
                return *count <= SHOWN;
            }
        }
        false
    }

    /// One line per step with counts, and empties the tallies: called at the end of a wave or a play.
    pub(super) fn lines(&mut self, width: usize, color: bool) -> Vec<String> {
        let steps = std::mem::take(&mut self.steps);
        steps.into_values().map(|tally| tally.line(width, color)).collect()
    }
}

impl Tally {
    fn line(&self, width: usize, color: bool) -> String {
        let word = if !self.failed.is_empty() {
            ("failed", Tone::Bad)
        } else if self.ok == 0 && self.skipped > 0 {
            ("skipped", Tone::Odd)
        } else {
            ("ok", Tone::Good)
        };
        let mut counts = vec![format!("ok {}", self.ok)];
        counts.extend(self.failed.iter().map(|(class, count)| {
            let unseen = count.saturating_sub(SHOWN);
            if unseen > 0 { format!("{class} {count} ({unseen} not shown)") } else { format!("{class} {count}") }
        }));
        for (name, count) in [("ignored", self.ignored), ("skipped", self.skipped)] {
            if count > 0 {
                counts.push(format!("{name} {count}"));
            }
        }
        line::step(word, &self.name, width, &line::took(self.longest), &counts.join("   "), color)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;
    use serde_json::Value;

    #[test]
    fn counts_and_shows_the_first_failures_only() {
        let mut many = Many::default();
        for _ in 0..20 {
            many.ended(0, "Ping", &Outcome::read(Value::Null), false, Duration::from_millis(300));
        }
        let failure = Outcome::Failed(Failure::new(Class::Unreachable, "away"));
        let shown: Vec<bool> = (0..5).map(|_| many.ended(0, "Ping", &failure, false, Duration::ZERO)).collect();
        assert_eq!(shown, [true, true, true, false, false]);
        let lines = many.lines(10, false);
        assert_eq!(lines, ["  failed   Ping         0.3 s   ok 20   unreachable 5 (2 not shown)"]);
        assert!(many.lines(10, false).is_empty());
    }

    #[test]
    fn tells_where_most_devices_are() {
        let mut many = Many::default();
        assert_eq!(many.busiest(), None);
        let (ask, wait) = (Arc::from("Ask"), Arc::from("Wait"));
        for _ in 0..3 {
            many.started(0, &ask);
        }
        many.started(1, &wait);
        assert_eq!(many.busiest().as_deref(), Some("Ask: 3 under way"));
        many.together(0, "1 of 3 done, job j".into());
        assert_eq!(many.busiest().as_deref(), Some("Ask: 3 under way, 1 of 3 done, job j"));
        for _ in 0..3 {
            many.ended(0, "Ask", &Outcome::read(Value::Null), false, Duration::ZERO);
        }
        assert_eq!(many.busiest().as_deref(), Some("Wait: 1 under way"));
    }
}
