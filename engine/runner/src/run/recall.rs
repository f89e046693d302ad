//! What a step came to in an earlier process, given again as if it had just happened: nothing is evaluated, sent or said.

use std::sync::Arc;
use std::time::SystemTime;

use base::rfc3339_millis;
use serde_json::json;

use super::attempt::Tried;
use super::device::{Broken, Device, End};
use super::ended::key;
use super::frame::Frame;
use super::nest::Nest;
use super::step::Came;
use super::trail::Mark;
use crate::book::{Body, Step};
use crate::journal::{PastEnd, PastStep};
use crate::{Class, Effect, Failure, Outcome, Ready, Skip};

impl Device<'_> {
    /// A step that has ended, as the journal has it; nothing when it has not.
    pub(super) async fn told(
        &self,
        step: &Step,
        mark: Mark,
        frame: &Frame<'_>,
        nest: &Nest<'_>,
    ) -> Option<Result<Came, End>> {
        // Names that were set from a secret are set anew: that calls nobody.
        let sets = matches!(&step.body, Body::Verb { ready, .. } if ready.sets());
        let end = self.trail.end(mark).filter(|end| !(sets && end.withheld)).cloned();
        if sets && end.is_none() && self.trail.end(mark).is_some() {
            return None;
        }
        match (&step.body, end) {
            (Body::Block { .. }, Some(end)) if end.attempts > 0 => Some(self.retraced(step, &end, frame, nest).await),
            (_, Some(end)) => {
                self.recall_doubt(mark, &end, step);
                Some(self.recall(step, &end, None))
            }
            // It was cut off here: the block around says what came of it.
            (Body::Verb { .. }, None) if self.trail.is_retracing() => Some(Err(End::Stopped)),
            (Body::Block { .. }, None) if self.trail.is_retracing() => {
                let again = self.trail.step(mark).map_or(0, |past| past.again);
                self.walk_again(step, again + 1, frame, nest).await;
                Some(Err(End::Stopped))
            }
            (_, None) => None,
        }
    }

    /// A block that has ended: its steps give their values once more, what it came to is known.
    async fn retraced(&self, step: &Step, end: &PastEnd, frame: &Frame<'_>, nest: &Nest<'_>) -> Result<Came, End> {
        let tried = self.walk_again(step, end.attempts, frame, nest).await;
        self.recall(step, end, tried)
    }

    /// Walks so many times through a block whose steps are all in the journal.
    pub(super) async fn walk_again(
        &self,
        step: &Step,
        times: u32,
        frame: &Frame<'_>,
        nest: &Nest<'_>,
    ) -> Option<Tried> {
        let Body::Block { block, rescue, always } = &step.body else { return None };
        let was = self.trail.retrace(true);
        let mut last = None;
        for _ in 0..times {
            last = self.block(step, [block, rescue, always], frame, nest, true).await.ok();
        }
        self.trail.retrace(was);
        last
    }

    /// What the journal's words mean for the device. `walked` is what a block's steps came to.
    pub(super) fn recall(&self, step: &Step, end: &PastEnd, walked: Option<Tried>) -> Result<Came, End> {
        let outcome = end.outcome.clone();
        self.probed(step, &outcome);
        match outcome {
            Outcome::Done { value, changed } => {
                if changed {
                    self.has_changed();
                }
                Ok(match walked.map(|tried| tried.outcome) {
                    Some(Outcome::Done { value, .. }) => Came::Value(value, changed),
                    _ if end.withheld => Came::Withheld,
                    _ => Came::Value(value, changed),
                })
            }
            Outcome::Skipped(skip @ Skip::Offline { rest: true }) => Err(End::Skip(skip)),
            Outcome::Skipped(Skip::When) => Ok(Came::Left),
            Outcome::Skipped(skip) => {
                let changes = matches!(&step.body, Body::Verb { effect: Effect::Changes, .. });
                if changes && matches!(skip, Skip::Check(_)) {
                    self.play.would_change.set(true);
                }
                Ok(Came::Nothing)
            }
            Outcome::Failed(failure) => {
                let name = end.name.as_deref().map_or_else(|| self.written(step), Arc::from);
                let inner = walked.and_then(|tried| tried.inner);
                let broken = inner.unwrap_or_else(|| Box::new(self.broken(step, failure, name, end.again)));
                if end.ignored {
                    return Ok(Came::Value(json!({ "failed": true, "error": broken.value() }), false));
                }
                Err(End::Failed(broken))
            }
        }
    }

    /// What a `run_once` step came to, for all.
    pub(super) fn recall_once(&self, step: &Step, end: &PastEnd) -> Result<Came, Box<Broken>> {
        match self.recall(step, end, None) {
            Ok(came) => Ok(came),
            Err(End::Failed(broken)) => Err(broken),
            Err(End::Skip(_) | End::Stopped) => Ok(Came::Nothing),
        }
    }

    /// A call of which nobody knows whether it was carried out stays one until a later step tells.
    fn recall_doubt(&self, mark: Mark, end: &PastEnd, step: &Step) {
        if end.doubt && matches!(end.outcome, Outcome::Done { .. }) {
            self.trail.doubts.borrow_mut().push((mark, self.written(step), end.at));
        }
    }

    /// The call that was in flight when the process ended: what it counts as, unless calling again does no harm.
    pub(super) fn lost_call(&self, step: &Step, ready: &dyn Ready) -> Option<Tried> {
        let when = self.trail.open.take()?;
        // A batch finds again what it had begun: its name is the same.
        if ready.repeatable() || ready.gathers().is_some() {
            return None;
        }
        if let Some(value) = ready.lost() {
            return Some(Tried { again: false, ..Tried::once(Outcome::changed(value)) });
        }
        let outcome = if self.trail.probe.get() {
            let doubt = (self.trail.here.get(), self.written(step), when);
            self.trail.doubts.borrow_mut().push(doubt);
            Outcome::changed(json!({ "lost": true }))
        } else {
            self.play.doubt(&self.target.id, &self.written(step), when);
            unknown(when).into()
        };
        self.trail.doubtful.set(true);
        Some(Tried { again: false, ..Tried::once(outcome) })
    }

    /// A step that looks at the device has ended: what it saw settles the calls before it that were in doubt.
    pub(super) fn probed(&self, step: &Step, outcome: &Outcome) {
        let probes = matches!(&step.body, Body::Verb { ready, .. } if ready.probes());
        if !probes || matches!(outcome, Outcome::Skipped(_)) {
            return;
        }
        for (mark, name, when) in std::mem::take(&mut *self.trail.doubts.borrow_mut()) {
            if matches!(outcome, Outcome::Done { .. }) {
                self.settled(mark);
            } else {
                self.play.doubt(&self.target.id, &name, when);
            }
        }
    }

    /// The device is done, and a call of it is still in doubt: nobody looked.
    pub(super) fn unsettled(&self) -> Option<End> {
        let mut doubts = std::mem::take(&mut *self.trail.doubts.borrow_mut()).into_iter();
        let (mark, name, when) = doubts.next()?;
        self.play.doubt(&self.target.id, &name, when);
        doubts.for_each(|(_, name, when)| self.play.doubt(&self.target.id, &name, when));
        let at = self.play.book.steps[mark.step].1.label();
        Some(End::Failed(Box::new(Broken {
            failure: unknown(when),
            step: name,
            at,
            again: false,
            caught: false,
            hidden: false,
        })))
    }

    /// The step's name as written.
    pub(super) fn written(&self, step: &Step) -> Arc<str> {
        Arc::clone(&self.play.book.steps[step.index].0)
    }

    pub(super) fn broken(&self, step: &Step, failure: Failure, name: Arc<str>, again: bool) -> Broken {
        let span = failure.span.unwrap_or_else(|| key(step));
        Broken { at: step.source.place(span).label(), failure, step: name, again, caught: false, hidden: false }
    }
}

/// What is left of a wait that began before the process ended.
pub(super) fn rest(of: std::time::Duration, since: Option<SystemTime>, now: SystemTime) -> std::time::Duration {
    let spent = since.and_then(|since| now.duration_since(since).ok()).unwrap_or_default();
    of.saturating_sub(spent)
}

/// The failure of a call that was in flight when the run was interrupted.
pub(crate) fn unknown(when: SystemTime) -> Failure {
    let message = format!(
        "was being called at {} when the run was interrupted, and no reply is known. It may have carried the call out.",
        rfc3339_millis(when)
    );
    Failure {
        in_doubt: true,
        value: json!({ "lost": true }),
        help: vec![
            "do not send it again blindly: look at the device first; a wait_until behind the call would tell by itself"
                .to_owned(),
        ],
        ..Failure::new(Class::Timeout, message)
    }
}

/// Whether an attempt of it was made: then its `when` was true, whatever it would be now.
pub(super) fn was_entered(past: Option<&PastStep>) -> bool {
    past.is_some_and(|past| past.entered || past.again > 0)
}
