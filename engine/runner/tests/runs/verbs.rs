//! Verbs that read their replies from the fake hub.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{FutureExt as _, LocalBoxFuture};
use iotplay_runner::book::{Check, Expression, Filled, Node, Template};
use iotplay_runner::{Action, Class, Effect, Failure, Outcome, Plugin, Progress, Ready, Scope, StepContext};
use script::Dynamic;
use serde::Deserialize;
use serde_json::{Value, json};

use super::world::{Reply, Shared};

type Run<P> = for<'a> fn(&'a P, &'a Shared, &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome>;

struct Verb<P> {
    name: &'static str,
    main: Option<&'static str>,
    effect: Effect,
    kind: Kind,
    world: Shared,
    run: Run<P>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    Once,
    Waits,
    Sets,
}

struct Prepared<P> {
    parameters: P,
    kind: Kind,
    /// Its name: what only some of them do.
    verb: &'static str,
    world: Shared,
    run: Run<P>,
}

impl<P: serde::de::DeserializeOwned + 'static> Action for Verb<P> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        "for tests"
    }

    fn effect(&self) -> Effect {
        self.effect
    }

    fn schema(&self) -> Value {
        Value::Bool(true)
    }

    fn main(&self) -> Option<&'static str> {
        self.main
    }

    fn positional(&self) -> &'static [&'static str] {
        match self.name {
            "invoke_method" => &["name", "payload"],
            "ping" => &["name"],
            "log" | "fail" => &["text"],
            "sleep" => &["for"],
            _ => &[],
        }
    }

    fn on_device(&self) -> bool {
        !matches!(self.name, "log" | "fail" | "set" | "sleep")
    }

    fn check(&self, parameters: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        let parameters = check.decode::<P>(parameters)?;
        if let Some(That { that }) = (&parameters as &dyn std::any::Any).downcast_ref() {
            check.reads_itself(that);
        }
        Some(Box::new(Prepared {
            parameters,
            kind: self.kind,
            verb: self.name,
            world: Rc::clone(&self.world),
            run: self.run,
        }))
    }
}

impl<P> Ready for Prepared<P> {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        (self.run)(&self.parameters, &self.world, step)
    }

    fn repeatable(&self) -> bool {
        self.kind != Kind::Once
    }

    fn waits(&self) -> bool {
        self.kind == Kind::Waits
    }

    fn lost(&self) -> Option<Value> {
        (self.verb == "accepting").then(|| json!({ "lost": true }))
    }

    fn probes(&self) -> bool {
        self.verb == "wait_until"
    }

    fn sets(&self) -> bool {
        self.kind == Kind::Sets
    }

    fn preview(&self, _: &StepContext<'_>) -> String {
        "would call".into()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invoke {
    name: Filled<String>,
    payload: Option<Filled<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    text: Template,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct That {
    that: Expression,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nap {
    #[serde(rename = "for")]
    duration: Duration,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Set(indexmap::IndexMap<String, Template>);

/// Counts a call as in flight while it lives.
struct InFlight(Shared);

impl InFlight {
    fn new(world: &Shared, device: &str) -> Self {
        let mut inner = world.borrow_mut();
        inner.in_flight += 1;
        inner.most_in_flight = inner.most_in_flight.max(inner.in_flight);
        inner.order.push(device.to_owned());
        // Steps of `before` and `after` run on the runner, which is no device.
        if let Some(fake) = inner.devices.get_mut(device) {
            fake.calls += 1;
        }
        drop(inner);
        Self(Rc::clone(world))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.borrow_mut().in_flight -= 1;
    }
}

fn invoke<'a>(it: &'a Invoke, world: &'a Shared, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
    async move {
        let filled =
            step.fill(&it.name).and_then(|name| Ok((name, it.payload.as_ref().map(|it| step.fill(it)).transpose()?)));
        let (name, sent) = match filled {
            Ok(filled) => filled,
            Err(failure) => return failure.into(),
        };
        let _in_flight = InFlight::new(world, &step.target.id);
        (step.progress)(Progress::Elapsed { spent: Duration::ZERO, of: Some(Duration::from_secs(30)) });
        let reply = world.borrow_mut().devices.get_mut(&*step.target.id).and_then(|fake| fake.replies.pop_front());
        let sent = sent.unwrap_or_default();
        let decided = world.borrow().decide.clone().map(|decide| decide(&step.target.id, &name, &sent));
        world.borrow_mut().sent.push((step.target.id.to_string(), name, sent.to_string()));
        match decided.or(reply).unwrap_or(Reply::Status(200, Value::Null)) {
            Reply::Status(status, payload) => replied(step, status, &payload),
            Reply::After(delay, payload) => {
                tokio::time::sleep(delay).await;
                replied(step, 200, &payload)
            }
            Reply::Queued(queue, work) => {
                let still = iotplay_runner::stand_still();
                tokio::time::sleep(queue).await;
                drop(still);
                tokio::time::sleep(work).await;
                replied(step, 200, &Value::Null)
            }
            Reply::Offline => Failure {
                help: vec!["put `offline: { wait: 2h }` beside it".into()],
                note: Some("last seen yesterday".into()),
                ..Failure::new(Class::Unreachable, "is not connected (404103 DeviceNotOnline). Nothing was sent to it.")
            }
            .into(),
            Reply::Dropped => {
                Failure { in_doubt: true, ..Failure::new(Class::Unreachable, "dropped the connection in the call") }
                    .into()
            }
            Reply::Lost => Failure { in_doubt: true, ..Failure::new(Class::Timeout, "did not answer in time") }.into(),
            Reply::HubGone => Failure::new(Class::Hub, "the hub refuses the key (401)").into(),
            Reply::Never => std::future::pending().await,
        }
    }
    .boxed_local()
}

fn replied(step: &StepContext<'_>, status: i32, payload: &Value) -> Outcome {
    let value = json!({ "status": status, "payload": payload, "lost": false });
    (step.progress)(Progress::Says(format!("{status} {payload}")));
    if (200..300).contains(&status) {
        return Outcome::changed(value);
    }
    let failure = Failure::new(Class::Rejected, format!("answered {status}"));
    Failure { status: Some(status), value, ..failure }.into()
}

fn get_twin<'a>(_: &'a Nothing, _: &'a Shared, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
    async move {
        Outcome::read(step.inventory.fact(&step.target.id, "twin").await.expect("a fake device of the test").value)
    }
    .boxed_local()
}

/// A scope with a newer twin in it.
struct With<'a>(&'a dyn Scope, Dynamic);

impl Scope for With<'_> {
    fn get(&self, name: &str) -> Option<Dynamic> {
        if name == "twin" { Some(self.1.clone()) } else { self.0.get(name) }
    }
}

