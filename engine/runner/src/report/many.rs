//! More devices than lines: per step how many ended how, the first failures of each kind, and what the others said, counted.
//! Memory grows with steps and kinds of failure, not with devices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::line::{self, Tone};
use crate::{Class, Failure, Outcome, Skip};

/// Failures of one step and class that are shown in full; the others are counted.
const SHOWN: usize = 3;
/// Failures of a whole play that are shown in full, however many waves it has.
const MOST_SHOWN: usize = 30;
/// Different messages of a step that are counted; devices can make any number of them.
const MESSAGES: usize = 100;
/// Of these, so many are printed.
const PRINTED: usize = 5;
/// Longest message on such a line.
const LONGEST: usize = 160;
/// Steps under way that have a line in the live block.
const LIVE: usize = 8;

/// How a step ended on all devices so far.
#[derive(Debug, Default)]
struct Tally {
    name: Arc<str>,
    /// Under way now.
    busy: usize,
    ended: usize,
    ok: usize,
    skipped: usize,
    ignored: usize,
    rescued: usize,
    failed: BTreeMap<Class, Failed>,
    longest: Duration,
    /// What failures said that are not shown in full.
    messages: BTreeMap<String, usize>,
    /// Those whose message found no room there.
    others: usize,
    /// How far those are that one call serves.
    together: Option<String>,
}

/// Failures of one class.
#[derive(Debug, Default)]
struct Failed {
    count: usize,
    shown: usize,
}

/// All steps of a play, over many devices.
#[derive(Debug, Default)]
pub(super) struct Many {
    steps: BTreeMap<usize, Tally>,
    /// Failures shown in full, in all waves.
    shown: usize,
}

/// How a step ended on a device.
pub(super) struct End<'e> {
    pub(super) device: &'e str,
    pub(super) outcome: &'e Outcome,
    pub(super) ignored: bool,
    pub(super) rescued: bool,
    /// `no_log`: what a failure says is not shown.
    pub(super) hidden: bool,
    pub(super) took: Duration,
}

impl Many {
    /// Counts one begin of a step.
    pub(super) fn started(&mut self, step: usize, name: &Arc<str>) {
        self.tally(step, name).busy += 1;
    }

    fn tally(&mut self, step: usize, name: &Arc<str>) -> &mut Tally {
        self.steps.entry(step).or_insert_with(|| Tally { name: Arc::clone(name), ..Tally::default() })
    }

    /// The steps under way, those with most devices: `  ...      Ask the device   ok 812   failed 3   running 185   of 1000`.
    pub(super) fn live(&self, width: usize, of: usize) -> Vec<String> {
        let mut busy: Vec<(&usize, &Tally)> = self.steps.iter().filter(|(_, tally)| tally.busy > 0).collect();
        busy.sort_by_key(|(step, tally)| (std::cmp::Reverse(tally.busy), **step));
        busy.truncate(LIVE);
        busy.sort_by_key(|(step, _)| **step);
        let line = |tally: &Tally| {
            let together = tally.together.as_ref().map_or(String::new(), |text| format!("   {text}"));
            let rest = format!("{}   running {}   of {of}{together}", tally.counts(false).join("   "), tally.busy);
            line::running(&tally.name, width, &rest)
        };
        busy.into_iter().map(|(_, tally)| line(tally)).collect()
    }

    /// How far those are that one call serves.
    pub(super) fn together(&mut self, step: usize, text: String) {
        if let Some(tally) = self.steps.get_mut(&step) {
            tally.together = Some(text);
        }
    }

    /// Counts one end of a step. Returns whether a failure should be shown in full.
    pub(super) fn ended(&mut self, step: usize, name: &Arc<str>, end: &End<'_>) -> bool {
        let may_show = self.shown < MOST_SHOWN;
        let tally = self.tally(step, name);
        tally.busy = tally.busy.saturating_sub(1);
        if tally.busy == 0 {
            tally.together = None;
        }
        tally.ended += 1;
        tally.longest = tally.longest.max(end.took);
        let shown = match end.outcome {
            Outcome::Done { .. } | Outcome::Skipped(Skip::Check(_)) => {
                tally.ok += 1;
                false
            }
            Outcome::Skipped(_) => {
                tally.skipped += 1;
                false
            }
            Outcome::Failed(_) if end.rescued => {
                tally.rescued += 1;
                false
            }
            Outcome::Failed(_) if end.ignored => {
                tally.ignored += 1;
                false
            }
            Outcome::Failed(failure) => tally.failure(failure, end, may_show),
        };
        self.shown += usize::from(shown);
        shown
    }

    /// A device's run ended in the middle of a step.
    pub(super) fn stopped(&mut self, step: usize) {
        if let Some(tally) = self.steps.get_mut(&step) {
            tally.busy = tally.busy.saturating_sub(1);
        }
    }

    /// One line per step with counts, and empties the tallies: called at the end of a wave or a play.
    pub(super) fn lines(&mut self, width: usize, color: bool) -> Vec<String> {
        let mut lines = Vec::new();
        for tally in self.steps.values_mut().filter(|tally| tally.ended > 0) {
            // Devices that are still waited for go on in it.
            let left = Tally { name: Arc::clone(&tally.name), busy: tally.busy, ..Tally::default() };
            lines.extend(std::mem::replace(tally, left).lines(width, color));
        }
        lines
    }
}

