//! A hub in memory, its owner, a line that can be cut, and an agent whose events are kept.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use base::{Clock, Source};
use hub::{Hub, HubConfig, RunningHub};
use iotplay_agent::{Agent, AgentConfig, AgentEvent, HandlerOutcome, LinkConfig, RunningAgent, ScriptPlace};
use net::tls::{Roots, client_config};
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use wire::{API_VERSION, Ack, CloudMessage, DeviceConnection, HostPort, HubPath, Identity, headers, sign};

/// Nothing here takes longer unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    pub(crate) hub: RunningHub,
    http: reqwest::Client,
    token: String,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(HubConfig::embedded()).await
    }

    pub(crate) async fn with(config: HubConfig) -> Self {
        let hub = Hub::start(config).await.unwrap();
        let tls = client_config(&Roots::Pem(hub.ca_pem().to_owned()), None).unwrap();
        let http = reqwest::Client::builder().tls_backend_preconfigured((*tls).clone()).no_proxy().build().unwrap();
        let owner = hub.service_connection();
        let expiry = Clock::system().unix_seconds() + 24 * 3600;
        let token = sign(&owner.host.host, &owner.key, expiry, Some(&owner.policy)).expose().to_owned();
        Self { hub, http, token }
    }

    async fn send(&self, method: reqwest::Method, path: HubPath, body: Value) -> (u16, Value) {
        let url = format!("https://localhost:{}{path}?api-version={API_VERSION}", self.hub.https().port());
        let request = self.http.request(method, url).header(headers::AUTHORIZATION, &self.token);
        let request = if method_updates(&body) { request.header(headers::IF_MATCH, "*") } else { request };
        let request = if body.is_null() { request } else { request.body(body.to_string()) };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Registers a device; how it connects.
    pub(crate) async fn add(&self, id: &str) -> DeviceConnection {
        let device: wire::DeviceId = id.parse().unwrap();
        let (status, answer) =
            self.send(reqwest::Method::PUT, HubPath::Device(device.clone()), json!({"deviceId": id})).await;
        assert_eq!(status, 200, "{answer}");
        self.hub.device_connection(&Identity::device(device)).unwrap()
    }

    /// Registers a device of another hub, with the same key.
    pub(crate) async fn adopt(&self, device: &DeviceConnection) {
        let wire::DeviceCredential::Key(key) = &device.credential else { panic!("it has a key") };
        let id = &device.identity.device;
        let keys = json!({"primaryKey": key.expose(), "secondaryKey": key.expose()});
        let body = json!({"deviceId": id, "authentication": {"type": "sas", "symmetricKey": keys}});
        let (status, answer) = self.send(reqwest::Method::PUT, HubPath::Device(id.clone()), body).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Registers a device and a module of it; how the module connects.
    pub(crate) async fn add_module(&self, id: &str, module: &str) -> DeviceConnection {
        let device = self.add(id).await.identity.device;
        let identity = Identity { device, module: Some(module.parse().unwrap()) };
        let path = HubPath::Module(identity.clone());
        let (status, answer) = self.send(reqwest::Method::PUT, path, json!({"deviceId": id, "moduleId": module})).await;
        assert_eq!(status, 200, "{answer}");
        self.hub.device_connection(&identity).unwrap()
    }

    pub(crate) async fn call(&self, id: &str, method: &str, payload: Value) -> (u16, Value) {
        self.call_identity(&Identity::device(id.parse().unwrap()), method, payload).await
    }

    pub(crate) async fn call_identity(&self, identity: &Identity, method: &str, payload: Value) -> (u16, Value) {
        let path = HubPath::Methods(identity.clone());
        let body = json!({"methodName": method, "payload": payload, "responseTimeoutInSeconds": 30, "connectTimeoutInSeconds": 20});
        self.send(reqwest::Method::POST, path, body).await
    }

    /// A call that waits neither for a device nor long for its answer.
    pub(crate) async fn brief_call(&self, id: &str, method: &str, payload: Value) -> (u16, Value) {
        let path = HubPath::Methods(Identity::device(id.parse().unwrap()));
        let body = json!({"methodName": method, "payload": payload, "responseTimeoutInSeconds": 5, "connectTimeoutInSeconds": 0});
        self.send(reqwest::Method::POST, path, body).await
    }

    pub(crate) async fn twin(&self, id: &str) -> Value {
        self.twin_identity(&Identity::device(id.parse().unwrap())).await
    }

    pub(crate) async fn twin_identity(&self, identity: &Identity) -> Value {
        let path = HubPath::Twin(identity.clone());
        self.send(reqwest::Method::GET, path, Value::Null).await.1
    }

    pub(crate) async fn desire(&self, id: &str, desired: Value) {
        let path = HubPath::Twin(Identity::device(id.parse().unwrap()));
        let (status, answer) =
            self.send(reqwest::Method::PATCH, path, json!({"properties": {"desired": desired}})).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Sends a numbered message to a device. Its sender hears only of an end that is none by the device's own word.
    pub(crate) async fn send_message(&self, id: &str, number: u64) {
        let message = CloudMessage {
            message_id: format!("m-{number}"),
            ack: Ack::Negative,
            // Longer than any clock of these tests is moved.
            expiry_time_utc: Some(SystemTime::now() + Duration::from_secs(24 * 3600)),
            body: number.to_string().into(),
            ..CloudMessage::default()
        };
        let body = serde_json::to_value(message).unwrap();
        let (status, answer) = self.send(reqwest::Method::POST, HubPath::OwnSend(id.parse().unwrap()), body).await;
        assert_eq!(status, 201, "{answer}");
    }

    /// Messages to a device that are not done with.
    pub(crate) async fn waiting(&self, id: &str) -> u64 {
        let (_, document) = self.send(reqwest::Method::GET, HubPath::Device(id.parse().unwrap()), Value::Null).await;
        document["cloudToDeviceMessageCount"].as_u64().expect("a number")
    }

    /// No message has expired or was given up.
    pub(crate) async fn no_message_is_lost(&self, what: &str) {
        let (status, feedback) = self.send(reqwest::Method::GET, HubPath::Feedback, Value::Null).await;
        assert_eq!(status, 204, "{what}: {feedback}");
    }

    pub(crate) async fn set_status(&self, id: &str, status: &str) {
        let path = HubPath::Device(id.parse().unwrap());
        let (_, mut document) = self.send(reqwest::Method::GET, path.clone(), Value::Null).await;
        document["status"] = status.into();
        let (answered, answer) = self.send(reqwest::Method::PUT, path, document).await;
        assert_eq!(answered, 200, "{answer}");
    }

    /// An agent's configuration for this hub, quick to come back.
    pub(crate) fn config(&self, devices: Vec<DeviceConnection>, scripts: ScriptPlace, ear: &Ear) -> AgentConfig {
        let heard = Arc::clone(&ear.0);
        let mut config = AgentConfig::new(devices, scripts, Arc::new(move |event| heard.lock().unwrap().push(event)));
        config.roots = Roots::Pem(self.hub.ca_pem().to_owned());
        config.sim.reboot = Duration::from_millis(200);
        config.link = LinkConfig {
            back_off: Duration::from_millis(100),
            back_off_cap: Duration::from_millis(500),
            refused_pause: Duration::from_millis(300),
            ..LinkConfig::default()
        };
        config
    }

    /// One connected device with this script.
    pub(crate) async fn agent(&self, id: &str, text: &str, ear: &Ear) -> RunningAgent {
        let device = self.add(id).await;
        let agent = Agent::start(self.config(vec![device], built_in(text), ear)).unwrap();
        agent.ready().await.unwrap();
        agent
    }
}

pub(crate) fn built_in(text: &str) -> ScriptPlace {
    ScriptPlace::BuiltIn(Source::new("test.rhai", text))
}

/// Whether a body is a document that was read before.
fn method_updates(body: &Value) -> bool {
    body["etag"].is_string()
}

/// The scripts that are shipped.
pub(crate) fn shipped() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts"))
}

/// What an agent said.
#[derive(Default)]
pub(crate) struct Ear(Arc<Mutex<Vec<AgentEvent>>>);

impl Ear {
    pub(crate) fn count(&self, which: impl Fn(&AgentEvent) -> bool) -> usize {
        self.0.lock().unwrap().iter().filter(|event| which(event)).count()
    }

    /// What one device printed.
    pub(crate) fn said_by(&self, id: &str) -> Vec<String> {
        let events = self.0.lock().unwrap();
        let line = |event: &AgentEvent| match event {
            AgentEvent::Said { device, line } if device.to_string() == id => Some(line.clone()),
            _ => None,
        };
        events.iter().filter_map(line).collect()
    }

    pub(crate) fn said(&self) -> Vec<String> {
        let events = self.0.lock().unwrap();
        let line = |event: &AgentEvent| match event {
            AgentEvent::Said { line, .. } => Some(line.clone()),
            _ => None,
        };
        events.iter().filter_map(line).collect()
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        let failed = |event: &AgentEvent| match event {
            AgentEvent::Handler { outcome: HandlerOutcome::Failed { finding, .. }, .. } => Some(finding.to_string()),
            _ => None,
        };
        self.0.lock().unwrap().iter().filter_map(failed).collect()
    }

    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap() = Vec::new();
    }

    pub(crate) fn all(&self) -> String {
        format!("{:#?}", self.0.lock().unwrap())
    }
}

