//! The hub without sockets, TLS and disk, for the fuzzer in `tests/fuzz`: the same registry, sessions and handlers, fed from
//! memory. Not in the product.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base::{Clock, ManualClock, Seed};
use bytes::Bytes;
use serde_json::Value;
use tokio::io::DuplexStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wire::{
    CloudMessage, DeviceDocument, DeviceId, HostPort, Identity, IfMatch, MethodCall, ModuleDocument, Status, Username,
    device_resource, sign,
};

use crate::auth::Hosts;
use crate::config::Deadlines;
use crate::exchange::Exchange;
use crate::faults::{Faults, Registered};
use crate::files::{FileLimits, Files};
use crate::jobs::JobRunner;
use crate::metrics::{Metrics, Watched};
use crate::mqtt::{Mqtt, MqttSettings, hosted};
use crate::query::{Gather, PageStart, Position, Query};
use crate::quota::{Latency, Quotas};
use crate::rest::{Reach, Service, speak};
use crate::seam::HubLog;
use crate::state::{Document, HubState, TwinWrite};
use crate::telemetry::TelemetryLog;

/// What a stream from memory holds before its writer waits.
const STREAM: usize = 64 * 1024;
/// How long, of paused time, connections have to end once their clients are gone: the longest keep-alive and some more.
const END: Duration = Duration::from_secs(4_000);
/// The hub's time at its start.
const START: Duration = Duration::from_secs(1_800_000_000);
/// From where services call.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