impl Tally {
    fn failure(&mut self, failure: &Failure, end: &End<'_>, may_show: bool) -> bool {
        let failed = self.failed.entry(failure.class).or_default();
        failed.count += 1;
        if may_show && failed.shown < SHOWN {
            failed.shown += 1;
            return true;
        }
        let message = if end.hidden { "(no_log)".to_owned() } else { about(&failure.message, end.device) };
        if self.messages.len() < MESSAGES || self.messages.contains_key(&message) {
            *self.messages.entry(message).or_default() += 1;
        } else {
            self.others += 1;
        }
        false
    }

    fn counts(&self, unseen: bool) -> Vec<String> {
        let mut counts = vec![format!("ok {}", self.ok)];
        counts.extend(self.failed.iter().map(|(class, failed)| {
            let hidden = failed.count - failed.shown;
            let Failed { count, .. } = failed;
            if unseen && hidden > 0 {
                format!("{class} {count} ({hidden} not shown)")
            } else {
                format!("{class} {count}")
            }
        }));
        for (name, count) in [("rescued", self.rescued), ("ignored", self.ignored), ("skipped", self.skipped)] {
            if count > 0 {
                counts.push(format!("{name} {count}"));
            }
        }
        counts
    }

    fn lines(self, width: usize, color: bool) -> Vec<String> {
        let word = if !self.failed.is_empty() {
            ("failed", Tone::Bad)
        } else if self.ok == 0 && self.skipped > 0 {
            ("skipped", Tone::Odd)
        } else {
            ("ok", Tone::Good)
        };
        let counts = self.counts(true).join("   ");
        let mut lines = vec![line::step(word, &self.name, width, &line::took(self.longest), &counts, color)];
        let mut messages: Vec<(String, usize)> = self.messages.into_iter().collect();
        messages.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let rest: usize = messages.iter().skip(PRINTED).map(|(_, count)| count).sum::<usize>() + self.others;
        let said = messages.into_iter().take(PRINTED);
        lines.extend(said.map(|(message, count)| format!("{count:>10} x {message}")));
        if rest > 0 {
            lines.push(format!("{rest:>10} x something else"));
        }
        lines
    }
}

/// A message on one line without the id of its device, or no two would be the same.
fn about(message: &str, device: &str) -> String {
    // An id of one letter stands in every sentence.
    let message = if device.len() < 3 { message.to_owned() } else { message.replace(device, "\u{2026}") };
    line::one_line(&message, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn end<'e>(device: &'e str, outcome: &'e Outcome) -> End<'e> {
        let took = Duration::from_millis(300);
        End { device, outcome, ignored: false, rescued: false, hidden: false, took }
    }

    #[test]
    fn counts_and_shows_the_first_failures_only() {
        let (mut many, ping) = (Many::default(), Arc::from("Ping"));
        for _ in 0..20 {
            many.ended(0, &ping, &end("d1", &Outcome::read(Value::Null)));
        }
        let failure = Outcome::Failed(Failure::new(Class::Unreachable, "away"));
        let shown: Vec<bool> = (0..5).map(|_| many.ended(0, &ping, &end("d1", &failure))).collect();
        assert_eq!(shown, [true, true, true, false, false]);
        let rescued = End { rescued: true, ignored: true, ..end("d1", &failure) };
        assert!(!many.ended(0, &ping, &rescued));
        let lines = many.lines(10, false);
        assert_eq!(
            lines,
            ["  failed   Ping         0.3 s   ok 20   unreachable 5 (2 not shown)   rescued 1", "         2 x away"]
        );
        assert!(many.lines(10, false).is_empty());
    }

    #[test]
    fn thousands_of_messages_are_a_few_lines() {
        let (mut many, ping) = (Many::default(), Arc::from("Ping"));
        for n in 0..5_000 {
            let device = format!("dev-{n}");
            let message = if n % 2 == 0 { format!("{device} is gone") } else { format!("error {n}") };
            many.ended(0, &ping, &end(&device, &Outcome::Failed(Failure::new(Class::Failed, message))));
        }
        let lines = many.lines(10, false);
        assert_eq!(lines.len(), 2 + PRINTED, "{lines:?}");
        assert_eq!(lines[1], "      2498 x \u{2026} is gone");
        assert!(lines[6].ends_with(" x something else"), "{lines:?}");
        // Waves without end do not show three each.
        let failure = Outcome::Failed(Failure::new(Class::Failed, "no"));
        let mut shown = 0;
        for _ in 0..100 {
            shown += (0..5).filter(|_| many.ended(0, &ping, &end("d1", &failure))).count();
            many.lines(10, false);
        }
        assert_eq!(shown, MOST_SHOWN - SHOWN);
    }

    #[test]
    fn the_steps_under_way_count_live() {
        let mut many = Many::default();
        assert!(many.live(8, 10).is_empty());
        let (ask, wait): (Arc<str>, Arc<str>) = (Arc::from("Ask"), Arc::from("Wait"));
        for _ in 0..3 {
            many.started(0, &ask);
        }
        many.started(1, &wait);
        many.ended(0, &ask, &end("d1", &Outcome::read(Value::Null)));
        many.ended(0, &ask, &end("d1", &Outcome::Failed(Failure::new(Class::Timeout, "late"))));
        assert_eq!(
            many.live(8, 10),
            [
                "  ...      Ask        ok 1   timeout 1   running 1   of 10",
                "  ...      Wait       ok 0   running 1   of 10"
            ]
        );
        many.together(1, "1 of 3 done, job j".into());
        assert!(many.live(8, 10)[1].ends_with("of 10   1 of 3 done, job j"));
        many.stopped(0);
        assert_eq!(many.live(8, 10).len(), 1);
        for step in 2..50 {
            many.started(step, &ask);
        }
        assert_eq!(many.live(8, 10).len(), LIVE);
    }
}
