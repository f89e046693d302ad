//! `add_device: ID` registers a device, unless there is one of that name already.

use futures_util::future::LocalBoxFuture;
use runner::book::{Check, Filled, Node};
use runner::{Class, Effect, Failure, Outcome, Progress, Ready, StepContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use wire::{DeviceDocument, ErrorCode, Identity, IfMatch, SectionKind, check_limits};

use super::set_device_status::StatusWord;
use super::verb::Parameters;
use crate::door::{Door, named};
use crate::failure::failure;

/// A device to register.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddDevice {
    /// Its id; the step's own device when it is not said.
    id: Option<Filled<String>>,
    /// Its first tags.
    tags: Option<Filled<Map<String, Value>>>,
    /// Its first desired properties.
    desired: Option<Filled<Map<String, Value>>>,
    /// Whether it may connect, default enabled.
    status: Option<Filled<StatusWord>>,
}

impl Parameters for AddDevice {
    const NAME: &'static str = "add_device";
    const ABOUT: &'static str = "registers a device, unless there is one of that name already";
    const EFFECT: Effect = Effect::Changes;
    const MAIN: Option<&'static str> = Some("id");
    const POSITIONAL: &'static [&'static str] = &["id"];
    const ON_DEVICE: bool = false;

    fn ready(self, door: Door, _: &Node, _: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        Some(Box::new(Add { door, parameters: self }))
    }
}

struct Add {
    door: Door,
    parameters: AddDevice,
}

impl Add {
    fn document(&self, step: &StepContext<'_>) -> Result<DeviceDocument, Failure> {
        let id = self.parameters.id.as_ref().map(|id| step.fill(id)).transpose()?;
        let mut device = DeviceDocument::new(named(step, id)?);
        if let Some(status) = &self.parameters.status {
            device.status = step.fill(status)?.into();
        }
        Ok(device)
    }

    /// Tags and desired properties, checked before the device is made.
    fn twin(&self, step: &StepContext<'_>) -> Result<Option<Value>, Failure> {
        let part = |filled: &Option<Filled<Map<String, Value>>>, kind| {
            let Some(filled) = filled else { return Ok(None) };
            let members = json!(step.fill(filled)?);
            check_limits(kind, &members).map_err(|error| Failure::new(Class::Failed, error.message))?;
            Ok::<_, Failure>(Some(members))
        };
        let tags = part(&self.parameters.tags, SectionKind::Tags)?;
        let desired = part(&self.parameters.desired, SectionKind::Desired)?;
        let mut patch = Map::new();
        patch.extend(tags.map(|tags| ("tags".to_owned(), tags)));
        patch.extend(desired.map(|desired| ("properties".to_owned(), json!({ "desired": desired }))));
        Ok((!patch.is_empty()).then_some(Value::Object(patch)))
    }

    async fn add(&self, step: &StepContext<'_>) -> Result<Outcome, Failure> {
        let (wanted, twin) = (self.document(step)?, self.twin(step)?);
        let client = self.door.client()?;
        let value = |created: bool| json!({ "id": wanted.device_id, "created": created, "status": wanted.status });
        match client.create_device(&wanted).await {
            Ok(_) => {}
            Err(error) if error.code() == Some(ErrorCode::DEVICE_ALREADY_EXISTS) => {
                (step.progress)(Progress::Says(format!("{} is there already", wanted.device_id)));
                return Ok(Outcome::read(value(false)));
            }
            Err(error) => return Err(failure(&error)),
        }
        if let Some(twin) = twin {
            let identity = Identity::device(wanted.device_id.clone());
            client.patch_twin(&identity, &twin, &IfMatch::Any).await.map_err(|error| failure(&error))?;
        }
        (step.progress)(Progress::Says(format!("{} added", wanted.device_id)));
        Ok(Outcome::changed(value(true)))
    }
}

impl Ready for Add {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(async move { self.add(step).await.unwrap_or_else(Outcome::Failed) })
    }

    fn preview(&self, step: &StepContext<'_>) -> String {
        match self.document(step) {
            Ok(device) => format!("would add the device {} if it is not there", device.device_id),
            Err(failure) => format!("would add a device, but: {}", failure.message),
        }
    }
}
