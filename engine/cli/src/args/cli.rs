//! The top of the command line: the commands that exist, and the flags that all of them share.

use std::path::PathBuf;

use clap::{Args, FromArgMatches as _, Parser, Subcommand};

use super::{
    AgentArgs, CheckArgs, CompletionsArgs, DevicesCommand, HubArgs, InitArgs, InvokeArgs, PluginsCommand, ResumeArgs,
    RetryArgs, RunArgs, RunsArgs, SendArgs, ShowArgs, TestArgs, TwinCommand,
};

/// Automates fleets of devices behind Azure IoT Hub: runner, agent and local hub in one binary.
#[derive(Debug, Parser)]
#[command(name = "iotplay", version, max_term_width = 120, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "Each long flag can be set in the environment too: --sim-reboot is IOTPLAY_SIM_REBOOT.\n\
                        Exit codes and files: docs/commands.md")]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What every command understands.
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Flags that every command understands.
#[derive(Args, Clone, Debug)]
pub(crate) struct Common {
    /// The hub: a name from iotplay.yaml, or a service connection string
    #[arg(long, global = true, value_name = "NAME|STRING", help_heading = "Hub")]
    pub(crate) hub: Option<String>,
    /// A PEM file of certificate authorities to trust beside the system's
    #[arg(long, global = true, value_name = "FILE", help_heading = "Hub")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Where the local hub of this folder keeps its state
    #[arg(long, global = true, value_name = "DIR", default_value = ".iotplay/hub", help_heading = "Hub")]
    pub(crate) data: PathBuf,
    /// Diagnostic log on stderr: error, warn, info, debug, trace, or per module
    #[arg(long, global = true, value_name = "FILTER", help_heading = "Hub")]
    pub(crate) log: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a playbook (.yaml) or a runner script (.rhai)
    Run(RunArgs),
    /// Go on with a run that was interrupted, or that waits for an approval
    Resume(ResumeArgs),
    /// Run the same playbook again over the devices that did not make it
    Retry(RetryArgs),
    /// List the runs of this folder, newest first
    Runs(RunsArgs),
    /// Show what happened in a run, call by call
    Show(ShowArgs),
    /// Check playbooks and scripts without sending anything
    Check(CheckArgs),
    /// Play the cases of handlers, without a hub and without waiting
    Test(TestArgs),
    /// Call one direct method and print the reply's payload
    Invoke(InvokeArgs),
    /// Send a cloud-to-device message through the local hub
    Send(SendArgs),
    /// Read or patch a device's twin
    #[command(subcommand)]
    Twin(TwinCommand),
    /// List, show, add and remove devices
    #[command(subcommand)]
    Devices(DevicesCommand),
    /// Run as a device: one real board, or simulated ones
    Agent(AgentArgs),
    /// Run a local, wire-compatible IoT Hub
    Hub(HubArgs),
    /// Make a new folder with one playbook and one handler
    Init(InitArgs),
    /// The verbs that playbooks can use
    #[command(subcommand)]
    Plugins(PluginsCommand),
    /// Print the JSON Schema of playbooks, for editors
    Schema,
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

/// Parses the process's arguments and environment.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    let matches = super::command().try_get_matches()?;
    Cli::from_arg_matches(&matches)
}
