//! `remove_device: ID` takes a device out of the registry, if it is there.

use futures_util::future::LocalBoxFuture;
use runner::book::{Check, Filled, Node};
use runner::{Effect, Failure, Outcome, Progress, Ready, StepContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use wire::{DeviceId, ErrorCode, IfMatch};

use super::verb::Parameters;
use crate::door::{Door, named};
use crate::failure::failure;

/// A device to remove, with its twin and its keys.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveDevice {
    /// Its id; the step's own device when it is not said.
    id: Option<Filled<String>>,
}

impl Parameters for RemoveDevice {
    const NAME: &'static str = "remove_device";
    const ABOUT: &'static str = "removes a device with its twin and its keys, if it is there";
    const EFFECT: Effect = Effect::Changes;
    const MAIN: Option<&'static str> = Some("id");

    fn ready(self, door: Door, _: &Node, _: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        Some(Box::new(Remove { door, parameters: self }))
    }
}

struct Remove {
    door: Door,
    parameters: RemoveDevice,
}

impl Remove {
    fn id(&self, step: &StepContext<'_>) -> Result<DeviceId, Failure> {
        let id = self.parameters.id.as_ref().map(|id| step.fill(id)).transpose()?;
        named(step, id)
    }

    async fn remove(&self, step: &StepContext<'_>) -> Result<Outcome, Failure> {
        let id = self.id(step)?;
        let value = |removed: bool| json!({ "id": id, "removed": removed });
        match self.door.client()?.delete_device(&id, IfMatch::Any).await {
            Ok(()) => {
                (step.progress)(Progress::Says(format!("{id} removed")));
                Ok(Outcome::changed(value(true)))
            }
            Err(error) if error.code() == Some(ErrorCode::DEVICE_NOT_FOUND) => {
                (step.progress)(Progress::Says(format!("{id} is not there")));
                Ok(Outcome::read(value(false)))
            }
            Err(error) => Err(failure(&error)),
        }
    }
}

impl Ready for Remove {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(async move { self.remove(step).await.unwrap_or_else(Outcome::Failed) })
    }

    fn preview(&self, step: &StepContext<'_>) -> String {
        match self.id(step) {
            Ok(id) => format!("would remove the device {id}"),
            Err(failure) => format!("would remove a device, but: {}", failure.message),
        }
    }
}
