//! Flags of the commands about runs that have been: `resume`, `retry`, `runs`, `show`.

use clap::{Args, ValueEnum};
use runner::ReportFile;

use super::{Output, PaceArgs};

/// What whoever runs something once more says about it: flags of `resume` and `retry`.
#[derive(Args, Clone, Debug)]
pub(crate) struct AgainArgs {
    /// A variable that was not kept because it held a secret: key=value, {json}, or @file
    #[arg(short = 'e', long = "extra-vars", value_name = "VARS")]
    pub(crate) extra_vars: Vec<String>,
    /// Do not ask before changing devices; a production hub wants its name: --yes=NAME
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    pub(crate) yes: Option<String>,
    /// Print the run on stdout as one JSON document, or as one JSON object per event
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Output>,
    /// Write a report when the run has ended: junit=FILE or html=FILE; may be given several times
    #[arg(long, value_name = "KIND=FILE")]
    pub(crate) report: Vec<ReportFile>,
    /// How large the hub is.
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
}

/// `iotplay resume`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ResumeArgs {
    /// The run, or enough of its id to tell; else the newest one
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Say yes to what it waits for
    #[arg(long)]
    pub(crate) approve: bool,
    /// What both commands are told.
    #[command(flatten)]
    pub(crate) again: AgainArgs,
}

/// `iotplay retry`.
#[derive(Args, Clone, Debug)]
pub(crate) struct RetryArgs {
    /// The run, or enough of its id to tell; else the newest one
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Devices that failed, for any reason of their own
    #[arg(long)]
    pub(crate) failed: bool,
    /// Devices that could not be reached
    #[arg(long)]
    pub(crate) unreachable: bool,
    /// Devices that did not answer or get there in time
    #[arg(long)]
    pub(crate) timeout: bool,
    /// Devices that were skipped, or never reached
    #[arg(long)]
    pub(crate) skipped: bool,
    /// Calls in flight at most
    #[arg(short = 'f', long, value_name = "N")]
    pub(crate) forks: Option<usize>,
    /// Send nothing that changes a device; say what would have been sent
    #[arg(short = 'C', long = "check")]
    pub(crate) check: bool,
    /// Nothing to retry: end with 0 instead of 2
    #[arg(long)]
    pub(crate) allow_empty: bool,
    /// What both commands are told.
    #[command(flatten)]
    pub(crate) again: AgainArgs,
}

/// `--output` of `runs` and `show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Document {
    // One document.
    Json,
}

/// `iotplay runs`.
#[derive(Args, Clone, Debug)]
pub(crate) struct RunsArgs {
    /// Print them as one JSON document
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Document>,
}

/// `iotplay show`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ShowArgs {
    /// The run, or enough of its id to tell; else the newest one
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Only this device, call by call
    #[arg(value_name = "DEVICE")]
    pub(crate) device: Option<String>,
    /// Print it as one JSON document
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Document>,
}
