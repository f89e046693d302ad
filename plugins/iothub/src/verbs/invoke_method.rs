//! `invoke_method: { name, payload, .. }` calls a direct method and judges its answer.

use std::time::Duration;

use base::format_duration;
use futures_util::future::LocalBoxFuture;
use runner::book::{Check, DurationText, Filled, Node, OneOrMany};
use runner::{Batch, Class, Effect, Failure, Gathers, Outcome, Progress, Ready, StepContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use wire::{ErrorCode, Identity, JobAction, MethodCall, MethodReply, limits};

use super::verb::Parameters;
use super::via::{Via, alone, serve};
use crate::client::{ClientError, HubClient};
use crate::door::{Door, identity, told};
use crate::jobs::{Hosts, JobEnd, Work, longest};
use crate::verdict::{Accept, judge, lost_value, summary};

/// A direct method of the step's device.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InvokeMethod {
    /// The method.
    name: Filled<String>,
    /// Its argument: any JSON, at most 128 KiB.
    payload: Option<Filled<Value>>,
    /// How long the device may take to answer: 5s to 300s, default 30s.
    #[schemars(with = "Option<DurationText>")]
    response_timeout: Option<Filled<Duration>>,
    /// How long the hub waits for the device to connect first: 0s to 300s, default 0s.
    #[schemars(with = "Option<DurationText>")]
    connect_timeout: Option<Filled<Duration>>,
    /// Which answers are fine beside 200..299.
    #[serde(default)]
    accept: OneOrMany<Accept>,
    /// Whether calling it twice does no harm, so that a call without a known reply may be repeated.
    #[serde(default)]
    idempotent: bool,
    /// `job`: one job of IoT Hub for all devices of the wave, instead of a call for each.
    #[serde(default)]
    via: Via,
}

impl InvokeMethod {
    /// What a job cannot do.
    fn not_by_job(&self) -> Option<(&'static str, String)> {
        let beside = "a job waits for devices that are not connected by itself, as long as it goes on: say how long by `timeout:` beside invoke_method";
        (self.via == Via::Job && self.connect_timeout.is_some())
            .then(|| ("connect_timeout", format!("`via: job` takes no `connect_timeout`: {beside}")))
    }
}

/// Whole seconds, rounded up; the hub takes no fractions.
fn whole(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}

fn response_timeout(duration: Duration) -> Result<Duration, String> {
    let (least, most) = limits::RESPONSE_TIMEOUT;
    let duration = whole(duration);
    if (least..=most).contains(&duration) {
        return Ok(duration);
    }
    Err(format!("`response_timeout` is 5s to 300s, not {}", format_duration(duration)))
}

fn connect_timeout(duration: Duration) -> Result<Duration, String> {
    let duration = whole(duration);
    if duration <= limits::CONNECT_TIMEOUT_MAX {
        return Ok(duration);
    }
    Err(format!("`connect_timeout` is at most 300s, not {}", format_duration(duration)))
}

fn name(name: String) -> Result<String, String> {
    match name.chars().count() {
        0 => Err("`name` is empty".to_owned()),
        1..=limits::METHOD_NAME_CHARS => Ok(name),
        count => Err(format!("a method's name has at most {} characters, this one {count}", limits::METHOD_NAME_CHARS)),
    }
}

fn payload(value: &Value) -> Result<Box<serde_json::value::RawValue>, String> {
    let text = value.to_string();
    if text.len() > limits::METHOD_PAYLOAD_BYTES {
        return Err(format!("a payload is at most 128 KiB, this one has {} bytes", text.len()));
    }
    serde_json::value::RawValue::from_string(text).map_err(|error| error.to_string())
}

