//! How a step's end is said: the event, its summary, and a failure as people read it.

use std::sync::Arc;
use std::time::Duration;

use base::{Diagnostic, Place, Span};
use serde_json::Value;

use super::attempt::Tried;
use super::device::{Device, HIDDEN};
use super::nest::{Caught, Nest};
use crate::book::{Body, Step};
use crate::{Class, Failure, Outcome, RunEvent, Skip};

impl Device<'_> {
    /// Says `StepEnded`. A block is only heard of when it fails by itself: its steps have said the rest.
    pub(super) fn ended(
        &self,
        step: &Step,
        nest: &Nest<'_>,
        mut tried: Tried,
        name: &Arc<str>,
        took: Duration,
        ignored: bool,
    ) -> Tried {
        let Telling { own, ignored, rescued } = telling(step, nest, &tried, ignored);
        if !own {
            return tried;
        }
        let hidden = nest.hides(step);
        let diagnostic = match &tried.outcome {
            Outcome::Failed(failure) if !nest.quiet => {
                let span = failure.span.unwrap_or_else(|| key(step));
                let shown = hidden.then(|| Failure::new(failure.class, HIDDEN));
                Some(Box::new(self.diagnostic(shown.as_ref().unwrap_or(failure), step.source.place(span))))
            }
            _ => None,
        };
        let event = RunEvent::StepEnded {
            device: Arc::clone(&self.target.id),
            step: step.index,
            name: Arc::clone(name),
            summary: self.summary(step, &tried),
            // Lent to the event and taken back: values may be large.
            outcome: std::mem::replace(&mut tried.outcome, Outcome::Skipped(Skip::NotReached)),
            ignored,
            rescued,
            attempts: tried.attempts,
            took,
            diagnostic,
            hidden,
        };
        self.play.events.say(&event);
        if let RunEvent::StepEnded { outcome, .. } = event {
            tried.outcome = outcome;
        }
        tried.caught = ignored;
        tried
    }

    /// What the step's line shows: what the verb said last, else what later expressions read of its value.
    pub(super) fn summary(&self, step: &Step, tried: &Tried) -> String {
        let Outcome::Done { value, .. } = &tried.outcome else { return String::new() };
        if let Some(says) = &tried.says {
            return says.clone();
        }
        let shown = step.shows.iter().map(|path| {
            let found = path.split('.').try_fold(value, |value, key| value.get(key));
            let last = path.rsplit('.').next().unwrap_or(path);
            match found {
                None | Some(Value::Null) => format!("{last}: none"),
                Some(Value::String(text)) => format!("{last}: {text}"),
                Some(other) => format!("{last}: {other}"),
            }
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    /// A failure as people read it.
    pub(super) fn diagnostic(&self, failure: &Failure, place: Place) -> Diagnostic {
        let message = if self.on_runner {
            failure.message.clone()
        } else {
            sentence(&self.target.id, &failure.message, failure.span.is_some())
        };
        let found = Diagnostic::error(message).labelled(failure.class.to_string()).at(place);
        let found = match &failure.note {
            Some(note) => found.note(note.clone()),
            None => found,
        };
        failure.help.iter().fold(found, |found, help| found.help(help.clone()))
    }
}

/// How a step's end is told.
pub(super) struct Telling {
    /// By itself: a block is only heard of when it fails, and none of its steps has told that.
    pub(super) own: bool,
    /// The device goes on; `rescued`: because of a `rescue` around.
    pub(super) ignored: bool,
    pub(super) rescued: bool,
}

/// `ignored` is the step's own `ignore_errors`.
pub(super) fn telling(step: &Step, nest: &Nest<'_>, tried: &Tried, ignored: bool) -> Telling {
    // The hub's own failures end the run, whatever stands around.
    let caught =
        nest.caught.filter(|_| matches!(&tried.outcome, Outcome::Failed(failure) if failure.class != Class::Hub));
    let rescued = !ignored && caught == Some(Caught::Rescue);
    let ignored = ignored || caught.is_some();
    // Its inner step was said to be caught, by this block; but then nothing went on.
    let heard = tried.inner.as_ref().is_some_and(|inner| ignored || !inner.caught);
    let own = matches!(step.body, Body::Verb { .. }) || !(heard || matches!(tried.outcome, Outcome::Done { .. }));
    Telling { own, ignored, rescued }
}

/// The place of a step's verb, or of the block.
pub(super) fn key(step: &Step) -> Span {
    match &step.body {
        Body::Verb { span, .. } => *span,
        Body::Block { .. } => step.span,
    }
}

/// Words that go on with a sentence whose subject is the device.
const VERBS: [&str; 23] = [
    "is", "was", "has", "had", "did", "does", "answered", "replied", "rejected", "refused", "dropped", "sent", "said",
    "stayed", "never", "cannot", "could", "went", "lost", "took", "gave", "needs", "failed;",
];

/// A sentence about a device: `press-7 is not connected`, `press-7: no such method`.
pub(super) fn sentence(device: &str, message: &str, about_the_playbook: bool) -> String {
    let first = message.split_whitespace().next().unwrap_or("");
    if first.trim_end_matches(':') == device {
        message.to_owned()
    } else if VERBS.contains(&first) && !about_the_playbook {
        format!("{device} {message}")
    } else {
        format!("{device}: {message}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_have_the_device_as_their_subject() {
        for (message, expected) in [
            ("is not connected", "press-7 is not connected"),
            ("no such method", "press-7: no such method"),
            ("press-7 did not come back", "press-7 did not come back"),
            ("", "press-7: "),
        ] {
            assert_eq!(sentence("press-7", message, false), expected);
        }
        assert_eq!(sentence("press-7", "is `x` a number?", true), "press-7: is `x` a number?");
    }
}
