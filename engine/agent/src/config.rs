//! What an agent is told at its start: which devices, which scripts, how to connect, how to behave.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use base::{Clock, Secret, Seed, Source};
use net::tls::Roots;
use net::ws::Proxy;
use script::WatchMode;
use wire::DeviceConnection;
use wire::limits::D2C_BYTES;

use crate::event::Sink;
use crate::faults::FaultPlan;
use crate::grants::Grants;
use crate::outbox::Bounds;

/// Everything that [`Agent::start`](crate::Agent::start) needs.
#[derive(Clone)]
pub struct AgentConfig {
    /// The devices to be: one for a board, many for a simulated fleet.
    pub devices: Vec<DeviceConnection>,
    /// Their handlers, shared by all.
    pub scripts: ScriptPlace,
    /// How a change of the scripts on disk is noticed, to be taken over while running; none is not at all.
    pub watch: Option<WatchMode>,
    /// How a simulated device restarts.
    pub sim: SimConfig,
    /// What is wrong with which simulated device.
    pub faults: FaultPlan,
    /// A real board: its restart is a command. None is a simulated device.
    pub board: Option<Board>,
    /// What scripts may touch of the machine; nothing by default.
    pub grants: Grants,
    /// Whether devices report which methods they handle.
    pub announce: bool,
    /// A file with the device's ready-made token, read again whenever it is replaced; in place of the credential of an only
    /// device.
    pub token_file: Option<PathBuf>,
    /// Which certificates a hub may show.
    pub roots: Roots,
    /// The devices' own certificate, for those that log in with one.
    pub certificate: Option<ClientCertificate>,
    /// How connections are made and kept.
    pub link: LinkConfig,
    /// How long handlers may take, when they do not say it themselves.
    pub deadlines: Deadlines,
    /// What a caller learns of a handler's error.
    pub errors: ErrorDetail,
    /// Where `device.state` and the boot's id survive the agent's end; none keeps them in memory.
    pub state: Option<PathBuf>,
    /// How often the agent's thread shows that it lives, and looks how much waits in outboxes; none saves the wake-ups.
    pub pulse: Option<Duration>,
    /// Every call is also told as a case ([`AgentEvent::Recorded`](crate::AgentEvent::Recorded)); for one device only.
    pub record: bool,
    /// How much may wait for the hub, and where.
    pub outbox: OutboxConfig,
    /// Randomness: jitter and simulated boot ids.
    pub seed: Seed,
    /// Wall time.
    pub clock: Clock,
    /// Where events go.
    pub sink: Sink,
}

impl AgentConfig {
    /// An agent with every default: simulated, no watching, the system's roots, clock and randomness.
    pub fn new(devices: Vec<DeviceConnection>, scripts: ScriptPlace, sink: Sink) -> Self {
        Self {
            devices,
            scripts,
            watch: None,
            sim: SimConfig::default(),
            faults: FaultPlan::default(),
            board: None,
            grants: Grants::default(),
            announce: false,
            token_file: None,
            roots: Roots::System,
            certificate: None,
            link: LinkConfig::default(),
            deadlines: Deadlines::default(),
            errors: ErrorDetail::Full,
            state: None,
            pulse: None,
            record: false,
            outbox: OutboxConfig::default(),
            seed: Seed::from_os(),
            clock: Clock::system(),
            sink,
        }
    }
}

/// Where the handlers come from.
#[derive(Clone, Debug)]
pub enum ScriptPlace {
    /// A `.rhai` file, or a folder of them.
    Path(PathBuf),
    /// A text that needs no file.
    BuiltIn(Source),
}

/// How a simulated device restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimConfig {
    /// How long a restart takes.
    pub reboot: Duration,
    /// Whether the device is gone meanwhile, as a board is. Without it the call of `reboot()` waits and the device stays
    /// connected.
    pub away: bool,
}

impl Default for SimConfig {
    /// 20 seconds, connected: what Microsoft's tutorial does.
    fn default() -> Self {
        Self { reboot: Duration::from_secs(20), away: false }
    }
}

/// A real board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// The program that restarts the machine, and its arguments.
    pub command: Vec<String>,
    /// A file whose content is another one after every boot of the machine.
    pub boot_id: PathBuf,
}

impl Board {
    /// A Linux machine that this command restarts.
    pub fn new(command: Vec<String>) -> Self {
        Self { command, boot_id: PathBuf::from("/proc/sys/kernel/random/boot_id") }
    }
}

