//! `set_device_status: disabled` lets a device connect or not. Reads first, writes only a difference.

use futures_util::future::LocalBoxFuture;
use runner::book::{Check, Filled, Node};
use runner::{Class, Effect, Failure, Outcome, Progress, Ready, Skip, StepContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use wire::{IfMatch, Status, limits};

use super::verb::Parameters;
use crate::door::{Door, named};
use crate::failure::failure;

/// Whether a device may connect.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum StatusWord {
    /// It may.
    Enabled,
    /// It may not; an open connection is cut.
    Disabled,
}

impl From<StatusWord> for Status {
    fn from(word: StatusWord) -> Self {
        match word {
            StatusWord::Enabled => Self::Enabled,
            StatusWord::Disabled => Self::Disabled,
        }
    }
}

/// Whether a device may connect, and why.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetDeviceStatus {
    /// `enabled` or `disabled`.
    status: Filled<StatusWord>,
    /// Why, at most 128 characters.
    reason: Option<Filled<String>>,
    /// The device; the step's own when it is not said.
    id: Option<Filled<String>>,
}

impl Parameters for SetDeviceStatus {
    const NAME: &'static str = "set_device_status";
    const ABOUT: &'static str = "lets a device connect, or not";
    const EFFECT: Effect = Effect::Changes;
    const MAIN: Option<&'static str> = Some("status");
    const POSITIONAL: &'static [&'static str] = &["status"];

    fn ready(self, door: Door, node: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        if let Some(Err(message)) = self.reason.as_ref().and_then(Filled::constant).map(|it| reason(it)) {
            check.error(node.get("reason").unwrap_or(node).span, message);
            return None;
        }
        Some(Box::new(Set { door, parameters: self }))
    }
}

fn reason(text: &str) -> Result<(), String> {
    let most = limits::STATUS_REASON_CHARS;
    if text.chars().count() <= most { Ok(()) } else { Err(format!("`reason` has at most {most} characters")) }
}

struct Set {
    door: Door,
    parameters: SetDeviceStatus,
}

impl Set {
    async fn set(&self, step: &StepContext<'_>) -> Result<Outcome, Failure> {
        let status: Status = step.fill(&self.parameters.status)?.into();
        let why = self.parameters.reason.as_ref().map(|reason| step.fill(reason)).transpose()?;
        why.as_deref().map_or(Ok(()), reason).map_err(|message| Failure::new(Class::Failed, message))?;
        let id = self.parameters.id.as_ref().map(|id| step.fill(id)).transpose()?;
        let id = named(step, id)?;
        let client = self.door.client()?;
        let mut device = client.device(&id).await.map_err(|error| failure(&error))?;
        let value = json!({ "id": id, "status": status, "reason": why.as_ref().or(device.status_reason.as_ref()) });
        if device.status == status && (why.is_none() || why == device.status_reason) {
            (step.progress)(Progress::Says(format!("{id} is {} already", status.as_str())));
            return Ok(Outcome::read(value));
        }
        let words = format!("{id}: {} -> {}", device.status.as_str(), status.as_str());
        if step.check_mode {
            return Ok(Outcome::Skipped(Skip::Check(words)));
        }
        let on = IfMatch::Tag(std::mem::take(&mut device.etag));
        device.status = status;
        device.status_reason = why.or(device.status_reason);
        client.update_device(&device, on).await.map_err(|error| failure(&error))?;
        (step.progress)(Progress::Says(words));
        Ok(Outcome::changed(value))
    }
}

impl Ready for Set {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(async move { self.set(step).await.unwrap_or_else(Outcome::Failed) })
    }

    fn rehearses(&self) -> bool {
        true
    }
}
