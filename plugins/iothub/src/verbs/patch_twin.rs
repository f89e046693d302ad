//! `patch_twin: { tags, desired }` merges into the twin: reads first, sends only what differs, and has changed something only then.

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use runner::book::{Check, Filled, Node};
use runner::{Batch, Class, Effect, Failure, Gathers, Outcome, Progress, Ready, Skip, StepContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use wire::{Identity, IfMatch, JobAction, SectionKind, check_limits};

use super::verb::Parameters;
use super::via::{Via, alone, serve};
use crate::client::ClientError;
use crate::door::{Door, identity};
use crate::failure::failure;
use crate::jobs::{Hosts, JobEnd, Work, longest};
use crate::twin::{describe, differing, twin_value};

/// What the twin is to have; null takes a member away.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PatchTwin {
    /// Merged into the tags.
    tags: Option<Filled<Map<String, Value>>>,
    /// Merged into the desired properties.
    desired: Option<Filled<Map<String, Value>>>,
    /// Refuses a twin that was changed by someone else between the read and the write.
    #[serde(default)]
    if_match: bool,
    /// `job`: one job of IoT Hub for all devices of the wave, instead of a call for each.
    #[serde(default)]
    via: Via,
}

const SECTIONS: [(&str, SectionKind); 2] = [("tags", SectionKind::Tags), ("desired", SectionKind::Desired)];

impl PatchTwin {
    fn sections(&self) -> impl Iterator<Item = (&'static str, SectionKind, &Filled<Map<String, Value>>)> {
        let given = [&self.tags, &self.desired];
        SECTIONS.into_iter().zip(given).filter_map(|((name, kind), part)| Some((name, kind, part.as_ref()?)))
    }
}

impl Parameters for PatchTwin {
    const NAME: &'static str = "patch_twin";
    const ABOUT: &'static str = "sets tags and desired properties of the device's twin, where they differ";
    const EFFECT: Effect = Effect::Changes;

    fn ready(self, door: Door, node: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        let mut good = true;
        if self.tags.is_none() && self.desired.is_none() {
            check.error(node.span, "patch_twin needs `tags` or `desired`");
            good = false;
        }
        if self.if_match && self.via == Via::Job {
            let place = node.get("if_match").unwrap_or(node).span;
            check.error(
                place,
                "`via: job` takes no `if_match`: a job has one patch for all, and each twin a version of its own",
            );
            good = false;
        }
        for (name, kind, part) in self.sections() {
            if let Some(Err(error)) = part.constant().map(|members| check_limits(kind, &json!(members))) {
                check.error(
                    node.get(name).unwrap_or(node).span,
                    format!("the hub would refuse this: {}", error.message),
                );
                good = false;
            }
        }
        good.then(|| Box::new(Patch { door, parameters: self }) as Box<dyn Ready>)
    }
}

struct Patch {
    door: Door,
    parameters: PatchTwin,
}

/// What is to be sent, and in words what that changes.
struct Difference {
    body: Value,
    words: Vec<String>,
}

impl Patch {
    /// Only what differs from the twin that was read.
    fn difference(&self, step: &StepContext<'_>, twin: &Value) -> Result<Difference, Failure> {
        let (mut parts, mut words) = (Map::new(), Vec::new());
        for (name, kind, part) in self.parameters.sections() {
            let wanted = step.fill(part)?;
            check_limits(kind, &json!(wanted)).map_err(|error| {
                Failure::new(Class::Failed, format!("the hub would refuse `{name}`: {}", error.message))
            })?;
            let none = Map::new();
            let current = twin[name].as_object().unwrap_or(&none);
            let part = differing(current, &wanted);
            describe(name, current, &part, &mut words);
            if !part.is_empty() {
                parts.insert(name.to_owned(), Value::Object(part));
            }
        }
        let mut body = Map::new();
        if let Some(tags) = parts.remove("tags") {
            body.insert("tags".into(), tags);
        }
        if let Some(desired) = parts.remove("desired") {
            body.insert("properties".into(), json!({ "desired": desired }));
        }
        Ok(Difference { body: Value::Object(body), words })
    }

