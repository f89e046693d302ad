//! What an attempt's outcome counts as: `failed_when`, `changed_when` and `until`, each with `result` in sight.

use base::Mask;
use serde_json::Value;

use super::device::Device;
use super::frame::Frame;
use crate::book::{Expression, Step};
use crate::{Class, Failure, Outcome};

impl Device<'_> {
    /// The outcome after all three.
    pub(super) async fn judge(&self, step: &Step, outcome: Outcome, frame: &Frame<'_>) -> Outcome {
        let judged = step.failed_when.is_some() || step.changed_when.is_some() || step.retries.until.is_some();
        if !judged {
            return outcome;
        }
        match outcome {
            Outcome::Done { value, changed } => self.worked(step, value, changed, frame).await,
            // A reply of another status is a reply: `failed_when` decides about it.
            Outcome::Failed(failure) if failure.class == Class::Rejected && step.failed_when.is_some() => {
                self.replied(step, failure, frame).await
            }
            other => other,
        }
    }

    async fn worked(&self, step: &Step, value: Value, mut changed: bool, frame: &Frame<'_>) -> Outcome {
        frame.set_result(value, changed);
        let failure = match &step.failed_when {
            Some(failed) => self.holds(failed, frame).await.map(|holds| holds.then_some("`failed_when` is true")),
            None => Ok(None),
        };
        let verdict = match failure {
            Ok(Some(why)) => Err(self.sided(why, step.failed_when.as_ref(), frame)),
            Ok(None) => self.enough(step, frame).await,
            Err(failure) => Err(failure),
        };
        if let (Ok(()), Some(expression)) = (&verdict, &step.changed_when) {
            match self.holds(expression, frame).await {
                Ok(holds) => changed = holds,
                Err(failure) => return self.unready(failure),
            }
        }
        let value = frame.take("result");
        match verdict {
            Ok(()) => Outcome::Done { value, changed },
            Err(failure) => Outcome::Failed(Failure { value, ..failure }),
        }
    }

    async fn replied(&self, step: &Step, mut failure: Failure, frame: &Frame<'_>) -> Outcome {
        frame.set_result(std::mem::take(&mut failure.value), true);
        let verdict = match &step.failed_when {
            Some(failed) => self.holds(failed, frame).await,
            None => Ok(true),
        };
        failure.value = frame.take("result");
        match verdict {
            Ok(false) => Box::pin(self.worked(step, failure.value, true, frame)).await,
            Ok(true) => Outcome::Failed(failure),
            Err(broken) => self.unready(broken),
        }
    }

    async fn holds(&self, expression: &Expression, frame: &Frame<'_>) -> Result<bool, Failure> {
        self.test(expression, frame).await
    }

    /// `until`: not yet is a failure that another attempt may mend.
    async fn enough(&self, step: &Step, frame: &Frame<'_>) -> Result<(), Failure> {
        let Some(until) = &step.retries.until else { return Ok(()) };
        if self.holds(until, frame).await? {
            return Ok(());
        }
        Err(self.sided("`until` is false", Some(until), frame))
    }

    /// A failure that shows the condition and, for a comparison, both sides' values.
    fn sided(&self, why: &str, expression: Option<&Expression>, frame: &Frame<'_>) -> Failure {
        let Some(expression) = expression else { return Failure::new(Class::Failed, why) };
        let message = match expression.sides(&self.scope(frame), self.play.expressions()) {
            Some(sides) => {
                format!("{why}: {} (left {}, right {})", expression.text(), shown(&sides.left.1), shown(&sides.right.1))
            }
            None => format!("{why}: {}", expression.text()),
        };
        Failure::new(Class::Failed, message)
    }
}

/// Longest value in a sentence.
const LONGEST: usize = 120;

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
    };
    Mask::process().shorten(&text, LONGEST)
}
