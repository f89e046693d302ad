//! One device's run: what it is, what it has come to, and how it ends. The steps themselves are in `step`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use script::Dynamic;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batches::Inside;
use super::clock::StepClock;
use super::exit::Ended;
use super::fork::Fork;
use super::frame::Frame;
use super::gather::Member;
use super::nest::Nest;
use super::play::PlayRun;
use super::scope::{DeviceScope, Kind, Names};
use super::trail::Trail;
use crate::book::{Expression, Step};
use crate::{Class, Deed, Failure, InventoryError, RunEvent, Skip, Target};

/// What is told of a failure that `no_log` hides.
pub(super) const HIDDEN: &str = "failed; why is hidden (no_log)";

/// A device under way.
pub(super) struct Device<'a> {
    pub(super) play: &'a PlayRun<'a>,
    pub(super) target: Target,
    /// `before` and `after`: there is no device.
    pub(super) on_runner: bool,
    /// Index of its wave, from 0.
    pub(super) wave: usize,
    pub(super) fork: Fork,
    /// Those it walks with, if somebody may serve them together.
    pub(super) member: Option<Member>,
    /// Its steps end when this does.
    pub(super) stop: CancellationToken,
    /// It starts no step any more when this ends.
    pub(super) halt: CancellationToken,
    pub(super) names: Names,
    /// Where it is, and what earlier processes have written of it.
    pub(super) trail: Trail,
    /// Of a runner script: the call that its one step is.
    pub(super) deed: Option<Deed>,
    /// Facts read for the present step.
    pub(super) facts: RefCell<BTreeMap<Arc<str>, Value>>,
    /// A call that must not be repeated blindly is in flight.
    pub(super) in_call: Cell<bool>,
    /// Steps that changed something, so far: a block compares.
    pub(super) changes: Cell<u32>,
    /// A verb that changes has run.
    pub(super) called: Cell<bool>,
    /// Its places in blocks with `serial`.
    pub(super) batches: RefCell<Vec<Rc<Inside>>>,
    /// What the deadlines of its steps go by.
    pub(super) clock: Arc<StepClock>,
    /// Time spent in verbs that wait.
    pub(super) idled: Cell<Duration>,
    /// The present step's progress is not to be shown.
    pub(super) hidden: Cell<bool>,
}

/// Why a device's steps do not go on.
pub(super) enum End {
    /// A step failed.
    Failed(Box<Broken>),
    /// The rest is skipped.
    Skip(Skip),
    /// The run is being stopped.
    Stopped,
}

/// A failed step.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    pub(super) failure: Failure,
    /// The step's name, filled.
    pub(super) step: Arc<str>,
    /// `file:line:column`.
    pub(super) at: String,
    /// Repeating it does no harm.
    pub(super) again: bool,
    /// It was said that something around goes on.
    pub(super) caught: bool,
    /// `no_log`: what it says must not be shown.
    pub(super) hidden: bool,
}

impl Broken {
    /// What `error` is in `rescue`, and `register` of an ignored failure keeps.
    pub(super) fn value(&self) -> Value {
        let failure = &self.failure;
        let payload = failure.value.get("payload").cloned().unwrap_or(Value::Null);
        json!({
            "class": failure.class.to_string(), "status": failure.status, "payload": payload,
            "message": failure.message, "step": self.step, "at": self.at,
        })
    }
}

/// How a device's run ended.
#[derive(Clone, Debug)]
pub(super) struct DeviceEnd {
    pub(super) id: Arc<str>,
    pub(super) wave: usize,
    pub(super) ended: Ended,
    pub(super) error: Option<String>,
    pub(super) took: Duration,
    /// Of `took`: waiting to come online, and in verbs that wait.
    pub(super) waited: Duration,
    pub(super) vars: Arc<Value>,
    /// The run stopped around it: a resumed run goes on with it.
    pub(super) open: bool,
}

