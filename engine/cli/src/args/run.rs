//! Flags of `run` and `check`: Ansible's words where Ansible has them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::PaceArgs;
use runner::ReportFile;

/// `iotplay run`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RunArgs {
    /// The playbook or script: as given, else in playbooks/, else a built-in one (reboot.yaml)
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Which devices, and the permission to change them.
    #[command(flatten)]
    pub(crate) targeting: Targeting,
    /// A variable: key=value, {json}, or @file
    #[arg(short = 'e', long = "extra-vars", value_name = "VARS")]
    pub(crate) extra_vars: Vec<String>,
    /// Calls in flight at most
    #[arg(short = 'f', long, value_name = "N", value_parser = at_least_one)]
    pub(crate) forks: Option<usize>,
    /// Only steps with one of these tags (comma-separated)
    #[arg(short = 't', long, value_name = "TAGS", value_delimiter = ',')]
    pub(crate) tags: Vec<String>,
    /// Leave out steps with one of these tags (comma-separated)
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    pub(crate) skip_tags: Vec<String>,
    /// Send nothing that changes a device; say what would have been sent
    #[arg(short = 'C', long = "check")]
    pub(crate) check: bool,
    /// With --check: end with 4 when something would have been changed
    #[arg(long, requires = "check")]
    pub(crate) fail_on_change: bool,
    /// Where `save` writes; else .iotplay/runs/RUN/files
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Run again whenever the playbook changes
    #[arg(long)]
    pub(crate) watch: bool,
    /// Print the run on stdout as one JSON document, or as one JSON object per event
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Output>,
    /// Write a report when the run has ended: junit=FILE or html=FILE; may be given several times
    #[arg(long, value_name = "KIND=FILE")]
    pub(crate) report: Vec<ReportFile>,
    /// How large the hub is.
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    /// The simulated devices of a hub in this process.
    #[command(flatten)]
    pub(crate) sim: SimArgs,
}

/// Which devices are meant, and whether they may be changed without asking.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Targeting {
    /// Only these devices (comma-separated ids)
    #[arg(short = 'l', long, value_name = "IDS", value_delimiter = ',')]
    pub(crate) limit: Vec<String>,
    /// Only devices that satisfy this condition, such as tags.line = 'B'
    #[arg(short = 'q', long, value_name = "CONDITION", conflicts_with = "limit")]
    pub(crate) query: Option<String>,
    /// Every device of a hub that is not local
    #[arg(long, conflicts_with_all = ["limit", "query"])]
    pub(crate) all: bool,
    /// Do not ask before changing devices; a production hub wants its name: --yes=NAME
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    pub(crate) yes: Option<String>,
    /// No device matched: end with 0 instead of 2
    #[arg(long)]
    pub(crate) allow_empty: bool,
}

/// The default of `--sim-reboot`.
const SIM_REBOOT: Duration = Duration::from_secs(20);

/// The simulated devices that join a hub in this process.
#[derive(Args, Clone, Debug)]
pub(crate) struct SimArgs {
    /// Simulated devices, when the hub is in this process
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Simulated devices")]
    pub(crate) sim: usize,
    /// How long a simulated reboot takes
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "20s", help_heading = "Simulated devices")]
    pub(crate) sim_reboot: Duration,
    /// The handlers they run: a file or a folder; else scripts/, else the built-in reboot.rhai
    #[arg(long, value_name = "PATH", help_heading = "Simulated devices")]
    pub(crate) scripts: Option<PathBuf>,
    /// Faults of the simulated devices: a YAML profile (docs/simulation.md)
    #[arg(long, value_name = "FILE", help_heading = "Simulated devices")]
    pub(crate) sim_faults: Option<PathBuf>,
    /// Faults of the hub in this process: a YAML profile (docs/faults.md)
    #[arg(long, value_name = "FILE", help_heading = "Simulated devices")]
    pub(crate) hub_faults: Option<PathBuf>,
    /// Which devices have the faults: the same number chooses the same ones
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Simulated devices")]
    pub(crate) sim_seed: u64,
}

impl Default for SimArgs {
    fn default() -> Self {
        Self { sim: 1, sim_reboot: SIM_REBOOT, scripts: None, sim_faults: None, hub_faults: None, sim_seed: 1 }
    }
}

impl SimArgs {
    /// Something was asked for that only simulated devices of this process can do.
    pub(crate) fn asked_for(&self) -> bool {
        let faults = self.sim_faults.is_some() || self.hub_faults.is_some();
        self.sim != 1 || self.sim_reboot != SIM_REBOOT || self.scripts.is_some() || faults
    }
}

/// `--output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    // One document at the end.
    Json,
    // One object per event, as it happens.
    Ndjson,
}

/// `iotplay check`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CheckArgs {
    /// Playbooks (.yaml), runner scripts and handlers (.rhai)
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

/// A count that nothing can be done without.
fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("not a whole number".to_owned()),
    }
}

/// A duration flag: `90s`, `1h30m`, a number of seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    base::parse_duration(text).map_err(|error| error.to_string())
}
