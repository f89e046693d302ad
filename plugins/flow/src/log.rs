//! `log: text`: says a line, on stdout; `warn` and `error` go to stderr with their word.

use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use runner::book::{Check, Node, Template};
use runner::{Action, Outcome, Progress, Ready, StepContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::verb::{Parameters, Verb};

/// What is said, and how loud.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    /// The line; what is not text appears as JSON.
    text: Template,
    /// `info` goes to stdout, `warn` and `error` to stderr, `debug` only where it is asked for.
    #[serde(default)]
    level: Level,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Level {
    #[default]
    Info,
    Warn,
    Error,
    Debug,
}

pub(crate) fn verb() -> Rc<dyn Action> {
    Rc::new(Verb::<Log>::new("log", "says a line", Some("text")).positional(&["text"]).on_runner())
}

impl Parameters for Log {
    fn ready(self, _: &Node, _: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        Some(Box::new(self))
    }
}

impl Ready for Log {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(async move {
            let text = match self.text.fill_text(step.scope, step.expressions) {
                Ok(text) => text,
                // What would have been registered is not there: no reason to end a rehearsal.
                Err(error) if step.check_mode => {
                    (step.progress)(Progress::Says(format!("not known before the real run: {}", error.message)));
                    return Outcome::read(Value::Null);
                }
                Err(error) => return runner::Failure::from(error).into(),
            };
            let level = match self.level {
                Level::Info => "info",
                Level::Warn => "warn",
                Level::Error => "error",
                Level::Debug => "debug",
            };
            (step.say)(level, text);
            Outcome::read(Value::Null)
        })
    }
}
