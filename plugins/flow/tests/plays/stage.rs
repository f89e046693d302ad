//! A stage: devices in memory, a verb that calls and one that reads, and files by name.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use base::{Clock, Seed, Source};
use futures_util::future::LocalBoxFuture;
use iotplay_flow::Flow;
use runner::book::{self, Book, Check, Filled, Node};
use runner::{
    Action, Ask, Class, Effect, Facts, Failure, HubInfo, Inventory, InventoryError, Outcome, Plugin, Ready, Registry,
    Reporter, Round, RunEvent, RunOptions, RunResult, Runner, Selection, StepContext, Target,
};
use schemars::{JsonSchema, SchemaGenerator};
use script::Expressions;
use serde::Deserialize;
use serde_json::{Value, json};

/// Devices, and what was called on them.
pub(crate) struct World {
    pub(crate) devices: Vec<&'static str>,
    /// `device method payload`, in order.
    pub(crate) calls: RefCell<Vec<String>>,
    /// Rounds over devices that wait, and twins that were read by themselves.
    pub(crate) rounds: Cell<usize>,
    pub(crate) reads: Cell<usize>,
    /// Devices that reject every call.
    pub(crate) rejecting: Vec<&'static str>,
}

pub(crate) fn world(devices: &[&'static str]) -> Rc<World> {
    let (rounds, reads) = (Cell::new(0), Cell::new(0));
    Rc::new(World { devices: devices.to_vec(), calls: RefCell::default(), rounds, reads, rejecting: vec!["broken"] })
}

struct Hub(Rc<World>);

impl Hub {
    fn seen(&self, device: &str) -> Facts {
        let own = format!("{device} ");
        let calls = self.0.calls.borrow().iter().filter(|call| call.starts_with(&own)).count();
        let value = json!({ "id": device, "reported": { "calls": calls, "fw": "1.9" } });
        Facts { value, version: calls as u64, direct: true }
    }
}

impl Inventory for Hub {
    fn hub(&self) -> HubInfo {
        HubInfo { title: "fake".into(), local: true }
    }

    fn fact_names(&self) -> &'static [&'static str] {
        &["twin"]
    }

    fn select<'a>(&'a self, _: &'a Selection) -> LocalBoxFuture<'a, Result<Vec<Target>, InventoryError>> {
        let target =
            |id: &&str| Target { id: Arc::from(*id), attributes: Arc::new(json!({ "tags": { "line": "B" } })) };
        let all = self.0.devices.iter().map(target).collect();
        Box::pin(async move { Ok(all) })
    }

    fn count(&self) -> LocalBoxFuture<'_, Result<usize, InventoryError>> {
        Box::pin(async { Ok(self.0.devices.len()) })
    }

    fn facts<'a>(&'a self, devices: &'a [Ask], _: &'a str) -> LocalBoxFuture<'a, Result<Round, InventoryError>> {
        Box::pin(async move {
            self.0.rounds.set(self.0.rounds.get() + 1);
            let mut found = BTreeMap::new();
            for ask in devices {
                found.insert(Arc::clone(&ask.device), Some(self.seen(&ask.device)));
            }
            Ok(found)
        })
    }

    fn fact<'a>(&'a self, device: &'a str, _: &'a str) -> LocalBoxFuture<'a, Result<Facts, InventoryError>> {
        self.0.reads.set(self.0.reads.get() + 1);
        let seen = self.seen(device);
        Box::pin(async move { Ok(seen) })
    }
}

/// `invoke_method` and `get_twin` of the fake hub.
struct Verbs(Rc<World>);

struct Verb {
    name: &'static str,
    effect: Effect,
    world: Rc<World>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Invoke {
    name: Filled<String>,
    payload: Option<Filled<Value>>,
    response_timeout: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetTwin {}

impl Plugin for Verbs {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn actions(&self) -> Vec<Rc<dyn Action>> {
        let verb = |name, effect| Rc::new(Verb { name, effect, world: Rc::clone(&self.0) }) as Rc<dyn Action>;
        vec![verb("invoke_method", Effect::Changes), verb("get_twin", Effect::Reads)]
    }
}

impl Action for Verb {
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
        let mut generator = SchemaGenerator::default();
        match self.name {
            "get_twin" => generator.root_schema_for::<GetTwin>(),
            _ => generator.root_schema_for::<Invoke>(),
        }
        .to_value()
    }

    fn main(&self) -> Option<&'static str> {
        None
    }

    fn positional(&self) -> &'static [&'static str] {
        if self.name == "get_twin" { &[] } else { &["name", "payload"] }
    }

    fn check(&self, parameters: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        if self.name == "get_twin" {
            check.decode::<GetTwin>(parameters)?;
            return Some(Box::new(Reading));
        }
        let invoke = check.decode::<Invoke>(parameters)?;
        Some(Box::new(Calling(invoke, Rc::clone(&self.world))))
    }
}

struct Reading;

impl Ready for Reading {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(async move {
            match step.inventory.fact(&step.target.id, "twin").await {
                Ok(facts) => Outcome::read(facts.value),
                Err(error) => Failure::new(Class::Hub, error.to_string()).into(),
            }
        })
    }
}