impl InvokeMethod {
    /// What is known at load and wrong, each with the key it stands at.
    fn wrong(&self) -> Vec<(&'static str, String)> {
        let constant = |value: &Option<Filled<Duration>>| value.as_ref().and_then(Filled::constant).copied();
        let checks = [
            ("name", self.name.constant().and_then(|it| name(it.clone()).err())),
            ("payload", self.payload.as_ref().and_then(Filled::constant).and_then(|it| payload(it).err())),
            ("response_timeout", constant(&self.response_timeout).and_then(|it| response_timeout(it).err())),
            ("connect_timeout", constant(&self.connect_timeout).and_then(|it| connect_timeout(it).err())),
        ];
        checks.into_iter().filter_map(|(key, wrong)| Some((key, wrong?))).chain(self.not_by_job()).collect()
    }

    fn fill(&self, step: &StepContext<'_>) -> Result<MethodCall, Failure> {
        let failed = |message: String| Failure::new(Class::Failed, message);
        let mut call = MethodCall::new(name(step.fill(&self.name)?).map_err(failed)?);
        if let Some(filled) = &self.payload {
            let value = step.fill(filled)?;
            call.payload = (!value.is_null()).then(|| payload(&value)).transpose().map_err(failed)?;
        }
        if let Some(timeout) = &self.response_timeout {
            call.response_timeout = response_timeout(step.fill(timeout)?).map_err(failed)?;
        }
        if let Some(timeout) = &self.connect_timeout {
            call.connect_timeout = connect_timeout(step.fill(timeout)?).map_err(failed)?;
        }
        Ok(call)
    }
}

impl Parameters for InvokeMethod {
    const NAME: &'static str = "invoke_method";
    const ABOUT: &'static str = "calls a direct method of the device and judges its answer";
    const EFFECT: Effect = Effect::Changes;
    const MAIN: Option<&'static str> = Some("name");
    const POSITIONAL: &'static [&'static str] = &["name", "payload"];

    fn ready(self, door: Door, node: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        let wrong = self.wrong();
        if wrong.is_empty() {
            return Some(Box::new(Invoke { door, parameters: self }));
        }
        for (key, message) in wrong {
            check.error(node.get(key).unwrap_or(node).span, message);
        }
        None
    }
}

struct Invoke {
    door: Door,
    parameters: InvokeMethod,
}

impl Invoke {
    async fn invoke(&self, step: &StepContext<'_>) -> Result<Outcome, Failure> {
        let call = self.parameters.fill(step)?;
        let identity = identity(step)?;
        let client = self.door.client()?;
        let limit = call.response_timeout + call.connect_timeout;
        let result = told(step, limit, client.invoke(&identity, &call)).await;
        if let Ok(reply) = &result {
            (step.progress)(Progress::Says(summary(reply)));
        }
        let mut outcome = judge(&result, &self.parameters.accept.0, &format_duration(call.response_timeout));
        if let Outcome::Failed(failure) = &mut outcome {
            failure.note = self.note(client, &identity, &result).await;
        }
        Ok(outcome)
    }

    async fn note<T>(
        &self,
        client: &HubClient,
        identity: &Identity,
        result: &Result<T, ClientError>,
    ) -> Option<String> {
        let offline = result.as_ref().err().and_then(ClientError::code) == Some(ErrorCode::DEVICE_NOT_ONLINE);
        if offline { self.door.seen.note(client, identity).await } else { None }
    }
}

impl Invoke {
    /// The outcome of a call that a job made.
    async fn called(&self, batch: &Batch, index: usize, result: Result<MethodReply, ClientError>, waited: &str) {
        if let Ok(reply) = &result {
            batch.progress(index, Progress::Says(summary(reply)));
        }
        let mut outcome = judge(&result, &self.parameters.accept.0, waited);
        if let (Outcome::Failed(failure), Ok(client), Ok(identity)) =
            (&mut outcome, self.door.client(), batch.device(index).id.parse())
        {
            failure.note = self.note(client, &identity, &result).await;
        }
        batch.end(index, outcome);
    }
}

impl Gathers for Invoke {
    fn share<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Result<Value, Outcome>> {
        let call = self.parameters.fill(step).and_then(|call| {
            let failed = |error: serde_json::Error| Failure::new(Class::Failed, error.to_string());
            serde_json::from_slice(&call.to_json()).map_err(failed)
        });
        Box::pin(std::future::ready(call.map_err(Outcome::Failed)))
    }

