//! `get_twin:` reads the device's twin.

use futures_util::future::LocalBoxFuture;
use runner::book::{Check, Node};
use runner::{Effect, Failure, Outcome, Ready, StepContext};
use schemars::JsonSchema;
use serde::Deserialize;

use super::verb::Parameters;
use crate::door::{Door, identity};
use crate::failure::failure;
use crate::twin::twin_value;

/// Nothing to say: the twin of the step's device.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetTwin {}

impl Parameters for GetTwin {
    const NAME: &'static str = "get_twin";
    const ABOUT: &'static str = "reads the device's twin: tags, desired and reported properties";
    const EFFECT: Effect = Effect::Reads;

    fn ready(self, door: Door, _: &Node, _: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        Some(Box::new(Get(door)))
    }
}

struct Get(Door);

impl Get {
    async fn get(&self, step: &StepContext<'_>) -> Result<Outcome, Failure> {
        let twin = self.0.client()?.twin(&identity(step)?).await.map_err(|error| failure(&error))?;
        Ok(Outcome::read(twin_value(&twin)))
    }
}

impl Ready for Get {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(async move { self.get(step).await.unwrap_or_else(Outcome::Failed) })
    }
}
