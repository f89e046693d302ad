//! Plays one case: a device of the agent's own code on a paused runtime, its counterpart, and one step after the other. Time
//! passes only when nothing else can happen, so a sleep costs nothing.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Diagnostic, Diagnostics, Seed};
use script::Live;
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, watch};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::property;

use super::case::{Case, Given, Input, Step};
use super::counterpart::{Counterpart, Heard, Line, refusal};
use super::judge::{Happened, judge, overlay};
use super::rehearsal::{Cast, Rehearsal};
use crate::config::{Deadlines, ErrorDetail, OutboxConfig, Patience, SimConfig};
use crate::device::Device;
use crate::event::{AgentEvent, HandlerName, HandlerOutcome};
use crate::faults::FaultPlan;
use crate::fleet;
use crate::lane::{Broken, Habits, Lane, Progress};
use crate::memory::Memory;
use crate::reboot::Waking;

/// A paused runtime lets time pass only when no task can go on: who has waited this long knows that.
const LOOK: Duration = Duration::from_millis(1);

/// Looks again after this much of a case's own time, should nobody tell of a change.
const AGAIN: Duration = Duration::from_secs(60);

/// Longer than any handler may take.
const PATIENCE: Duration = Duration::from_secs(2 * 3600);

/// How a case went.
#[derive(Clone, Debug)]
pub struct CaseOutcome {
    /// Every difference; none is a pass.
    pub found: Diagnostics,
    /// How long it took to play.
    pub took: Duration,
}

/// Plays it in a runtime of its own.
pub(super) fn play(rehearsal: &Rehearsal, cast: &Cast, case: &Case) -> CaseOutcome {
    let began = std::time::Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without extra threads needs nothing that could be missing");
    let found = LocalSet::new().block_on(&runtime, async {
        rehearsal.hand.begin(case.given.now);
        match Stage::set(rehearsal, cast, case) {
            Ok(stage) => stage.play().await,
            Err(finding) => finding.into(),
        }
    });
    rehearsal.hand.end();
    CaseOutcome { found, took: began.elapsed() }
}

struct Stage<'a> {
    rehearsal: &'a Rehearsal,
    case: &'a Case,
    counterpart: Counterpart,
    events: Arc<Mutex<Vec<AgentEvent>>>,
    /// Rung at everything that may mean an end.
    bell: Rc<Notify>,
    lane: Rc<Lane>,
    rids: u32,
}

impl<'a> Stage<'a> {
    fn set(rehearsal: &'a Rehearsal, cast: &Cast, case: &'a Case) -> Result<Self, Diagnostic> {
        let given = &case.given;
        let bell = Rc::new(Notify::new());
        let impossible =
            |error| Diagnostic::error(format!("the twin: {}", refusal(&error))).at(case.source.place(case.at));
        let counterpart = Counterpart::new(&given.desired, &given.reported, given.now, &bell).map_err(impossible)?;
        let events = Arc::new(Mutex::new(Vec::new()));
        let lane = lane(rehearsal, cast, given, &events);
        let booted = case.steps.first().is_some_and(|step| matches!(step.input, Input::Boot));
        let memory = Memory {
            state: given.state.clone(),
            boot_id: given.boot_id.clone(),
            greeted: Some(if booted { format!("before {}", given.boot_id) } else { given.boot_id.clone() }),
            ..Memory::default()
        };
        let waking = Waking { memory, missed: None };
        let line = Line(counterpart.clone());
        tokio::task::spawn_local(fleet::live(Rc::clone(&lane), given.device.clone(), waking, line));
        Ok(Self { rehearsal, case, counterpart, events, bell, lane, rids: 0 })
    }

    async fn play(mut self) -> Diagnostics {
        if !matches!(self.case.steps[0].input, Input::Start | Input::Boot) {
            // The device is there before anything happens to it; what it says meanwhile is another case's matter.
            let stuck = self.settle().await;
            self.rehearsal.hand.begin(self.case.given.now);
            let happened = self.gather("");
            let mut found = Diagnostics(happened.errors);
            found.0.extend(stuck);
            if !found.is_empty() {
                found.push(Diagnostic::error("the device did not start well").at(self.case.source.place(self.case.at)));
                return found;
            }
        }
        let case = self.case;
        for step in &case.steps {
            let found = self.step(step).await;
            if !found.is_empty() {
                return found;
            }
        }
        Diagnostics::default()
    }

    async fn step(&mut self, step: &Step) -> Diagnostics {
        let began = Instant::now();
        let at = || self.case.source.place(step.at);
        self.rids += 1;
        let rid = format!("case-{}", self.rids);
        match &step.input {
            Input::Method { name, payload } => self.counterpart.call(&rid, name, payload.as_ref()),
            Input::Message { properties, body } => self.counterpart.send(self.rids, properties, body),
            Input::Desired(patch) => {
                if let Err(error) = self.counterpart.desire(patch) {
                    return Diagnostic::error(format!("the change: {}", refusal(&error))).at(at()).into();
                }
            }
            Input::Start | Input::Boot | Input::Wait => {}
        }
        let mut stuck = self.settle().await;
        if !step.lasts.is_zero() {
            sleep_until(began + step.lasts).await;
            stuck = stuck.or(self.settle().await);
        }
        let happened = self.gather(&rid);
        if let Some(stuck) = stuck {
            return stuck.at(at()).into();
        }
        judge(self.case, step, &happened, &self.rehearsal.expressions)
    }