/// Until it is so.
pub(crate) async fn eventually(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so().await {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A line between agent and hub that can be cut.
pub(crate) struct Cable {
    pub(crate) port: u16,
    flows: Arc<tokio::sync::Mutex<JoinSet<()>>>,
    refusing: Arc<std::sync::atomic::AtomicBool>,
    accepting: JoinHandle<()>,
}

impl Cable {
    pub(crate) async fn to(stage: &Stage) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let flows = Arc::new(tokio::sync::Mutex::new(JoinSet::new()));
        let refusing = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (held, no, hub) = (Arc::clone(&flows), Arc::clone(&refusing), stage.hub.mqtt());
        let accepting = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                if no.load(std::sync::atomic::Ordering::SeqCst) {
                    continue;
                }
                held.lock().await.spawn(async move {
                    let mut far = TcpStream::connect(hub).await.unwrap();
                    // Either end may close as it likes.
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { port, flows, refusing, accepting }
    }

    /// The same device, over this cable.
    pub(crate) fn plug(&self, mut device: DeviceConnection) -> DeviceConnection {
        device.gateway = Some(HostPort::with_port("localhost", self.port));
        device
    }

    /// Cuts what flows; new connections are taken again.
    pub(crate) async fn cut(&self) {
        self.flows.lock().await.abort_all();
    }

    pub(crate) fn refuse(&self, refusing: bool) {
        self.refusing.store(refusing, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
