//! One device with scripts, a fake line and an ear for its events.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use base::{Clock, Diagnostics, Seed, Source};
use bytes::Bytes;
use script::Live;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::Identity;

use crate::config::{Deadlines, ErrorDetail, OutboxConfig, Patience, ScriptPlace, SimConfig};
use crate::device::Device;
use crate::event::{AgentEvent, HandlerName, HandlerOutcome};
use crate::fleet;
use crate::lane::{Broken, Habits, Lane, Progress};
use crate::link::fake::{Did, FakeHub, pair};
use crate::link::{Down, Inbound, Outbound};
use crate::reboot::wake;
use crate::scripts::{self, Scripts};

/// Longer than anything a device does by itself.
const PATIENCE: Duration = Duration::from_secs(7200);

pub(crate) struct Rig {
    pub(crate) lane: Rc<Lane>,
    hub: FakeHub,
    events: Arc<Mutex<Vec<AgentEvent>>>,
    rids: u32,
    pub(crate) grace: watch::Sender<Duration>,
    pub(crate) session: tokio::task::JoinHandle<()>,
}

/// Runs a test on a lane.
pub(crate) async fn on_lane(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

pub(crate) fn habits() -> Habits {
    Habits {
        sim: SimConfig::default(),
        board: None,
        deadlines: Deadlines::default(),
        errors: ErrorDetail::Full,
        memory: None,
        outbox: OutboxConfig::default().bounds(),
        outboxes: None,
        token_file: None,
        twin_patience: Patience::default().twin,
        faults: crate::FaultPlan::default(),
        reel: None,
        fakes: None,
        pulse: None,
        grants: Arc::default(),
        announce: false,
    }
}

pub(crate) fn load(text: &str) -> Result<Scripts, Diagnostics> {
    let clock = Clock::manual(UNIX_EPOCH + Duration::from_millis(1_795_440_462_118)).0;
    scripts::load(&scripts::host(&clock), &ScriptPlace::BuiltIn(Source::new("test.rhai", text)))
}

impl Rig {
    pub(crate) fn new(text: &str) -> Self {
        Self::with(text, habits())
    }

    pub(crate) fn with(text: &str, habits: Habits) -> Self {
        let scripts = load(text).unwrap_or_else(|error| panic!("{error}"));
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&events);
        let (grace, graces) = watch::channel(Duration::ZERO);
        let lane = Rc::new(Lane {
            habits,
            clock: Clock::manual(UNIX_EPOCH + Duration::from_millis(1_795_440_462_118)).0,
            started: tokio::time::Instant::now(),
            rng: RefCell::new(Seed(1).rng()),
            counters: Arc::default(),
            scripts: Live::new(scripts),
            broken: Broken::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            grace: graces,
            devices: RefCell::default(),
            progress: watch::channel(Progress::default()).0,
            sink: Arc::new(move |event| heard.lock().unwrap().push(event)),
        });
        let (link, hub) = pair();
        let identity = Identity::device("sim-1".parse().unwrap());
        let remembered = lane.habits.memory.as_ref().and_then(|folder| folder.load(&identity).unwrap());
        let waking = wake(remembered, lane.habits.board.as_ref(), lane.fresh_boot_id());
        let session = tokio::task::spawn_local(fleet::live(Rc::clone(&lane), identity, waking, link));
        Self { lane, hub, events, rids: 0, grace, session }
    }

    /// A device that is connected, with this desired section in version 1.
    pub(crate) async fn up(text: &str, desired: Value) -> Self {
        let mut rig = Self::new(text);
        rig.connect(1, desired).await;
        rig
    }

    pub(crate) async fn connect(&mut self, version: u64, mut desired: Value) {
        self.say(Inbound::Up);
        let Did::Sent(Outbound::TwinGet { rid }) = self.did().await else { panic!("the twin comes first") };
        desired["$version"] = version.into();
        self.twin(&rid, 200, &json!({"desired": desired, "reported": {"old": 1, "$version": 4}}));
        self.settle().await;
    }

    pub(crate) fn cut(&mut self) {
        self.say(Inbound::Down(Down::Lost("cut".into())));
    }

    pub(crate) fn say(&mut self, inbound: Inbound) {
        self.hub.say.send(inbound).unwrap();
    }

    pub(crate) fn twin(&mut self, rid: &str, status: u16, body: &Value) {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        self.say(Inbound::Twin { rid: rid.to_owned(), status, body });
    }

    /// The next thing that the session did with its line; time passes as needed.
    pub(crate) async fn did(&mut self) -> Did {
        timeout(PATIENCE, self.hub.did.recv()).await.expect("it does nothing more").expect("the session is there")
    }

    /// Everything that happens without time passing.
    pub(crate) async fn settle(&mut self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    /// Nothing was done with the line.
    pub(crate) async fn silent(&mut self) {
        self.settle().await;
        assert_eq!(self.hub.did.try_recv().ok(), None);
    }

    /// Calls a method; its request id.
    pub(crate) fn call(&mut self, name: &str, payload: &str) -> String {
        self.rids += 1;
        let rid = format!("{:x}", self.rids);
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        self.say(Inbound::Method { rid: rid.clone(), name: name.into(), payload });
        rid
    }

    /// The next reply: request id, status, payload.
    pub(crate) async fn reply(&mut self) -> (String, i32, Value) {
        match self.did().await {
            Did::Sent(Outbound::Reply { rid, status, payload, .. }) => {
                (rid, status, serde_json::from_slice(&payload).unwrap())
            }
            other => panic!("a reply, not {other:?}"),
        }
    }

    /// Calls a method and waits for the reply.
    pub(crate) async fn ask(&mut self, name: &str, payload: &str) -> (i32, Value) {
        let asked = self.call(name, payload);
        let (rid, status, payload) = self.reply().await;
        assert_eq!(rid, asked);
        (status, payload)
    }

    /// The next report: request id and patch.
    pub(crate) async fn report(&mut self) -> (String, Value) {
        match self.did().await {
            Did::Sent(Outbound::Report { rid, patch }) => (rid, serde_json::from_slice(&patch).unwrap()),
            other => panic!("a report, not {other:?}"),
        }
    }

    /// The next report, which the hub takes.
    pub(crate) async fn take_report(&mut self) -> Value {
        let (rid, patch) = self.report().await;
        self.twin(&rid, 204, &Value::Null);
        patch
    }

    pub(crate) fn device(&self) -> Rc<Device> {
        Rc::clone(&self.lane.devices.borrow()[0])
    }

    /// What was printed since the last look.
    pub(crate) fn said(&self) -> Vec<String> {
        let lines = |event: &AgentEvent| match event {
            AgentEvent::Said { line, .. } => Some(line.clone()),
            _ => None,
        };
        let mut events = self.events.lock().unwrap();
        let said = events.iter().filter_map(lines).collect();
        events.retain(|event| lines(event).is_none());
        said
    }

    /// How handlers ended since the last look.
    pub(crate) fn outcomes(&self) -> Vec<(HandlerName, HandlerOutcome)> {
        let outcome = |event: &AgentEvent| match event {
            AgentEvent::Handler { handler, outcome, .. } => Some((handler.clone(), outcome.clone())),
            _ => None,
        };
        let mut events = self.events.lock().unwrap();
        let ended = events.iter().filter_map(outcome).collect();
        events.retain(|event| outcome(event).is_none());
        ended
    }

    /// What is picked from all events so far.
    pub(crate) fn heard<T>(&self, pick: impl Fn(&AgentEvent) -> Option<T>) -> Vec<T> {
        self.events.lock().unwrap().iter().filter_map(pick).collect()
    }

    /// Faults since the last look.
    pub(crate) fn faults(&self) -> Vec<String> {
        let fault = |event: &AgentEvent| match event {
            AgentEvent::Fault { finding, .. } => Some(finding.message.clone()),
            _ => None,
        };
        let mut events = self.events.lock().unwrap();
        let faults = events.iter().filter_map(fault).collect();
        events.retain(|event| fault(event).is_none());
        faults
    }
}

/// One device is one task, and a fleet has thousands: what it needs only while it connects or runs a handler is boxed.
#[tokio::test]
async fn an_idle_device_is_small() {
    on_lane(async {
        let rig = Rig::new("");
        let (link, _hub) = pair();
        let identity = Identity::device("d".parse().unwrap());
        let waking = wake(None, None, String::new());
        let task = fleet::live(Rc::clone(&rig.lane), identity, waking, link);
        let (task, device) = (size_of_val(&task), size_of::<Device>());
        assert!(task + device <= 3072, "a task of {task} bytes and a device of {device}");
    })
    .await;
}