    fn device(&self) -> Option<Rc<Device>> {
        self.lane.devices.borrow().first().cloned()
    }

    /// Until nothing goes on but timers.
    async fn settle(&self) -> Option<Diagnostic> {
        let limit = Instant::now() + PATIENCE;
        loop {
            sleep(LOOK).await;
            if self.is_quiet() {
                // Nobody slept meanwhile, so it is nobody's time.
                self.rehearsal.hand.leave_out(LOOK);
                return None;
            }
            if Instant::now() >= limit {
                return Some(Diagnostic::error("a handler has not ended within two hours of the case's own time"));
            }
            tokio::select! {
                () = self.bell.notified() => {}
                () = sleep(AGAIN) => {}
            }
        }
    }

    fn is_quiet(&self) -> bool {
        let Some(device) = self.device() else { return false };
        self.counterpart.is_quiet()
            && device.running() == 0
            && device.outbox.is_settled()
            && !device.rebooting.get()
            && !device.desired.borrow().is_telling()
    }

    /// What has come since the last look.
    fn gather(&self, rid: &str) -> Happened {
        let Heard { replies, reported, sent } = self.counterpart.take();
        let mut happened = Happened {
            reply: replies.into_iter().find(|(to, _, _)| to == rid).map(|(_, status, payload)| (status, payload)),
            sent: sent.into_iter().map(|(bag, body)| message(&bag.0, &body)).collect(),
            state: self.device().map_or_else(Map::new, |device| device.memory().state.clone()),
            desired: self.counterpart.desired(),
            twin_reported: self.counterpart.reported(),
            ..Happened::default()
        };
        for patch in reported {
            overlay(happened.reported.get_or_insert_default(), patch);
        }
        let events = std::mem::take(&mut *self.events.lock().expect("plain data: no panic while held"));
        for event in events {
            match event {
                AgentEvent::Said { line, .. } => happened.printed.push(line),
                AgentEvent::Rebooting { .. } => happened.rebooted = true,
                AgentEvent::Fault { finding, .. } | AgentEvent::Ended { finding, .. } => happened.errors.push(finding),
                AgentEvent::Handler { handler, outcome, .. } => happened.errors.extend(failure(&handler, outcome)),
                _ => {}
            }
        }
        happened
    }
}

/// The error of a handler that failed; its first word tells whether a caller has it too.
fn failure(handler: &HandlerName, outcome: HandlerOutcome) -> Option<Diagnostic> {
    match outcome {
        HandlerOutcome::Failed { status: Some(status), finding } => {
            Some(finding.labelled(format!("answered {status}, {handler} failed")))
        }
        HandlerOutcome::Failed { finding, .. } => Some(finding.labelled(format!("{handler} failed"))),
        HandlerOutcome::FailedLate { finding, .. } => {
            Some(finding.labelled(format!("{handler} failed after its answer")))
        }
        _ => None,
    }
}

/// A message as cases write it. What `device.send` adds by itself is left out.
pub(super) fn message(properties: &[(String, Option<String>)], body: &[u8]) -> Value {
    let own = |key: &str| [property::CONTENT_TYPE, property::CONTENT_ENCODING, property::MESSAGE_ID].contains(&key);
    let properties: Map<String, Value> = properties
        .iter()
        .filter(|(key, _)| !own(key))
        .map(|(key, value)| (key.clone(), value.as_deref().map_or(Value::Null, Value::from)))
        .collect();
    let body: Value = serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into());
    json!({ "body": body, "properties": properties })
}

fn lane(rehearsal: &Rehearsal, cast: &Cast, given: &Given, events: &Arc<Mutex<Vec<AgentEvent>>>) -> Rc<Lane> {
    let heard = Arc::clone(events);
    let habits = Habits {
        sim: SimConfig { reboot: given.reboot, away: given.away },
        board: None,
        deadlines: Deadlines::default(),
        errors: ErrorDetail::Full,
        twin_patience: Patience::default().twin,
        memory: None,
        token_file: None,
        outbox: OutboxConfig::default().bounds(),
        outboxes: None,
        faults: FaultPlan::default(),
        grants: Arc::new(given.fakes.grants()),
        fakes: Some(given.fakes.clone()),
        uploads: None,
        announce: false,
        reel: None,
        pulse: None,
    };
    Rc::new(Lane {
        habits,
        clock: rehearsal.clock.clone(),
        started: Instant::now(),
        // The same boots every time.
        rng: RefCell::new(Seed(1).rng()),
        counters: Arc::default(),
        scripts: Live::of(Arc::clone(&cast.0)),
        broken: Broken::default(),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
        grace: watch::channel(Duration::ZERO).1,
        devices: RefCell::default(),
        progress: watch::channel(Progress::default()).0,
        sink: Arc::new(move |event| heard.lock().expect("plain data: no panic while held").push(event)),
    })
}
