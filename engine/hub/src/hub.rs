//! Starts and stops a hub: one thread with one runtime for everything that talks, one for the disk.
//! One runtime thread was measured faster than two: calls cross no threads.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};
use wire::{DeviceConnection, DeviceCredential, HostPort, Identity, ServiceConnection};

use crate::auth::Hosts;
use crate::config::{Data, HubConfig, HubStartError, MQTT_PORT, SERVICE_PORT};
use crate::data_dir::{DataDir, Endpoint};
use crate::dps::{LinkedHub, Links};
use crate::exchange::Exchange;
use crate::faults::Faults;
use crate::files::Files;
use crate::jobs::JobRunner;
use crate::listen::Listeners;
use crate::metrics::{Metrics, Watched};
use crate::mqtt::{self, Door, Mqtt, MqttSettings};
use crate::quota::{Quota, Quotas};
use crate::rest::{self, Reach, Service};
use crate::seam::HubLog;
use crate::seed::{self, Seeded};
use crate::snapshot::Snapshot;
use crate::state::HubState;
use crate::telemetry::TelemetryLog;
use crate::tls::Certificates;

/// How long calls in flight may take once the hub is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// How often the hub shows that it lives, where somebody looks.
const PULSE: Duration = Duration::from_secs(1);

/// The way in: [`Hub::start`].
#[derive(Debug)]
pub struct Hub;

impl Hub {
    /// Starts a hub on threads of its own; it listens when this returns.
    ///
    /// # Errors
    /// Each says what to do: ports, folder, certificates, state.
    pub async fn start(config: HubConfig) -> Result<RunningHub, HubStartError> {
        let stop = CancellationToken::new();
        let (ready, started) = oneshot::channel();
        let ended = CancellationToken::new();
        // Set however the thread ends, by a panic too.
        let finished = ended.clone().drop_guard();
        let stopping = stop.clone();
        let thread = std::thread::Builder::new()
            .name("hub".into())
            .spawn(move || {
                run(config, &stopping, ready);
                drop(finished);
            })
            .map_err(HubStartError::Thread)?;
        let facts = started.await.unwrap_or(Err(HubStartError::Died))?;
        Ok(RunningHub { facts, stop: stop.drop_guard(), ended, thread })
    }
}

/// What is known about a hub once it listens.
struct Facts {
    state: Arc<HubState>,
    mqtt: SocketAddr,
    https: SocketAddr,
    ca_pem: String,
    ca_file: Option<PathBuf>,
    seeded: Option<Seeded>,
    metrics: Option<SocketAddr>,
}

/// A hub that listens. Dropping it stops it without waiting.
pub struct RunningHub {
    facts: Facts,
    stop: DropGuard,
    ended: CancellationToken,
    thread: JoinHandle<()>,
}

impl std::fmt::Debug for RunningHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningHub").field("mqtt", &self.facts.mqtt).field("https", &self.facts.https).finish()
    }
}

impl RunningHub {
    /// Where devices connect, MQTT over TLS.
    pub fn mqtt(&self) -> SocketAddr {
        self.facts.mqtt
    }

    /// Where services connect, HTTPS.
    pub fn https(&self) -> SocketAddr {
        self.facts.https
    }

    /// Where Prometheus finds the hub's numbers, if that was asked for.
    pub fn metrics(&self) -> Option<SocketAddr> {
        self.facts.metrics
    }

    /// The CA certificate to trust.
    pub fn ca_pem(&self) -> &str {
        &self.facts.ca_pem
    }

    /// The same as a file, when the hub has a folder.
    pub fn ca_file(&self) -> Option<&Path> {
        self.facts.ca_file.as_deref()
    }

    /// What the seeds did, if there were any.
    pub fn seeded(&self) -> Option<Seeded> {
        self.facts.seeded
    }

    /// How its owner reaches it: policy `iothubowner`.
    pub fn service_connection(&self) -> ServiceConnection {
        self.facts.service_connection()
    }