struct Calling(Invoke, Rc<World>);

impl Calling {
    fn words(&self, step: &StepContext<'_>) -> Result<String, Failure> {
        let payload = self.0.payload.as_ref().map(|payload| step.fill(payload)).transpose()?;
        let payload = payload.map(|payload| format!(" {payload}")).unwrap_or_default();
        Ok(format!("{}{payload}", step.fill(&self.0.name)?))
    }
}

impl Ready for Calling {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(async move {
            let words = match self.words(step) {
                Ok(words) => words,
                Err(failure) => return failure.into(),
            };
            let _ = self.0.response_timeout;
            self.1.calls.borrow_mut().push(format!("{} {words}", step.target.id));
            if self.1.rejecting.iter().any(|id| **id == *step.target.id) {
                let value = json!({ "status": 409, "payload": "busy", "lost": false });
                return Failure { status: Some(409), value, ..Failure::new(Class::Rejected, "answered 409") }.into();
            }
            Outcome::changed(json!({ "status": 200, "payload": "pong", "lost": false }))
        })
    }

    fn repeatable(&self) -> bool {
        false
    }

    fn preview(&self, step: &StepContext<'_>) -> String {
        self.words(step).map_or_else(|failure| failure.message, |words| format!("would call {words}"))
    }
}

#[derive(Default)]
pub(crate) struct Events(pub(crate) RefCell<Vec<RunEvent>>);

impl Reporter for Events {
    fn on(&self, event: &RunEvent) {
        self.0.borrow_mut().push(event.clone());
    }
}

/// A run that has ended.
pub(crate) struct Ran {
    pub(crate) result: RunResult,
    events: Rc<Events>,
}

impl Ran {
    pub(crate) fn said(&self) -> Vec<String> {
        let said = |event: &RunEvent| match event {
            RunEvent::Said { text, .. } => Some(text.clone()),
            _ => None,
        };
        self.events.0.borrow().iter().filter_map(said).collect()
    }

    /// Findings as people read them: of steps, and of what stopped the run.
    pub(crate) fn findings(&self) -> Vec<String> {
        let found = |event: &RunEvent| match event {
            RunEvent::StepEnded { diagnostic: Some(found), .. } => Some(found.to_string()),
            RunEvent::Stopped { diagnostic } => Some(diagnostic.to_string()),
            _ => None,
        };
        self.events.0.borrow().iter().filter_map(found).collect()
    }

    /// `device step outcome`, of every step that ended.
    pub(crate) fn steps(&self) -> Vec<String> {
        let ended = |event: &RunEvent| match event {
            RunEvent::StepEnded { device, step, outcome, .. } => Some(match outcome {
                Outcome::Done { value, .. } => format!("{device} {step} {value}"),
                Outcome::Failed(failure) => format!("{device} {step} failed: {}", failure.message),
                Outcome::Skipped(skip) => format!("{device} {step} skipped: {skip}"),
            }),
            _ => None,
        };
        self.events.0.borrow().iter().filter_map(ended).collect()
    }
}

pub(crate) fn options() -> RunOptions {
    RunOptions { seed: Seed(7), ..RunOptions::new("r1", std::env::temp_dir()) }
}

pub(crate) fn registry(world: &Rc<World>) -> Registry {
    Registry::new(&[&Verbs(Rc::clone(world)), &Flow])
}

/// Reads `play.yaml` of these files.
pub(crate) fn read(world: &Rc<World>, files: &[(&str, &str)]) -> Result<Book, String> {
    let text = |name: &str| files.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
    let play = text("play.yaml").expect("every test has a play");
    let expressions = Expressions::new(Clock::system());
    let find = |path: &Path| text(&path.display().to_string()).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
    book::read_from(Source::new("play.yaml", play), &registry(world), &expressions, &["twin"], &find)
        .map_err(|found| found.to_string())
}

pub(crate) async fn run(world: &Rc<World>, files: &[(&str, &str)], options: &RunOptions) -> Ran {
    let book = read(world, files).unwrap_or_else(|found| panic!("{found}"));
    let runner = Runner::new(registry(world), Rc::new(Hub(Rc::clone(world))), Expressions::new(Clock::system()));
    let events = Rc::new(Events::default());
    let reporters: Vec<Rc<dyn Reporter>> = vec![Rc::clone(&events) as _];
    let result = runner.run_book(&book, options, &reporters).await;
    Ran { result, events }
}

/// The same for a runner script.
pub(crate) async fn run_script(world: &Rc<World>, text: &str, options: &RunOptions) -> Ran {
    let runner = Runner::new(registry(world), Rc::new(Hub(Rc::clone(world))), Expressions::new(Clock::system()));
    let events = Rc::new(Events::default());
    let reporters: Vec<Rc<dyn Reporter>> = vec![Rc::clone(&events) as _];
    let result = runner.run_script(Source::new("fix.rhai", text), options, &reporters).await;
    Ran { result, events }
}
