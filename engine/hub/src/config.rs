//! How a hub is started, and why it may not start.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use base::{Clock, Seed};
use thiserror::Error;
use wire::limits::ACTIVE_JOBS;

use crate::data_dir::DataDirError;
use crate::dps::LinkedHub;
use crate::faults::FaultProfile;
use crate::files::FileLimits;
use crate::pulse::Pulse;
use crate::quota::{Delays, Quota};
use crate::seam::HubLog;
use crate::seed::Seeds;
use crate::snapshot::{Snapshot, SnapshotError};
use crate::tls::CertificateError;

/// MQTT over TLS, the port that SDKs have built in.
pub const MQTT_PORT: u16 = 8883;
/// HTTPS without rights of root; the real service is on [`SERVICE_PORT`].
pub const HTTPS_PORT: u16 = 8443;
/// The port that Node's SDK has built in.
pub const SERVICE_PORT: u16 = 443;

/// Where a hub keeps its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Nowhere: CA, keys, devices and twins end with the hub.
    Memory,
    /// In this folder; one hub at a time.
    Folder(PathBuf),
}

/// Everything that a hub needs to know.
#[derive(Clone, Debug)]
pub struct HubConfig {
    /// Where its state is.
    pub data: Data,
    /// The address to listen on.
    pub bind: IpAddr,
    /// Must be set for an address that other machines can reach.
    pub allow_remote: bool,
    /// The port for devices; 0 takes any free one.
    pub mqtt_port: u16,
    /// The port for services; 0 takes any free one.
    pub https_port: u16,
    /// More names of this hub, in its certificate and in tokens, such as `my-hub.azure-devices.net`.
    pub names: Vec<String>,
    /// The wall time.
    pub clock: Clock,
    /// Where ids of calls and generations come from. Keys never do: those are from the operating system.
    pub seed: Seed,
    /// Jobs under way at once; one more is refused with 429. One as in the tiers F1 and S1; S2 has 5, S3 has 10.
    pub active_jobs: usize,
    /// Other hubs of this process that the provisioning service may assign devices to.
    pub linked: Vec<LinkedHub>,
    /// Hears what happens.
    pub log: HubLog,
    /// What it begins with instead of nothing.
    pub restore: Option<Restore>,
    /// What must be there once it has started.
    pub seeds: Option<Seeds>,
    /// The limits of a tier; none by default.
    pub quota: Option<Quota>,
    /// Latency and lags; none by default.
    pub delays: Delays,
    /// What is to go wrong from the start; more can be asked for over REST.
    pub faults: Option<FaultProfile>,
    /// Whether devices may ask for faults by messages, as the SDKs' own tests do.
    pub fault_messages: bool,
    /// How large uploaded files may be, and how long an upload may take.
    pub files: FileLimits,
    /// A port of 127.0.0.1 for Prometheus, in plain HTTP; 0 takes any free one, none is off.
    pub metrics_port: Option<u16>,
    /// Beats once a second on the hub's thread, for whoever watches whether that is alive; none saves the wake-ups.
    pub pulse: Option<Pulse>,
}

/// A snapshot to begin with.
#[derive(Clone, Debug)]
pub struct Restore {
    /// The state.
    pub snapshot: Snapshot,
    /// Whether it may take the place of a state that the folder has; it is lost.
    pub force: bool,
}

impl HubConfig {
    /// On 127.0.0.1 with the default ports, quiet.
    pub fn new(data: Data) -> Self {
        let files = if data == Data::Memory { FileLimits::in_memory() } else { FileLimits::new() };
        Self {
            files,
            data,
            bind: Ipv4Addr::LOCALHOST.into(),
            allow_remote: false,
            mqtt_port: MQTT_PORT,
            https_port: HTTPS_PORT,
            names: Vec::new(),
            clock: Clock::system(),
            seed: Seed::from_os(),
            active_jobs: ACTIVE_JOBS,
            linked: Vec::new(),
            log: HubLog::none(),
            restore: None,
            seeds: None,
            quota: None,
            delays: Delays::default(),
            faults: None,
            fault_messages: true,
            metrics_port: None,
            pulse: None,
        }
    }

    /// In memory, on free ports of 127.0.0.1: for tests, and for a run without any other hub.
    pub fn embedded() -> Self {
        Self { mqtt_port: 0, https_port: 0, ..Self::new(Data::Memory) }
    }
}

/// Why a hub did not start. Each says what to do.
#[derive(Debug, Error)]
pub enum HubStartError {
    /// Another hub runs there, or the folder cannot be written.
    #[error(transparent)]
    Folder(#[from] DataDirError),
    /// The CA or the certificate.
    #[error(transparent)]
    Certificates(#[from] CertificateError),
    /// The state cannot be read.
    #[error("{reason}; mend: {mend}")]
    State {
        /// What is wrong, with the path.
        reason: String,
        /// What to do.
        mend: String,
    },
    /// The snapshot to begin with.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The seeds ask for what cannot be, or the disk refuses them.
    #[error("the seeds could not be brought in: {0}")]
    Seeds(String),
    /// Someone listens there already.
    #[error(
        "{what} cannot listen on {address}: the port is in use; stop what uses it, or choose another with {option}"
    )]
    PortInUse {
        /// MQTT or HTTPS.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// The command's option.
        option: &'static str,
    },
    /// A port below 1024 needs rights.
    #[error(
        "{what} may not listen on {address}: ports below 1024 need rights (root, or setcap cap_net_bind_service=+ep); \
             or choose another with {option}"
    )]
    PortNotAllowed {
        /// MQTT or HTTPS.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// The command's option.
        option: &'static str,
    },
    /// The address is not of this machine, or the like.
    #[error("{what} cannot listen on {address}")]
    Listen {
        /// MQTT or HTTPS.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// An address that other machines reach, without the word for it.
    #[error(
        "{0} can be reached from other machines, and this hub is made for tests on one: say so with --allow-remote"
    )]
    Remote(IpAddr),
    /// The system gives no thread or no runtime.
    #[error("cannot start the hub's thread")]
    Thread(#[source] io::Error),
    /// The hub's thread ended before it was ready.
    #[error("the hub's thread ended before it listened")]
    Died,
}
