//! Flags of `agent`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::LogFormat;
use super::run::duration;
use crate::command::Shard;

/// `iotplay agent`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "The device: IOTHUB_DEVICE_CONNECTION_STRING, or --device-connection. With neither, the agent joins the\n\
                        `iotplay hub` running for this folder as sim-1."
)]
pub(crate) struct AgentArgs {
    /// The device's connection string; the environment is the better place for it
    #[arg(long, value_name = "STRING", conflicts_with_all = ["count", "prefix"])]
    pub(crate) device_connection: Option<String>,
    /// The device's ready-made token in a file, read again whenever it is replaced; the connection string has no key then
    #[arg(long, value_name = "FILE", conflicts_with_all = ["count", "prefix", "cert_file", "dps_scope"])]
    pub(crate) token_file: Option<PathBuf>,
    /// Keep what waits for the hub on the disk too, so that it outlives the agent (agent.outbox.disk in iotplay.yaml)
    #[arg(long)]
    pub(crate) outbox_disk: bool,
    /// Messages that may wait for the hub, per device (agent.outbox.messages in iotplay.yaml; 1000)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) outbox_messages: Option<u32>,
    /// Run so many simulated devices; their identities are made through the hub's service connection
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<usize>,
    /// The simulated devices' ids: PREFIX1, PREFIX2, ..
    #[arg(long, value_name = "PREFIX", default_value = "sim-")]
    pub(crate) prefix: String,
    /// The handlers: a file or a folder; else scripts/, else the built-in reboot.rhai
    #[arg(long, value_name = "PATH")]
    pub(crate) scripts: Option<PathBuf>,
    /// What a single device remembers: device.state, its boot, a restart on its way
    #[arg(long, value_name = "DIR", default_value = ".iotplay/agent")]
    pub(crate) state: PathBuf,
    /// Load the handlers again whenever a file changes
    #[arg(long)]
    pub(crate) watch: bool,
    /// Look for changes this often instead of being told: for bind mounts and network file systems
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "watch")]
    pub(crate) watch_poll: Option<Duration>,
    /// Run only this part of the fleet, such as 1/4: several processes share it
    #[arg(long, value_name = "I/N", requires = "count")]
    pub(crate) shard: Option<Shard>,
    /// Write each call to a new file, as a case for `iotplay test`
    #[arg(long, value_name = "FILE", conflicts_with = "count")]
    pub(crate) record: Option<PathBuf>,
    /// Serve the agent's numbers for Prometheus at http://127.0.0.1:PORT/metrics, and /health; 0 takes a free port
    #[arg(long, value_name = "PORT")]
    pub(crate) metrics_port: Option<u16>,
    /// How each event is told on stderr
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// How long a simulated reboot takes
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "20s")]
    pub(crate) sim_reboot: Duration,
    /// Faults of the simulated devices: a YAML profile (docs/simulation.md)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["device_connection", "reboot_command"])]
    pub(crate) faults: Option<PathBuf>,
    /// Which devices have the faults: the same number chooses the same ones
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) sim_seed: u64,
    /// A simulated reboot closes the connection, as a board's does
    #[arg(long)]
    pub(crate) sim_away: bool,
    /// A real board: the command that reboots it, words separated by spaces
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["count", "sim_away"])]
    pub(crate) reboot_command: Option<String>,
    /// A device that logs in with a certificate: its chain, PEM
    #[arg(long, value_name = "FILE", requires = "key_file")]
    pub(crate) cert_file: Option<PathBuf>,
    /// The certificate's key, PEM
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    pub(crate) key_file: Option<PathBuf>,
    /// MQTT over WebSocket, port 443 unless the connection string names another; through HTTPS_PROXY where it is set
    #[arg(long)]
    pub(crate) websocket: bool,
    /// Ask a provisioning service (DPS) of this ID scope for the hub
    #[arg(long, value_name = "SCOPE", requires = "dps_registration", conflicts_with_all = ["device_connection", "count", "prefix"])]
    pub(crate) dps_scope: Option<String>,
    /// The registration id there
    #[arg(long, value_name = "ID", requires = "dps_scope")]
    pub(crate) dps_registration: Option<String>,
    /// The key there (of a group: the derived one); the environment is the better place for it
    #[arg(long, value_name = "KEY", requires = "dps_scope", conflicts_with = "cert_file")]
    pub(crate) dps_key: Option<String>,
    /// Where the service is; the hub that runs for this folder, if the scope is its own
    #[arg(long, value_name = "HOST", requires = "dps_scope", default_value = "global.azure-devices-provisioning.net")]
    pub(crate) dps_host: String,
    /// Do not ask before making identities on a hub that is not local
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    pub(crate) yes: Option<String>,
}