/// A device's certificate chain and key, as PEM.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The chain, leaf first.
    pub chain: String,
    /// The key of the leaf.
    pub key: Secret,
}

/// What carries MQTT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// TLS, port 8883 unless the connection string names another.
    #[default]
    Mqtt,
    /// A WebSocket over TLS, port 443 unless the connection string names another: for networks that let nothing else out.
    WebSocket {
        /// The proxy to go through.
        proxy: Option<Proxy>,
    },
}

/// How connections are made and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// Own addresses to connect from, one chosen for each attempt; none leaves it to the system. A hub on a loopback
    /// address can be reached from all of 127.0.0.0/8, and each source address has ports of its own.
    pub sources: Vec<Ipv4Addr>,
    /// What carries them.
    pub transport: Transport,
    /// Silence after which a ping is sent; held within 1 s to 1177 s, the most that IoT Hub honours.
    pub keep_alive: Duration,
    /// How long a minted token lives. The link renews it ahead of time.
    pub token_lifetime: Duration,
    /// The first pause after a loss; it doubles with each further try, and all are jittered.
    pub back_off: Duration,
    /// The longest pause after a loss.
    pub back_off_cap: Duration,
    /// The pause after a refused login: it takes a person to mend that, mostly.
    pub refused_pause: Duration,
    /// The longest pause while another client of the same name throws this one out each time.
    pub crowded_cap: Duration,
    /// How long a silent hub is waited for.
    pub patience: Patience,
    /// How long one attempt may take, from the first packet to the last subscription.
    pub connect_timeout: Duration,
    /// Attempts at the same time, over all devices of the agent.
    pub connects_at_once: usize,
    /// What the agent says it is (`DeviceClientType`).
    pub client_type: String,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            transport: Transport::default(),
            keep_alive: Duration::from_secs(60),
            token_lifetime: Duration::from_secs(3600),
            back_off: Duration::from_secs(1),
            back_off_cap: Duration::from_secs(30),
            refused_pause: Duration::from_secs(60),
            // Two that fight cost the hub a login each time; a person has to see to it anyway.
            crowded_cap: Duration::from_secs(300),
            patience: Patience::default(),
            connect_timeout: Duration::from_secs(30),
            // A TLS handshake is work for both ends; more at once only lengthens each.
            connects_at_once: 64,
            client_type: concat!("iotplay/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// How much each device may hold for a hub that does not take it, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxConfig {
    /// Messages; at least one.
    pub messages: usize,
    /// Bytes of messages; at least the largest message.
    pub bytes: usize,
    /// A folder: reports and messages wait there too, and outlive the agent. None keeps them in memory.
    pub folder: Option<PathBuf>,
}

impl Default for OutboxConfig {
    /// 1,000 messages, 4 MiB, in memory.
    fn default() -> Self {
        Self { messages: 1_000, bytes: 4 << 20, folder: None }
    }
}

impl OutboxConfig {
    pub(crate) fn bounds(&self) -> Bounds {
        // What a message takes beside its body must not keep the largest one out of an empty outbox.
        Bounds { messages: self.messages.max(1), bytes: self.bytes.max(2 * D2C_BYTES) }
    }
}

/// How long a silent hub is waited for. Tests shorten it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the answer to a ping.
    pub pong: Duration,
    /// For the acknowledgement of a message.
    pub acknowledgement: Duration,
    /// For the answer to a twin request.
    pub twin: Duration,
}

impl Default for Patience {
    /// 30 s for a ping, as the C# SDK waits; 60 s for the rest, for a hub may hold answers back when it shapes traffic.
    fn default() -> Self {
        Self { pong: Duration::from_secs(30), acknowledgement: Duration::from_secs(60), twin: Duration::from_secs(60) }
    }
}

/// How long a handler may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Until it answers its call.
    pub answer: Duration,
    /// Until it ends.
    pub work: Duration,
}

impl Default for Deadlines {
    /// No caller waits longer than 5 minutes; half an hour is enough for an update.
    fn default() -> Self {
        Self { answer: Duration::from_secs(300), work: Duration::from_secs(1800) }
    }
}

/// What a caller learns of a handler's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorDetail {
    /// The message and its place in the script.
    Full,
    /// The message alone.
    Terse,
}
