//! What a device's way leaves in the journal: calls before they are sent, steps when they have ended, and what could come out
//! differently the next time. Does nothing where there is no journal.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::attempt::Tried;
use super::deeds::line as deed_line;
use super::device::{Broken, Device, DeviceEnd, End};
use super::nest::Nest;
use super::step::Came;
use super::trail::Mark;
use crate::book::{Body, Step};
use crate::journal::{Kept, Kind, Record, masked};
use crate::{Class, Effect, Outcome, Skip};

impl Device<'_> {
    fn line(&self, kind: Kind, mark: Mark) -> Record {
        let device = (!self.on_runner).then(|| Arc::clone(&self.target.id));
        let line = self.deed.as_ref().map_or_else(|| Record::new(kind), |deed| deed_line(kind, deed));
        // All that a runner script does is one step's; its places tell it apart.
        let step = Some(if self.deed.is_some() { 0 } else { mark.step });
        Record { device, step, n: mark.n, ..line }
    }

    fn call_line(&self) -> Record {
        let mark = self.trail.here.get();
        let name = self.play.is_script().then(|| (*self.play.book.steps[mark.step].0).into());
        Record { attempt: self.trail.attempt.get(), name, ..self.line(Kind::Call, mark) }
    }

    /// A call that was sent for many at once, under a name by which it is found again: its line need not be waited for.
    pub(super) fn keep_begun(&self, effect: Effect) {
        if effect == Effect::Changes {
            self.play.note(|| self.call_line());
        }
    }

    /// Before a call: what changes something counts as sent only when its line is on disk.
    pub(super) async fn about_to_call(&self, effect: Effect) -> Result<(), End> {
        let Some(journal) = self.play.journal else { return Ok(()) };
        let done = match effect {
            Effect::Reads => journal.room().await,
            Effect::Changes => journal.commit(self.call_line()).await,
        };
        done.map_err(|why| {
            self.play.journal_gone(&why);
            End::Stopped
        })?;
        // It may have been stopped while it waited for the disk.
        let go_on = self.go_on();
        if go_on.is_err() && effect == Effect::Changes {
            self.not_sent();
        }
        go_on
    }

    /// The call did not leave, or did not reach a device that is not connected.
    pub(super) fn not_sent(&self) {
        self.play.note(|| self.line(Kind::NotSent, self.trail.here.get()));
    }

    /// An attempt failed and will be repeated.
    pub(super) fn keep_again(&self, mark: Mark, attempt: u32, reason: &str) {
        self.play.note(|| Record { attempt, ..self.line(Kind::Again, mark) }.text(reason));
    }

    /// A block or a script was entered although its `when` might be false the next time, or others queue for it.
    pub(super) fn keep_entered(&self, step: &Step, mark: Mark) {
        let goes_in = match &step.body {
            Body::Block { .. } => true,
            Body::Verb { ready, .. } => ready.scripted(),
        };
        if goes_in && (step.when.is_some() || !step.serial.is_empty()) {
            self.play.note(|| self.line(Kind::Enter, mark));
        }
    }

    /// The items of a loop that are not the same for ever.
    pub(super) fn keep_list(&self, step: &Step, visit: u32, items: &[Value]) {
        self.play.note(|| {
            let value = Kept::of(&Value::Array(items.to_vec()));
            let withheld = value.is_none();
            Record { value, withheld, ..self.line(Kind::List, Mark { step: step.index, n: visit }) }
        });
    }

    /// A step that broke before its first attempt.
    pub(super) fn keep_broke(&self, step: &Step, visit: u32, outcome: &Outcome) {
        let mark = Mark { step: step.index, n: visit };
        self.play.note(|| self.line(Kind::List, mark).outcome(outcome, false, false));
    }

    /// The variables of its own.
    pub(super) fn keep_vars(&self, vars: &Value) {
        self.play.note(|| {
            let device = Some(Arc::clone(&self.target.id));
            Record { device, value: Kept::of(vars), ..Record::new(Kind::Vars) }
        });
    }

    /// How a step ended.
    pub(super) fn keep_end(
        &self,
        step: &Step,
        nest: &Nest<'_>,
        (mark, tried): (Mark, &Tried),
        (name, summary): (&Arc<str>, &str),
        took: Duration,
        ignored: bool,
    ) {
        // The hub is away, and the run ends for now: the step is not done.
        if matches!(&tried.outcome, Outcome::Failed(failure) if failure.class == Class::Hub) {
            return;
        }
        self.play.note(|| {
            let hidden = nest.no_log || step.no_log;
            let block = matches!(step.body, Body::Block { .. });
            let sets = matches!(&step.body, Body::Verb { ready, .. } if ready.sets());
            // A block's value is its last step's, which is in that step's line.
            let keep =
                self.deed.is_some() || !block && (step.register.is_some() || sets || nest.wanted || step.run_once);
            let tried_at_all = !matches!(tried.outcome, Outcome::Skipped(Skip::When)) && !tried.untried;
            let other_name = self.play.is_script() || **name != *self.play.book.steps[step.index].0;
            Record {
                attempt: if tried_at_all { tried.attempts } else { 0 },
                ignored,
                doubt: self.trail.doubtful.take(),
                blind: !tried.again,
                name: other_name.then(|| masked(name)),
                says: (!hidden && !summary.is_empty()).then(|| masked(summary)),
                seconds: Some(seconds(took)),
                ..self.line(Kind::Step, mark).outcome(&tried.outcome, keep, hidden)
            }
        });
    }

    pub(super) fn settled(&self, mark: Mark) {
        self.play.note(|| self.line(Kind::Settled, mark));
    }

    pub(super) fn keep_once_begun(&self, step: usize) {
        self.play.note(|| self.line(Kind::OnceBegun, Mark { step, n: 0 }));
    }

    /// What a `run_once` step came to, for all.
    pub(super) fn keep_once(&self, step: &Step, hidden: bool, result: &Result<Came, Box<Broken>>) {
        self.play.note(|| {
            let line = self.line(Kind::Once, Mark { step: step.index, n: 0 });
            match result {
                Ok(Came::Value(value, changed)) => {
                    line.outcome(&Outcome::Done { value: value.clone(), changed: *changed }, true, hidden)
                }
                Ok(Came::Nothing | Came::Left) => line.outcome(&Outcome::Skipped(Skip::When), false, hidden),
                Ok(Came::Withheld) => Record { withheld: true, outcome: Some("ok".into()), ..line },
                Err(broken) => {
                    let name = Some(masked(&broken.step));
                    let line = Record { name, blind: !broken.again, ..line };
                    line.outcome(&Outcome::Failed(broken.failure.clone()), false, hidden)
                }
            }
        });
    }
}

impl DeviceEnd {
    /// Its line; values only where `after` will look at them.
    pub(super) fn line(&self, with_vars: bool) -> Record {
        let vars = || Kept::of(&self.vars).or_else(|| Kept::of(&json!({})));
        Record {
            device: Some(Arc::clone(&self.id)),
            wave: Some(self.wave + 1),
            outcome: Some(self.ended.word().into()),
            text: self.error.as_deref().map(masked),
            seconds: Some(seconds(self.took)),
            waited: Some(self.waited).filter(|waited| !waited.is_zero()).map(seconds),
            value: if with_vars { vars() } else { None },
            ..Record::new(Kind::Device)
        }
    }
}

/// Whole milliseconds, as seconds.
fn seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1_000.0
}