    /// How a device or module reaches it, if it is registered with keys.
    pub fn device_connection(&self, identity: &Identity) -> Option<DeviceConnection> {
        let key = self.facts.state.primary_key(identity)?;
        Some(DeviceConnection {
            host: host(self.facts.mqtt, MQTT_PORT),
            gateway: None,
            identity: identity.clone(),
            credential: DeviceCredential::Key(key),
        })
    }

    /// The name of its provisioning service, which listens where devices connect.
    pub fn id_scope(&self) -> String {
        self.facts.state.id_scope()
    }

    /// For the provisioning service of another hub of this process, which may assign devices to this one.
    pub fn link(&self) -> LinkedHub {
        LinkedHub { name: host(self.facts.mqtt, MQTT_PORT).to_string(), state: Arc::clone(&self.facts.state) }
    }

    /// Stops listening, lets calls in flight finish (a few seconds at most), closes all connections and the store.
    pub async fn stop(self) {
        drop(self.stop);
        self.ended.cancelled().await;
        if self.thread.join().is_err() {
            tracing::error!("the hub's thread panicked");
        }
    }

    #[cfg(test)]
    pub(crate) fn state(&self) -> &HubState {
        &self.facts.state
    }

    /// Ends when the hub has ended by itself; it never does unless something inside failed.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

impl Facts {
    fn service_connection(&self) -> ServiceConnection {
        let policy = self.state.auth().policies().owner();
        ServiceConnection {
            host: host(self.https, SERVICE_PORT),
            policy: policy.name.to_owned(),
            key: policy.primary.clone(),
        }
    }
}

/// The contents of files; those that are not there any more lose their names.
async fn open_files(
    state: &HubState,
    data_dir: Option<&DataDir>,
    config: &HubConfig,
) -> Result<Arc<Files>, HubStartError> {
    let kept = state.files_kept();
    let opened = Files::open(data_dir.map(DataDir::folder), config.files, &kept.numbers, &kept.live);
    let refused = |reason: String| HubStartError::State {
        reason: format!("the folder of uploaded files: {reason}"),
        mend: "check the rights on the hub's folder and the space on its disk".into(),
    };
    let (files, missing) = opened.map_err(|error| refused(error.to_string()))?;
    state.forget_files(&missing).await.map_err(|error| refused(error.message))?;
    Ok(files)
}

/// The name to dial: `localhost` for the usual loopback and for "all addresses", else the address; a well-known port is left out.
fn host(at: SocketAddr, well_known: u16) -> HostPort {
    let port = (at.port() != well_known).then_some(at.port());
    HostPort { host: dialled(at.ip()), port }
}

fn dialled(ip: IpAddr) -> String {
    let usual =
        ip.is_unspecified() || ip == IpAddr::from([127, 0, 0, 1]) || ip == IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);
    if usual { "localhost".to_owned() } else { ip.to_string() }
}

fn run(config: HubConfig, stop: &CancellationToken, ready: oneshot::Sender<Result<Facts, HubStartError>>) {
    // The caller may have gone away; then nobody hears, and the hub stops below for want of anyone who could stop it.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(HubStartError::Thread(error)));
            return;
        }
    };
    runtime.block_on(async {
        match Parts::prepare(&config).await {
            Err(error) => drop(ready.send(Err(error))),
            Ok((parts, facts)) => {
                if ready.send(Ok(facts)).is_err() {
                    stop.cancel();
                }
                parts.serve(config, stop).await;
            }
        }
    });
}

/// A task of the hub's, which ends when it is told to.
type JoinedTask = tokio::task::JoinHandle<()>;

/// Waits for a task that was told to end.
async fn ended(what: &'static str, task: JoinedTask) {
    if let Err(error) = task.await {
        tracing::error!(%error, what, "a part of the hub failed");
    }
}