/// See the module's description. Belongs to one runtime, whose time should be paused.
pub struct FuzzHub {
    state: Arc<HubState>,
    exchange: Arc<Exchange>,
    mqtt: Arc<Mqtt<HubState>>,
    service: Arc<Service>,
    hand: ManualClock,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl FuzzHub {
    /// An empty hub.
    #[expect(clippy::missing_panics_doc, reason = "panics are what the fuzzer looks for")]
    pub fn start() -> Self {
        let (clock, hand) = Clock::manual(SystemTime::UNIX_EPOCH + START);
        let hosts = Hosts::new(PEER.ip(), &[]);
        let exchange = Arc::new(Exchange::default());
        let begun = HubState::begin(None, None, hosts, Arc::clone(&exchange), clock.clone(), Seed(7));
        let (state, workers) = begun.expect("an empty state without a disk has nothing to refuse");
        let (state, stop) = (Arc::new(state), CancellationToken::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(workers.acknowledged.run());
        let quotas = Arc::new(Quotas::new(None, Latency::default(), &clock, Seed(7)));
        let telemetry = Arc::new(TelemetryLog::new(clock.clone(), stop.clone()));
        let metrics = Arc::new(Metrics::new());
        let log = metrics.before(telemetry.before(HubLog::none()));
        let files = Files::open(None, FileLimits::default(), &HashSet::new(), &HashSet::new());
        let (files, _) = files.expect("a temporary folder that nobody has made yet holds nothing");
        let registered: Arc<dyn Registered> = Arc::clone(&state) as _;
        let faults = Arc::new(Faults::new(registered, log.clone(), Seed(7), true));
        let watched = Watched::new(metrics, &state, &exchange, telemetry, &faults, &files);
        let jobs = JobRunner::new(Arc::clone(&state), Arc::clone(&exchange), Arc::clone(&quotas), log.clone());
        tasks.spawn(jobs.run(stop.clone(), Duration::ZERO));
        let reach = Reach { mqtt: "localhost".into(), https: HostPort::new("localhost"), stop: stop.clone() };
        let shared = (Arc::clone(&state), Arc::clone(&exchange), Arc::clone(&quotas));
        let service = Service::new(shared.0, shared.1, shared.2, watched, log.clone(), reach, Seed(7));
        let settings = MqttSettings::default();
        let mqtt =
            Mqtt::new(Arc::clone(&state), Arc::clone(&exchange), (quotas, faults), log, clock, Seed(7), settings);
        Self { state, exchange, mqtt, service: Arc::new(service), hand, stop, tasks }
    }

    /// Makes a device or a module; one that is there already stays.
    pub async fn make(&self, identity: &Identity) {
        let document = match &identity.module {
            None => Document::Device(DeviceDocument::new(identity.device.clone())),
            Some(module) => Document::Module(ModuleDocument::new(identity.device.clone(), module.clone())),
        };
        let _ = self.state.put_identity(document, None).await;
    }

    /// Makes it go away, with all it has.
    pub async fn remove(&self, identity: &Identity) {
        let _ = self.state.delete_identity(identity, Some(IfMatch::Any)).await;
    }

    /// Lets a device in or not.
    pub async fn set_status(&self, device: &DeviceId, status: Status) {
        if let Ok(Document::Device(document)) = self.state.identity(&Identity::device(device.clone())) {
            let changed = Document::Device(DeviceDocument { status, ..document });
            let _ = self.state.put_identity(changed, Some(IfMatch::Any)).await;
        }
    }

    /// User name and password that let it in now; `None` for what is not there.
    pub fn login(&self, identity: &Identity) -> Option<(String, String)> {
        let key = self.state.primary_key(identity)?;
        let token = sign(&device_resource("localhost", identity), &key, START.as_secs() + 3600, None);
        Some((Username::new("localhost", identity.clone()).to_string(), token.expose().to_owned()))
    }

    /// The owner's token.
    pub fn owner(&self) -> String {
        let owner = self.state.auth().policies().owner();
        sign("localhost", &owner.primary, START.as_secs() + 3600, Some(owner.name)).expose().to_owned()
    }

    /// The device's end of a new MQTT connection.
    pub fn mqtt(&mut self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(STREAM);
        let mqtt = Arc::clone(&self.mqtt);
        self.tasks.spawn(async move { hosted(&mqtt, far).await });
        near
    }

    /// The client's end of a new HTTP/1.1 connection, which may become a device's WebSocket.
    pub fn https(&mut self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(STREAM);
        let (mqtt, service, stop) = (Arc::clone(&self.mqtt), Arc::clone(&self.service), self.stop.clone());
        self.tasks.spawn(async move {
            if let Some(frames) =
                speak((far, Arc::default()), PEER, None, &service, Deadlines::default().head, &stop).await
            {
                hosted(&mqtt, frames).await;
            }
        });
        near
    }

    /// Calls a method; its answer is nobody's.
    pub fn call(&mut self, identity: &Identity, call: MethodCall) {
        let (exchange, identity) = (Arc::clone(&self.exchange), identity.clone());
        self.tasks.spawn(async move { drop(exchange.call(&identity, &call).await) });
    }

    /// Patches a twin as a service does.
    pub async fn patch(&self, identity: &Identity, patch: &Value) {
        let _ = self.state.write_twin(identity, None, patch, TwinWrite::Patch).await;
    }

    /// Sends a message to a device.
    pub async fn message(&self, device: &DeviceId, body: Bytes) {
        let message = CloudMessage { body, ..CloudMessage::default() };
        let _ = self.state.send_message(device, message).await;
    }

    /// Lets the hub's wall time pass.
    pub fn advance(&self, by: Duration) {
        self.hand.advance(by);
    }

    /// Once all clients are gone: every connection ends by itself, and the hub still answers.
    ///
    /// # Errors
    /// What did not end, or is not as it should be.
    pub async fn end(mut self) -> Result<(), String> {
        let ended = tokio::time::timeout(END, async {
            // The acknowledgements and the jobs are the two that stay.
            while self.tasks.len() > 2 {
                if let Some(Err(error)) = self.tasks.join_next().await {
                    return Err(format!("a task of the hub ended badly: {error}"));
                }
            }
            Ok(())
        });
        ended.await.map_err(|_| format!("{} tasks did not end", self.tasks.len() - 2))??;
        if self.exchange.connected() != 0 {
            return Err(format!("{} connections are counted that are gone", self.exchange.connected()));
        }
        let identity = Identity::device("afterwards".parse().expect("a plain word is an id"));
        self.make(&identity).await;
        self.state.identity(&identity).map_err(|error| format!("the hub takes no device any more: {error}"))?;
        self.stop.cancel();
        self.state.close();
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(|error| format!("a task of the hub ended badly: {error}"))?;
        }
        Ok(())
    }
}

/// Reads a query, prints it and reads that again, and answers it over rows; whether it is a query at all.
///
/// # Errors
/// What is printed is not what was read, or pages do not end.
pub fn query(text: &str, rows: &[Value]) -> Result<bool, String> {
    let Ok(query) = Query::parse(text) else { return Ok(false) };
    let printed = query.to_string();
    match Query::parse(&printed) {
        Ok(again) if again == query => {}
        Ok(again) => return Err(format!("`{printed}` is read as another query: {again:?}")),
        // Quotes make it longer than what was written, and there is a longest text.
        Err(_) if printed.len() > text.len() => {}
        Err(error) => return Err(format!("`{printed}` is not read again: {error}")),
    }
    let mut start = PageStart::default();
    for _ in 0..=rows.len() {
        let after = match &start.after {
            Some(Position::Row(key)) => key.parse::<usize>().map_err(|error| error.to_string())? + 1,
            _ => 0,
        };
        let mut gather = Gather::new(&query, &start, 2);
        for (index, row) in rows.iter().enumerate().skip(after) {
            gather.look(row, || index.to_string());
            if gather.is_done() {
                break;
            }
        }
        let page = gather.page();
        serde_json::from_slice::<Value>(&page.rows).map_err(|error| format!("a page is no JSON: {error}"))?;
        match page.next {
            Some(next) => start = next,
            None => return Ok(true),
        }
    }
    Err("its pages do not end".to_owned())
}
