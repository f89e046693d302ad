//! `fail: text`: ends the device's run, or the block around it, with a sentence.

use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use runner::book::{Check, Filled, Node};
use runner::{Action, Class, Failure, Outcome, Ready, StepContext};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::verb::{Parameters, Verb};

/// Why.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fail {
    /// What went wrong, in one sentence.
    message: Option<Filled<String>>,
}

pub(crate) fn verb() -> Rc<dyn Action> {
    Rc::new(
        Verb::<Fail>::new("fail", "fails on purpose, with a sentence", Some("message"))
            .positional(&["message"])
            .on_runner(),
    )
}

impl Parameters for Fail {
    fn ready(self, _: &Node, _: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        Some(Box::new(self))
    }
}

impl Ready for Fail {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(async move {
            let message = match self.message.as_ref().map(|message| step.fill(message)) {
                None => "failed on purpose".to_owned(),
                Some(Ok(message)) => message,
                Some(Err(failure)) => return failure.into(),
            };
            Failure::new(Class::Failed, message).into()
        })
    }

    fn fails(&self) -> bool {
        true
    }
}
