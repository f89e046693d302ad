//! Flags of `hub` and of what else it can do: `env`, `snapshot`, `restore`, `tail`, `status`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{
    CaCommand, CertArgs, EnrollCommand, FaultCommand, FileArgs, HubFaultArgs, QuotaArgs, StatusArgs, TailArgs,
    UploadsArgs,
};

/// `iotplay hub`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct HubArgs {
    /// Instead of running a hub.
    #[command(subcommand)]
    pub(crate) command: Option<HubCommand>,
    /// Where devices connect (MQTT over TLS); 0 takes a free port
    #[arg(long, value_name = "PORT", default_value_t = 8883)]
    pub(crate) mqtt_port: u16,
    /// Where services connect (HTTPS); 0 takes a free port
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    pub(crate) https_port: u16,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) bind: IpAddr,
    /// One more name (or address) that the hub's certificate is for; may be repeated
    #[arg(long = "name", value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Allow an address that other machines can reach
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// Keep nothing on disk
    #[arg(long)]
    pub(crate) memory: bool,
    /// Devices that must be there: a YAML file; makes what is missing, corrects what differs
    #[arg(long, value_name = "FILE")]
    pub(crate) seed: Option<PathBuf>,
    /// Begin with the state of a snapshot
    #[arg(long, value_name = "FILE")]
    pub(crate) restore: Option<PathBuf>,
    /// Let the snapshot take the place of the folder's state, which is lost
    #[arg(long, requires = "restore")]
    pub(crate) force: bool,
    /// Serve the hub's numbers for Prometheus at http://127.0.0.1:PORT/metrics; 0 takes a free port
    #[arg(long, value_name = "PORT")]
    pub(crate) metrics_port: Option<u16>,
    /// How each event is told on stderr
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// How narrow and how slow.
    #[command(flatten)]
    pub(crate) quota: QuotaArgs,
    /// What goes wrong.
    #[command(flatten)]
    pub(crate) fault: HubFaultArgs,
    /// How large uploaded files may be.
    #[command(flatten)]
    pub(crate) files: FileArgs,
}

/// `--log-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    // One line per event, for people.
    Text,
    // One object per event.
    Json,
}

/// `iotplay hub snapshot` and `iotplay hub restore`.
#[derive(Args, Clone, Debug)]
pub(crate) struct SnapshotArgs {
    /// The snapshot: JSON with all keys, readable by its owner only
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Take the place of what is there already
    #[arg(long)]
    pub(crate) force: bool,
}

/// What else `hub` can do.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum HubCommand {
    /// Print the exports that let SDK programs of this shell trust and reach the running hub
    Env,
    /// Certificate authorities whose devices the running hub believes
    #[command(subcommand)]
    Ca(CaCommand),
    /// Who may register with the hub's provisioning service (DPS)
    #[command(subcommand)]
    Enroll(EnrollCommand),
    /// Let the running hub go wrong on purpose: cuts, refusals, lost answers, slow lines ..
    #[command(subcommand)]
    Fault(FaultCommand),
    /// Make a device's certificate and key, and print the thumbprint (SHA-256)
    Cert(CertArgs),
    /// Write the whole state of this folder's hub, running or not, to one file
    Snapshot(SnapshotArgs),
    /// Print what the running hub counts: connections, calls, messages, refusals, commits
    Status(StatusArgs),
    /// Print the messages that devices have sent to the hub
    Tail(TailArgs),
    /// Print the files that devices have uploaded to the hub, or fetch one
    Uploads(UploadsArgs),
    /// Make a snapshot the state of this folder's hub, which must not run
    Restore(SnapshotArgs),
}