/// What goes on beside the listeners until the hub is told to stop.
#[derive(Default)]
struct Chores(Vec<(&'static str, JoinedTask)>);

impl Chores {
    /// Numbers for Prometheus and a sign of life, as far as anybody wants them.
    fn be_watched(
        &mut self,
        listener: Option<tokio::net::TcpListener>,
        watched: Watched,
        pulse: Option<crate::pulse::Pulse>,
        stop: &CancellationToken,
    ) {
        if let Some(listener) = listener {
            let numbers = Arc::new(move || (true, watched.text()));
            self.begin("serving the numbers", net::metrics::serve(listener, vec![("/metrics", numbers)], stop.clone()));
        }
        if let Some(pulse) = pulse {
            let stop = stop.clone();
            self.begin("its pulse", async move {
                let mut ticks = tokio::time::interval(PULSE);
                while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                    pulse.beat();
                }
            });
        }
    }

    fn begin(&mut self, what: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.0.push((what, tokio::spawn(work)));
    }

    /// Ends what is over by itself: messages and uploads.
    fn sweep(&mut self, state: &Arc<HubState>, files: Arc<Files>, log: &HubLog, stop: &CancellationToken) {
        self.begin("the end of messages", {
            let (state, stop) = (Arc::clone(state), stop.clone());
            async move { state.keep_messages(stop).await }
        });
        self.begin("the end of uploads", {
            let (state, log, stop) = (Arc::clone(state), log.clone(), stop.clone());
            async move { state.keep_uploads(files, log, stop).await }
        });
    }

    async fn end(self) {
        for (what, task) in self.0 {
            ended(what, task).await;
        }
    }
}

/// Everything that runs.
struct Parts {
    listeners: Listeners,
    certificates: Certificates,
    state: Arc<HubState>,
    exchange: Arc<Exchange>,
    files: Arc<Files>,
    acknowledged: JoinedTask,
    writer: Option<JoinHandle<()>>,
    data_dir: Option<DataDir>,
}

impl Parts {
    async fn prepare(config: &HubConfig) -> Result<(Self, Facts), HubStartError> {
        let data_dir = match &config.data {
            Data::Memory => None,
            Data::Folder(folder) => Some(DataDir::open(folder)?),
        };
        let hosts = Hosts::new(config.bind, &config.names);
        let snapshot = config.restore.as_ref().map(|restore| &restore.snapshot);
        if let (Some(data_dir), Some(restore)) = (&data_dir, &config.restore) {
            restore.snapshot.restore_into(data_dir, restore.force)?;
        }
        let ca = snapshot.and_then(Snapshot::ca);
        let certificates = Certificates::for_names(hosts.names(), data_dir.as_ref(), ca, &config.clock)?;
        let exchange = Arc::new(Exchange::default());
        let clock = config.clock.clone();
        let (state, workers) =
            HubState::begin(data_dir.as_ref(), snapshot, hosts, Arc::clone(&exchange), clock, config.seed)?;
        state.set_lag(config.delays);
        let active_jobs = config.quota.as_ref().map_or(config.active_jobs, Quota::active_jobs);
        let state = Arc::new(state.with_active_jobs(active_jobs));
        let acknowledged = tokio::spawn(workers.acknowledged.run());
        let seeded = match &config.seeds {
            None => None,
            Some(seeds) => {
                let seeded = seed::sow(&state, seeds).await;
                Some(seeded.map_err(|error| HubStartError::Seeds(error.message))?)
            }
        };
        let files = open_files(&state, data_dir.as_ref(), config).await?;
        let listeners = Listeners::open(config).await?;
        let own = host(listeners.mqtt.1, MQTT_PORT).to_string();
        state.link(Links { own, others: config.linked.clone() });
        let facts = Facts {
            state: Arc::clone(&state),
            mqtt: listeners.mqtt.1,
            https: listeners.https.1,
            ca_pem: certificates.ca_pem.clone(),
            ca_file: data_dir.as_ref().map(DataDir::ca),
            seeded,
            metrics: listeners.metrics.as_ref().map(|(_, at)| *at),
        };
        if let Some(data_dir) = &data_dir {
            data_dir.write_endpoint(&Endpoint {
                pid: std::process::id(),
                mqtt: facts.mqtt,
                https: facts.https,
                ca: data_dir.ca(),
                service: facts.service_connection().to_connection_string(),
                id_scope: state.id_scope(),
            })?;
        }
        let writer = workers.writer;
        Ok((Self { listeners, certificates, state, exchange, files, acknowledged, writer, data_dir }, facts))
    }

    async fn serve(self, config: HubConfig, stop: &CancellationToken) {
        let Self { listeners, certificates, state, exchange, files, acknowledged, writer, data_dir } = self;
        let (mqtt_listener, mqtt_at) = listeners.mqtt;
        let mqtt = HostPort::with_port(dialled(mqtt_at.ip()), mqtt_at.port()).to_string();
        let reach = Reach { mqtt, https: host(listeners.https.1, SERVICE_PORT), stop: stop.clone() };
        let quotas = Arc::new(Quotas::new(config.quota, config.delays.latency, &config.clock, config.seed));
        let telemetry = Arc::new(TelemetryLog::new(config.clock.clone(), stop.clone()));
        let metrics = Arc::new(Metrics::new());
        let log = metrics.before(telemetry.before(config.log));
        let faults = Faults::new(state.clone(), log.clone(), config.seed, config.fault_messages);
        let faults = Arc::new(faults.with(config.faults));
        let watched = Watched::new(metrics, &state, &exchange, telemetry, &faults, &files);
        let service = Service::new(
            Arc::clone(&state),
            Arc::clone(&exchange),
            Arc::clone(&quotas),
            watched.clone(),
            log.clone(),
            reach,
            config.seed,
        );
        let mut chores = Chores::default();
        let metrics_listener = listeners.metrics.map(|(listener, _)| listener);
        chores.be_watched(metrics_listener, watched, config.pulse, stop);
        chores.sweep(&state, files, &log, stop);
        let jobs = JobRunner::new(Arc::clone(&state), Arc::clone(&exchange), Arc::clone(&quotas), log.clone());
        chores.begin("the jobs", jobs.run(stop.clone(), GRACE));
        chores.begin("the faults", Arc::clone(&faults).run(Arc::clone(&exchange), stop.clone()));
        let settled = CancellationToken::new();
        let activity = tokio::spawn({
            let (state, settled) = (Arc::clone(&state), settled.clone());
            async move { state.keep_activity(settled).await }
        });
        // Devices stay until the calls that are in flight have had their time.
        let devices = CancellationToken::new();
        let hub = Mqtt::new(
            Arc::clone(&state),
            Arc::clone(&exchange),
            (quotas, faults),
            log,
            config.clock,
            config.seed,
            MqttSettings { deadlines: config.deadlines, ..MqttSettings::default() },
        );
        let door = Door::new(hub, devices.clone());
        let mqtt = tokio::spawn(mqtt::serve(mqtt_listener, certificates.mqtt, door.clone()));
        let deadlines = config.deadlines;
        let https = rest::Https { tls: certificates.https, service: Arc::new(service), door, deadlines };
        rest::serve(listeners.https.0, https, stop.clone(), GRACE).await;
        chores.end().await;
        devices.cancel();
        ended("the MQTT side", mqtt).await;
        settled.cancel();
        ended("keeping the times of activity", activity).await;
        close(&state, acknowledged, writer).await;
        drop(data_dir);
    }
}

/// Brings every change to the disk; acknowledgements end with the writer.
async fn close(state: &HubState, acknowledged: JoinedTask, writer: Option<JoinHandle<()>>) {
    state.close();
    ended("the acknowledgements", acknowledged).await;
    if writer.is_some_and(|writer| writer.join().is_err()) {
        tracing::error!("the store's writer panicked");
    }
}
