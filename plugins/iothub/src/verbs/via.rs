//! `via: call | job`: what the verbs that jobs can do for a whole wave have in common.

use runner::{Batch, Gathers, Outcome, StepContext, serve_alone};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::door::Door;
use crate::jobs::{self, Hosts};

/// By which way a step reaches its devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Via {
    /// One call for each device.
    #[default]
    Call,
    /// One job of IoT Hub for all devices of a wave.
    Job,
}

impl Via {
    /// What `--check` adds.
    pub(super) fn preview(self) -> &'static str {
        match self {
            Self::Call => "",
            Self::Job => ", in a job for the wave",
        }
    }
}

/// Serves a batch by jobs.
pub(super) async fn serve(host: &dyn Hosts, door: &Door, batch: &Batch) {
    match door.client() {
        Ok(client) => jobs::serve(host, client, &door.places, batch).await,
        Err(failure) => (0..batch.len()).for_each(|index| batch.end(index, failure.clone().into())),
    }
}

/// A job for one device: scripts wait for each call.
pub(super) async fn alone(verb: &dyn Gathers, door: &Door, step: &StepContext<'_>) -> Outcome {
    match door.client() {
        Ok(client) => serve_alone(verb, step, jobs::alone(&step.run, client.clock().now())).await,
        Err(failure) => failure.into(),
    }
}
