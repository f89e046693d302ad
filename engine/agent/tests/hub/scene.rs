//! Seven devices at work behind one faulty line, each busy with one thing, and what hub and devices saw of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::Clock;
use hub::{HubConfig, HubEvent, HubLog, Telemetry};
use iotplay_agent::{Agent, AgentEvent, Patience, RunningAgent};
use net::tls::Roots;
use serde_json::{Value, json};
use stage::FaultyLine;
use wire::{DeviceConnection, HostPort, property};

use crate::stage::{Ear, Stage, built_in, eventually};

/// What each device does: its id.
pub(crate) const DEVICES: [&str; 7] = ["connect", "telemetry", "method", "twin", "reported", "desired", "message"];

/// How many messages each way, and reports; more than fit in one fault.
pub(crate) const MANY: u64 = 40;

const SCRIPT: &str = r#"
on_start(|device| {
    if device.id == "telemetry" {
        device.every("send", 0.1, |device| for i in 0..2 {
            let n = device.state.n ?? 0;
            if n < 40 { device.state.n = n + 1; device.send(#{ n: n }); }
        });
    }
    if device.id == "reported" {
        device.every("report", 0.1, |device| for i in 0..2 {
            let n = device.state.n ?? 0;
            if n < 40 { device.state.n = n + 1; let patch = #{}; patch[`k${n}`] = n; device.report(patch); }
        });
    }
});
on_connect(|device| print(`greeted ${device.desired().mark}`));
on_method("count", |device, request| { print(`ran ${request.payload}`); request.payload });
on_message(|device, message| print(`took ${message.text} ${message.again}`));
on_desired("n", |device, value, version| print(`told ${value} v${version}`));
"#;

/// Everything that hubs took.
#[derive(Clone, Default)]
pub(crate) struct Taken(Arc<Mutex<Vec<Arc<Telemetry>>>>);

impl Taken {
    pub(crate) fn log(&self) -> HubLog {
        let taken = self.clone();
        HubLog::new(move |event| {
            if let HubEvent::Telemetry(message) = event {
                taken.0.lock().unwrap().push(message);
            }
        })
    }

    /// How many different ones came.
    pub(crate) fn distinct(&self) -> usize {
        self.bodies().len()
    }

    /// Body and ids; a message that came twice has one id for both, and the second one is marked.
    fn bodies(&self) -> BTreeMap<Vec<u8>, Vec<(String, bool)>> {
        let mut bodies: BTreeMap<Vec<u8>, Vec<_>> = BTreeMap::new();
        for message in self.0.lock().unwrap().iter() {
            let id = message.properties.get(property::MESSAGE_ID).expect("every message has an id").to_owned();
            let dup = message.properties.get(property::MQTT_DUP).is_some();
            bodies.entry(message.body.to_vec()).or_default().push((id, dup));
        }
        bodies
    }

    /// Every message came, and what came twice says so.
    pub(crate) fn check(&self, many: u64, what: &str) {
        let bodies = self.bodies();
        assert_eq!(bodies.len() as u64, many, "{what}: {bodies:?}");
        self.check_marks(what);
    }

    /// Whether this came.
    pub(crate) fn has(&self, body: &Value) -> bool {
        self.0.lock().unwrap().iter().any(|message| message.body == body.to_string().as_bytes())
    }

    /// What came twice says so.
    pub(crate) fn check_marks(&self, what: &str) {
        let bodies = self.bodies();
        for (body, comings) in &bodies {
            let body = String::from_utf8_lossy(body);
            assert!(comings.iter().all(|(id, _)| *id == comings[0].0), "{what}: {body} has two ids: {comings:?}");
            let unmarked = comings.iter().filter(|(_, dup)| !dup).count();
            assert!(unmarked <= 1, "{what}: {body} came twice without a mark: {comings:?}");
        }
    }
}

pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) line: FaultyLine,
    pub(crate) ear: Ear,
    pub(crate) agent: RunningAgent,
    pub(crate) taken: Taken,
    pub(crate) devices: Vec<DeviceConnection>,
}

/// Deadlines that a test can wait for.
pub(crate) fn quick(link: &mut iotplay_agent::LinkConfig) {
    link.keep_alive = Duration::from_secs(2);
    link.patience = Patience {
        pong: Duration::from_secs(2),
        acknowledgement: Duration::from_secs(3),
        twin: Duration::from_secs(3),
    };
    link.connect_timeout = Duration::from_secs(4);
    link.back_off = Duration::from_millis(50);
    link.back_off_cap = Duration::from_millis(300);
    link.crowded_cap = Duration::from_millis(300);
    link.refused_pause = Duration::from_millis(200);
}

impl Scene {
    /// Devices at work; `roots` are trusted beside the hub's own.
    pub(crate) async fn begin(taken: Taken, roots: &str, hub_clock: Clock, clock: Clock) -> Self {
        let ear = Ear::default();
        let stage = Stage::with(HubConfig { log: taken.log(), clock: hub_clock, ..HubConfig::embedded() }).await;
        let line = FaultyLine::to(stage.hub.mqtt()).await.unwrap();
        let mut devices = Vec::new();
        for id in DEVICES {
            let mut device = stage.add(id).await;
            stage.desire(id, json!({"mark": "x"})).await;
            device.gateway = Some(HostPort::with_port("localhost", line.at().port()));
            devices.push(device);
        }
        let mut config = stage.config(devices.clone(), built_in(SCRIPT), &ear);
        config.roots = Roots::Pem(format!("{}{roots}", stage.hub.ca_pem()));
        config.clock = clock;
        quick(&mut config.link);
        let agent = Agent::start(config).unwrap();
        agent.ready().await.unwrap();
        Self { stage, line, ear, agent, taken, devices }
    }

    /// Lines that a device has printed.
    pub(crate) fn said(&self, device: &str, start: &str) -> Vec<String> {
        self.ear.said_by(device).into_iter().filter_map(|line| line.strip_prefix(start).map(str::to_owned)).collect()
    }

    pub(crate) async fn reported(&self, stage: &Stage) -> usize {
        let twin = stage.twin("reported").await;
        let reported = twin["properties"]["reported"].as_object().cloned().unwrap_or_default();
        reported.keys().filter(|key| key.starts_with('k')).count()
    }

    /// Messages from the cloud that were handled: the number of each, and whether it was marked as one that came before.
    pub(crate) fn handled(&self) -> Vec<(u64, bool)> {
        let took = self.said("message", "took ");
        let parts =
            |line: &String| line.split_once(' ').map(|(number, again)| (number.parse().unwrap(), again == "true"));
        took.iter().filter_map(parts).collect()
    }

    /// How many different ones were handled.
    pub(crate) fn handled_distinct(&self) -> u64 {
        self.handled().into_iter().map(|(number, _)| number).collect::<BTreeSet<_>>().len() as u64
    }

    /// Handlers that failed.
    pub(crate) fn failures(&self) -> Vec<String> {
        self.ear.failures()
    }

    pub(crate) fn connects(&self, id: &str) -> usize {
        let is = |event: &AgentEvent| matches!(event, AgentEvent::Connected { device } if device.to_string() == id);
        self.ear.count(is)
    }

    /// Every device has been without its connection since.
    pub(crate) async fn all_down(&self) {
        eventually("every device notices", async || self.agent.status().connected == 0).await;
    }

    pub(crate) async fn all_up(&self, what: &str) {
        eventually(&format!("{what}: every device is back"), async || {
            self.agent.status().connected == DEVICES.len() as u64
        })
        .await;
    }
}

/// Calls one after the other until told to stop: each call's number, and whether it was answered.
pub(crate) async fn callers(
    stage: &Stage,
    from: u64,
    mut stop: tokio::sync::watch::Receiver<bool>,
) -> Vec<(u64, bool)> {
    let mut calls = Vec::new();
    while !*stop.borrow_and_update() {
        let number = from + calls.len() as u64;
        let (status, answer) = stage.brief_call("method", "count", Value::from(number)).await;
        let answered = status == 200 && answer["status"] == 200;
        assert!(!answered || answer["payload"] == number, "{answer}");
        calls.push((number, answered));
        tokio::task::yield_now().await;
    }
    calls
}
