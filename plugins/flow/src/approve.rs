//! `approve: sentence`: a person must say yes before the run goes on. Asked once for all devices; the asking is the runner's,
//! which knows whether there is anybody to ask and how the run goes on later.

use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use runner::book::{Check, Filled, Node};
use runner::{Action, Class, Failure, Outcome, Ready, StepContext};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::verb::{Parameters, Verb};

/// What a person approves.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Approve {
    /// The sentence that is shown before the question.
    message: Option<Filled<String>>,
}

pub(crate) fn verb() -> Rc<dyn Action> {
    let about = "asks a person, once for all devices; without a yes the run ends with 6";
    Rc::new(Verb::<Approve>::new("approve", about, Some("message")).positional(&["message"]).on_runner())
}

impl Parameters for Approve {
    fn ready(self, _: &Node, _: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        Some(Box::new(self))
    }
}

impl Ready for Approve {
    fn run<'a>(&'a self, _: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        // Where nobody asks: inside the script of a verb.
        let message = "`approve` is a step of its own: it cannot stand in a script of a play";
        Box::pin(async move { Failure::new(Class::Failed, message).into() })
    }

    fn asks(&self, step: &StepContext<'_>) -> Option<Result<String, Failure>> {
        Some(match &self.message {
            None => Ok("The play waits for an approval.".to_owned()),
            Some(message) => step.fill(message).map(|text| text.trim().to_owned()),
        })
    }

    fn once(&self) -> bool {
        true
    }
}