impl DeviceEnd {
    /// One that was never started; `open` when a resumed run will reach it.
    pub(super) fn not_reached(id: Arc<str>, wave: usize, why: &str, open: bool) -> Self {
        let error = Some(why.to_owned());
        let (took, waited, vars) = (Duration::ZERO, Duration::ZERO, Arc::new(json!({})));
        Self { id, wave, ended: Ended::Skipped, error, took, waited, vars, open }
    }

    pub(super) fn event(&self) -> RunEvent {
        RunEvent::DeviceEnded {
            device: Arc::clone(&self.id),
            outcome: self.ended.word(),
            wave: self.wave + 1,
            error: self.error.clone(),
            took: self.took,
            waited: self.waited,
            vars: Arc::clone(&self.vars),
        }
    }

    /// As `devices` has it in `after`.
    pub(super) fn value(&self) -> Value {
        let class = (!matches!(self.ended, Ended::Ok | Ended::Skipped)).then(|| self.ended.word());
        json!({
            "id": self.id, "outcome": self.ended.word(), "class": class, "error": self.error,
            "seconds": self.took.as_millis() as f64 / 1_000.0, "vars": *self.vars,
        })
    }
}

impl<'a> Device<'a> {
    /// A device that starts now.
    pub(super) fn new(
        play: &'a PlayRun<'a>,
        target: Target,
        wave: usize,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            play,
            trail: Trail::new(play.past.as_ref().and_then(|past| past.device(Some(&target.id)))),
            target,
            deed: None,
            on_runner: false,
            wave,
            fork: Fork::new(Arc::clone(&play.forks), permit),
            member: None,
            stop: play.stop.clone(),
            halt: play.halted.clone(),
            names: Names::default(),
            facts: RefCell::default(),
            in_call: Cell::new(false),
            changes: Cell::new(0),
            called: Cell::new(false),
            batches: RefCell::default(),
            clock: StepClock::new(),
            idled: Cell::new(Duration::ZERO),
            hidden: Cell::new(false),
        }
    }

    /// One of a group that walks through the same steps.
    pub(super) fn among(self, group: usize) -> Self {
        Self { member: Some(self.play.gather.enter(group)), ..self }
    }

    /// The runner itself, for `before` and `after`.
    pub(super) fn runner(play: &'a PlayRun<'a>) -> Self {
        let target = Target { id: "runner".into(), attributes: Arc::new(Value::Null) };
        let trail = Trail::new(play.past.as_ref().and_then(|past| past.device(None)));
        Self { on_runner: true, trail, ..Self::new(play, target, 0, None) }
    }

    /// The runner once the devices are done with: only a person can stop it any more, not what stopped them.
    pub(super) fn last(play: &'a PlayRun<'a>) -> Self {
        let stop = play.options.cancel.child_token();
        Self { halt: stop.clone(), stop, ..Self::runner(play) }
    }

    /// All time that no step's deadline counts: waiting for it to come online, and queueing.
    pub(super) fn time_waited(&self) -> Duration {
        self.clock.stood()
    }

    /// Takes a fork; queueing for one is nobody's time.
    pub(super) async fn hold_fork(&self) {
        if !self.fork.is_held() {
            let _still = self.clock.stop();
            self.fork.hold().await;
        }
    }

    /// Time spent waiting: to come online, for its turn, and in verbs that wait.
    pub(super) fn all_waited(&self) -> Duration {
        self.time_waited() + self.idled.get()
    }

    /// Whether the next step may start.
    pub(super) fn go_on(&self) -> Result<(), End> {
        if self.stop.is_cancelled() || self.halt.is_cancelled() { Err(End::Stopped) } else { Ok(()) }
    }

    /// Walks through steps to the end.
    pub(super) async fn walk(&self, steps: &[Step]) -> DeviceEnd {
        let started = Instant::now();
        let frame = Frame::default();
        let result = match self.own_vars(&frame).await {
            Ok(()) => self.clock.over(self.steps(steps, &frame, Nest::outermost(self.play))).await.map(|_| ()),
            Err(failure) => Err(self.vars_failed(failure)),
        };
        let result = match result {
            Ok(()) => self.unsettled().map_or(Ok(()), Err),
            other => other,
        };
        let open = match &result {
            Err(End::Stopped) => self.play.is_held(),
            Err(End::Failed(broken)) => broken.failure.class == Class::Hub,
            _ => false,
        };
        let (ended, error) = match result {
            Ok(()) => (Ended::Ok, None),
            Err(End::Skip(skip)) => (Ended::Skipped, Some(skip.to_string())),
            Err(End::Failed(broken)) if broken.hidden => (Ended::of(&broken.failure), Some(HIDDEN.to_owned())),
            Err(End::Failed(broken)) => (Ended::of(&broken.failure), Some(broken.failure.message)),
            Err(End::Stopped) => self.play.stopped_as(),
        };
        DeviceEnd {
            id: Arc::clone(&self.target.id),
            wave: self.wave,
            ended,
            error,
            took: started.elapsed(),
            waited: self.all_waited(),
            vars: Arc::new(self.names.take()),
            open,
        }
    }

    /// Variables whose defaults name something of the device; the runner has none of these.
    async fn own_vars(&self, frame: &Frame<'_>) -> Result<(), Failure> {
        if self.on_runner || self.play.values.own.is_empty() {
            return Ok(());
        }
        if let Some(Value::Object(vars)) = self.trail.vars() {
            vars.iter().for_each(|(name, value)| self.names.set(&Arc::from(name.as_str()), value.clone(), Kind::Var));
            return Ok(());
        }
        let mut kept = serde_json::Map::new();
        for (name, template) in &self.play.values.own {
            for expression in template.expressions() {
                self.need(expression).await?;
            }
            let value = template.fill_value(&self.scope(frame), self.play.expressions())?;
            kept.insert((*name).to_owned(), value.clone());
            self.names.set(&Arc::from(*name), value, Kind::Var);
        }
        self.keep_vars(&Value::Object(kept));
        Ok(())
    }

    fn vars_failed(&self, failure: Failure) -> End {
        let span = failure.span.unwrap_or(self.play.play.span);
        self.play.events.stopped(self.diagnostic(&failure, self.play.book.source.place(span)));
        self.play.hub_gone(&failure);
        End::Failed(Box::new(Broken {
            failure,
            step: "vars".into(),
            at: String::new(),
            again: false,
            caught: false,
            hidden: false,
        }))
    }

    pub(super) fn scope<'s>(&'s self, frame: &'s Frame<'_>) -> DeviceScope<'s> {
        DeviceScope { device: self, frame }
    }

    pub(super) fn vars(&self) -> Dynamic {
        script::from_json(&self.names.vars(&self.play.values.vars))
    }

    /// Has the facts at hand that an expression names.
    pub(super) async fn need(&self, expression: &Expression) -> Result<(), Failure> {
        for name in self.play.fact_names {
            if expression.roots().any(|root| root == *name) {
                self.fetch(name).await?;
            }
        }
        Ok(())
    }

    /// Reads a fact, unless it is at hand.
    pub(super) async fn fetch(&self, fact: &str) -> Result<(), Failure> {
        if self.on_runner || self.facts.borrow().contains_key(fact) {
            return Ok(());
        }
        self.hold_fork().await;
        let read = self.play.inventory().fact(&self.target.id, fact).await.map_err(fact_failed)?;
        self.facts.borrow_mut().insert(fact.into(), read.value);
        Ok(())
    }

    /// Whether an expression holds, its facts read before.
    pub(super) async fn test(&self, expression: &Expression, frame: &Frame<'_>) -> Result<bool, Failure> {
        self.need(expression).await?;
        Ok(expression.test(&self.scope(frame), self.play.expressions())?)
    }
}

pub(crate) fn fact_failed(error: InventoryError) -> Failure {
    match error {
        InventoryError::Hub { message, help } => Failure { help, ..Failure::new(Class::Hub, message) },
        other => Failure::new(Class::Failed, other.to_string()),
    }
}