    fn serve<'a>(&'a self, batch: &'a Batch) -> LocalBoxFuture<'a, ()> {
        Box::pin(serve(self, &self.door, batch))
    }
}

impl Hosts for Invoke {
    fn work(&self, asked: &Value, timeout: Option<Duration>, devices: usize) -> Result<Work, Failure> {
        let failed = |error: wire::HubError| Failure::new(Class::Failed, error.message);
        let call = MethodCall::from_json(asked.to_string().as_bytes()).map_err(failed)?;
        let time = longest(timeout, call.response_timeout, devices);
        Ok(Work { action: JobAction::Method(call), time })
    }

    fn ended<'a>(&'a self, batch: &'a Batch, index: usize, end: JobEnd) -> LocalBoxFuture<'a, ()> {
        let call = MethodCall::from_json(batch.share(index).to_string().as_bytes());
        let waited = call.map_or(String::new(), |call| format_duration(call.response_timeout));
        Box::pin(async move {
            let result = match end {
                JobEnd::Replied(reply) => Ok(reply),
                JobEnd::Refused(error) => Err(ClientError::Refused { error, help: Vec::new() }),
                JobEnd::Failed(failure) => return batch.end(index, failure.into()),
                JobEnd::Updated => return batch.end(index, Outcome::changed(Value::Null)),
            };
            self.called(batch, index, result, &waited).await;
        })
    }
}

impl Ready for Invoke {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.gathers() {
                Some(jobs) => alone(jobs, &self.door, step).await,
                None => self.invoke(step).await.unwrap_or_else(Outcome::Failed),
            }
        })
    }

    fn needs(&self) -> Option<&str> {
        self.parameters.name.constant().map(String::as_str)
    }

    fn gathers(&self) -> Option<&dyn Gathers> {
        (self.parameters.via == Via::Job).then_some(self)
    }

    fn repeatable(&self) -> bool {
        self.parameters.idempotent
    }

    fn lost(&self) -> Option<Value> {
        self.parameters.accept.0.contains(&Accept::Lost).then(lost_value)
    }

    fn doubtful(&self) -> bool {
        // An unknown reply that is accepted is no failure.
        !self.parameters.idempotent && !self.parameters.accept.0.contains(&Accept::Lost)
    }

    fn preview(&self, step: &StepContext<'_>) -> String {
        match self.parameters.fill(step) {
            Ok(call) => {
                let payload = call.payload.as_ref().map_or("", |payload| payload.get());
                let text = format!("would call {} {payload}", call.name);
                format!("{}{}", text.trim_end(), self.parameters.via.preview())
            }
            Err(failure) => format!("would call a method, but: {}", failure.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_whole_seconds_in_range() {
        let seconds = Duration::from_secs_f64;
        assert_eq!(response_timeout(seconds(5.0)), Ok(seconds(5.0)));
        assert_eq!(response_timeout(seconds(299.2)), Ok(seconds(300.0)));
        assert_eq!(response_timeout(seconds(4.0)), Err("`response_timeout` is 5s to 300s, not 4s".into()));
        assert!(response_timeout(seconds(300.1)).is_err());
        assert_eq!(connect_timeout(Duration::ZERO), Ok(Duration::ZERO));
        assert_eq!(connect_timeout(seconds(0.1)), Ok(seconds(1.0)));
        assert_eq!(connect_timeout(seconds(3600.0)), Err("`connect_timeout` is at most 300s, not 1h".into()));
    }

    #[test]
    fn payloads_are_any_json_up_to_128_kib() {
        assert_eq!(payload(&serde_json::json!({"a": [1, null]})).unwrap().get(), r#"{"a":[1,null]}"#);
        assert!(payload(&Value::String("x".repeat(limits::METHOD_PAYLOAD_BYTES - 2))).is_ok());
        assert!(payload(&Value::String("x".repeat(limits::METHOD_PAYLOAD_BYTES - 1))).is_err());
    }
}