    async fn patch(&self, step: &StepContext<'_>) -> Result<Outcome, Failure> {
        let identity = identity(step)?;
        let client = self.door.client()?;
        let twin = twin_value(&client.twin(&identity).await.map_err(|error| failure(&error))?);
        let Difference { body, words } = self.difference(step, &twin)?;
        if words.is_empty() {
            (step.progress)(Progress::Says("nothing differs".to_owned()));
            return Ok(Outcome::read(twin));
        }
        if step.check_mode {
            return Ok(Outcome::Skipped(Skip::Check(format!("{}{}", words.join(", "), self.parameters.via.preview()))));
        }
        let on = match (self.parameters.if_match, twin["etag"].as_str()) {
            (true, Some(etag)) => IfMatch::Tag(etag.to_owned()),
            _ => IfMatch::Any,
        };
        let twin = client.patch_twin(&identity, &body, &on).await.map_err(|error| failure(&error))?;
        (step.progress)(Progress::Says(words.join(", ")));
        Ok(Outcome::changed(twin_value(&twin)))
    }
}

impl Patch {
    /// The whole patch, the same for all whose parameters are the same: what differs is another part of it on each device.
    fn whole(&self, step: &StepContext<'_>) -> Result<Value, Failure> {
        // A job's twin must name a version; this is any.
        let mut body = json!({ "etag": IfMatch::Any.to_string().trim_matches('"') });
        for (name, _, part) in self.parameters.sections() {
            let wanted = Value::Object(step.fill(part)?);
            match name {
                "desired" => body["properties"] = json!({ "desired": wanted }),
                other => body[other] = wanted,
            }
        }
        Ok(body)
    }

    /// Reads the twin: who has it all already needs no job.
    async fn ask(&self, step: &StepContext<'_>) -> Result<Result<Value, Outcome>, Failure> {
        let identity = identity(step)?;
        let twin = twin_value(&self.door.client()?.twin(&identity).await.map_err(|error| failure(&error))?);
        let Difference { words, .. } = self.difference(step, &twin)?;
        if words.is_empty() {
            (step.progress)(Progress::Says("nothing differs".to_owned()));
            return Ok(Err(Outcome::read(twin)));
        }
        (step.progress)(Progress::Says(words.join(", ")));
        self.whole(step).map(Ok)
    }

    /// The twin after its job.
    async fn updated(&self, batch: &Batch, index: usize) -> Result<Value, Failure> {
        let failed = |error: wire::IdError| Failure::new(Class::Failed, error.to_string());
        let identity: Identity = batch.device(index).id.parse().map_err(failed)?;
        let twin = self.door.client()?.twin(&identity).await.map_err(|error| failure(&error))?;
        Ok(twin_value(&twin))
    }
}

impl Gathers for Patch {
    fn share<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Result<Value, Outcome>> {
        Box::pin(async move { self.ask(step).await.unwrap_or_else(|failure| Err(failure.into())) })
    }

    fn serve<'a>(&'a self, batch: &'a Batch) -> LocalBoxFuture<'a, ()> {
        Box::pin(serve(self, &self.door, batch))
    }
}

impl Hosts for Patch {
    fn work(&self, asked: &Value, timeout: Option<Duration>, devices: usize) -> Result<Work, Failure> {
        let action = JobAction::Twin { patch: asked.clone(), condition: Some(IfMatch::Any) };
        Ok(Work { action, time: longest(timeout, Duration::ZERO, devices) })
    }

    fn ended<'a>(&'a self, batch: &'a Batch, index: usize, end: JobEnd) -> LocalBoxFuture<'a, ()> {
        Box::pin(async move {
            let outcome = match end {
                JobEnd::Updated | JobEnd::Replied(_) => match self.updated(batch, index).await {
                    Ok(twin) => Outcome::changed(twin),
                    Err(failure) if failure.class == Class::Hub => failure.into(),
                    // It is changed all the same; what it looks like now nobody knows.
                    Err(_) => Outcome::changed(Value::Null),
                },
                JobEnd::Refused(error) => failure(&ClientError::Refused { error, help: Vec::new() }).into(),
                JobEnd::Failed(failure) => failure.into(),
            };
            batch.end(index, outcome);
        })
    }
}

impl Ready for Patch {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.gathers().filter(|_| !step.check_mode) {
                Some(jobs) => alone(jobs, &self.door, step).await,
                None => self.patch(step).await.unwrap_or_else(Outcome::Failed),
            }
        })
    }

    fn gathers(&self) -> Option<&dyn Gathers> {
        (self.parameters.via == Via::Job).then_some(self)
    }

    fn rehearses(&self) -> bool {
        true
    }
}