fn wait_until<'a>(it: &'a That, _: &'a Shared, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
    async move {
        loop {
            let twin = step.inventory.fact(&step.target.id, "twin").await.expect("a fake device of the test").value;
            let scope = With(step.scope, script::from_json(&twin));
            match it.that.test(&scope, step.expressions) {
                Ok(true) => {
                    if let Some(sides) = it.that.sides(&scope, step.expressions) {
                        let show = |value: &Value| value.as_str().unwrap_or("none").to_owned();
                        let name = sides.left.0.rsplit('.').next().unwrap_or("").to_owned();
                        let text = format!("{name}: {} -> {}", show(&sides.right.1), show(&sides.left.1));
                        (step.progress)(Progress::Says(text));
                    }
                    return Outcome::read(twin);
                }
                Ok(false) => tokio::time::sleep(Duration::from_secs(1)).await,
                Err(error) => return Outcome::Failed(error.into()),
            }
        }
    }
    .boxed_local()
}

fn log<'a>(it: &'a Text, _: &'a Shared, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
    async move {
        match it.text.fill_text(step.scope, step.expressions) {
            Ok(text) => {
                (step.say)("info", text);
                Outcome::read(Value::Null)
            }
            Err(error) => Outcome::Failed(error.into()),
        }
    }
    .boxed_local()
}

fn fail<'a>(it: &'a Text, _: &'a Shared, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
    async move {
        match it.text.fill_text(step.scope, step.expressions) {
            Ok(text) => Outcome::Failed(Failure::new(Class::Failed, text)),
            Err(error) => Outcome::Failed(error.into()),
        }
    }
    .boxed_local()
}

fn nap<'a>(it: &'a Nap, _: &'a Shared, _: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
    async move {
        tokio::time::sleep(it.duration).await;
        Outcome::read(Value::Null)
    }
    .boxed_local()
}

fn noop<'a>(_: &'a Nothing, _: &'a Shared, _: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
    std::future::ready(Outcome::read(Value::Null)).boxed_local()
}

fn set<'a>(it: &'a Set, _: &'a Shared, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
    async move {
        let filled =
            it.0.iter().map(|(name, value)| Ok((name.clone(), value.fill_value(step.scope, step.expressions)?)));
        match filled.collect::<Result<serde_json::Map<_, _>, iotplay_runner::book::FillError>>() {
            Ok(map) => Outcome::read(Value::Object(map)),
            Err(error) => Outcome::Failed(error.into()),
        }
    }
    .boxed_local()
}

fn verb<P: serde::de::DeserializeOwned + 'static>(
    name: &'static str,
    main: Option<&'static str>,
    effect: Effect,
    kind: Kind,
    (world, run): (Shared, Run<P>),
) -> Rc<dyn Action> {
    Rc::new(Verb { name, main, effect, kind, world, run })
}

/// All of them.
pub(crate) struct Fakes(pub(crate) Shared);

impl Plugin for Fakes {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn actions(&self) -> Vec<Rc<dyn Action>> {
        use Effect::{Changes, Reads};
        let world = || Rc::clone(&self.0);
        vec![
            verb("invoke_method", None, Changes, Kind::Once, (world(), invoke)),
            verb("harmless", None, Changes, Kind::Plain, (world(), invoke)),
            verb("accepting", None, Changes, Kind::Once, (world(), invoke)),
            verb("ping", None, Reads, Kind::Plain, (world(), invoke)),
            verb("get_twin", None, Reads, Kind::Plain, (world(), get_twin)),
            verb("noop", None, Reads, Kind::Plain, (world(), noop)),
            verb("wait_until", Some("that"), Reads, Kind::Waits, (world(), wait_until)),
            verb("sleep", Some("for"), Reads, Kind::Waits, (world(), nap)),
            verb("log", Some("text"), Reads, Kind::Plain, (world(), log)),
            verb("fail", Some("text"), Reads, Kind::Plain, (world(), fail)),
            verb("set", None, Reads, Kind::Sets, (world(), set)),
        ]
    }
}
