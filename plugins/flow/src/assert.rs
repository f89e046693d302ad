//! `assert: expr`: fails when something does not hold, and shows both sides of what was compared.

use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use runner::book::{Check, Expression, Filled, Node, OneOrMany, Sides};
use runner::{Action, Class, Failure, Outcome, Progress, Ready, StepContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::show::{is_literal, short};
use crate::verb::{Parameters, Verb};

/// What must hold.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assert {
    /// One expression or a list: all of them must be true.
    that: OneOrMany<Expression>,
    /// What to say when one is not.
    message: Option<Filled<String>>,
}

pub(crate) fn verb() -> Rc<dyn Action> {
    let about = "fails when something does not hold, and shows both sides";
    Rc::new(Verb::<Assert>::new("assert", about, Some("that")).positional(&["that"]).on_runner())
}

impl Parameters for Assert {
    fn ready(self, node: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        if self.that.0.is_empty() {
            check.error(node.get("that").unwrap_or(node).span, "there is nothing to assert");
            return None;
        }
        Some(Box::new(self))
    }
}

impl Assert {
    fn judge(&self, step: &StepContext<'_>) -> Result<Outcome, Failure> {
        let mut wrong = Vec::new();
        for that in &self.that.0 {
            if !step.test(that)? {
                wrong.push(that);
            }
        }
        let Some(first) = wrong.first() else {
            let count = self.that.0.len();
            let held = if count == 1 { self.that.0[0].text().to_owned() } else { format!("{count} hold") };
            (step.progress)(Progress::Says(held));
            return Ok(Outcome::read(Value::Bool(true)));
        };
        let sides: Vec<_> =
            wrong.iter().map(|that| told(that, that.sides(step.scope, step.expressions).as_ref())).collect();
        let message = match &self.message {
            Some(message) => step.fill(message)?,
            None => format!("`{}` does not hold", first.text()),
        };
        let mut failure = Failure::new(Class::Failed, message);
        failure.note = Some(sides.join("; "));
        failure.span = Some(first.span());
        Ok(failure.into())
    }
}

/// What a comparison's sides came to: `fw is "1.9"`, or both.
fn told(that: &Expression, sides: Option<&Sides>) -> String {
    let Some(Sides { left, right, .. }) = sides else { return format!("`{}` is false", that.text()) };
    let side = |(text, value): &(String, Value)| (!is_literal(text)).then(|| format!("{text} is {}", short(value)));
    let told: Vec<_> = [side(left), side(right)].into_iter().flatten().collect();
    if told.is_empty() { format!("`{}` is false", that.text()) } else { told.join(", ") }
}

impl Ready for Assert {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(async move { self.judge(step).unwrap_or_else(Outcome::Failed) })
    }
}
