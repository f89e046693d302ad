//! `sleep: 5s`: waits. The device holds no fork meanwhile.

use std::rc::Rc;
use std::time::Duration;

use base::format_duration;
use futures_util::future::LocalBoxFuture;
use runner::book::{Check, DurationText, Filled, Node};
use runner::{Action, Class, Failure, Outcome, Progress, Ready, StepContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::verb::{Parameters, Verb};

/// A longer sleep is a mistaken unit; a schedule belongs to cron.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often the live line is told.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How long.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sleep {
    /// How long to sleep.
    #[serde(rename = "for")]
    #[schemars(with = "DurationText")]
    duration: Filled<Duration>,
}

pub(crate) fn verb() -> Rc<dyn Action> {
    Rc::new(Verb::<Sleep>::new("sleep", "waits for a while", Some("for")).positional(&["for"]).on_runner())
}

impl Parameters for Sleep {
    fn ready(self, node: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        if self.duration.constant().is_some_and(|it| *it > LONGEST) {
            check.error(node.get("for").unwrap_or(node).span, "a sleep is at most 7 days");
            return None;
        }
        Some(Box::new(self))
    }
}

impl Ready for Sleep {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(async move {
            let duration = match step.fill(&self.duration) {
                Ok(duration) if duration > LONGEST => {
                    return Failure::new(Class::Failed, "a sleep is at most 7 days").into();
                }
                Ok(duration) => duration,
                Err(failure) => return failure.into(),
            };
            let start = tokio::time::Instant::now();
            loop {
                let spent = start.elapsed();
                if spent >= duration {
                    break;
                }
                (step.progress)(Progress::Elapsed { spent, of: Some(duration) });
                tokio::time::sleep(TELL_EVERY.min(duration - spent)).await;
            }
            (step.progress)(Progress::Says(format!("slept {}", format_duration(duration))));
            Outcome::read(Value::Null)
        })
    }

    fn waits(&self) -> bool {
        true
    }
}
