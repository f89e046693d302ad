//! Flags of the small commands: one call, one device, one answer.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use clap_complete::Shell;

use super::run::duration;
use super::{AddArgs, SimArgs};

/// `iotplay invoke`.
#[derive(Args, Clone, Debug)]
pub(crate) struct InvokeArgs {
    /// The device's id
    pub(crate) device: String,
    /// The method's name
    pub(crate) method: String,
    /// The payload, as JSON
    #[arg(value_name = "JSON")]
    pub(crate) payload: Option<String>,
    /// How long the device may take to answer (5s to 300s)
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    pub(crate) response_timeout: Duration,
    /// How long to wait for the device to be connected (0s to 300s)
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
    pub(crate) connect_timeout: Duration,
    /// Do not ask before changing a device of a hub that is not local; a production hub wants its name: --yes=NAME
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    pub(crate) yes: Option<String>,
    /// The simulated devices of a hub in this process.
    #[command(flatten)]
    pub(crate) sim: SimArgs,
}

/// `iotplay twin`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TwinCommand {
    /// Print a device's twin
    Get(DeviceName),
    /// Merge a JSON patch into a device's tags and desired properties
    Patch(TwinPatchArgs),
}

/// `iotplay twin patch`.
#[derive(Args, Clone, Debug)]
pub(crate) struct TwinPatchArgs {
    /// The device's id
    pub(crate) device: String,
    /// {"tags":{..},"desired":{..}}; null deletes a key
    #[arg(value_name = "JSON")]
    pub(crate) patch: String,
    /// Do not ask before changing a device of a hub that is not local; a production hub wants its name: --yes=NAME
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    pub(crate) yes: Option<String>,
}

/// `iotplay devices`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DevicesCommand {
    /// List the hub's devices
    List,
    /// Print a device's identity (without its keys)
    Show(DeviceName),
    /// Make a device and print its connection string
    Add(AddArgs),
    /// Delete devices
    Remove(RemoveArgs),
}

/// `iotplay devices remove`.
#[derive(Args, Clone, Debug)]
pub(crate) struct RemoveArgs {
    /// The devices' ids
    #[arg(value_name = "DEVICE", required = true)]
    pub(crate) devices: Vec<String>,
    /// Do not ask before changing a hub that is not local; a production hub wants its name: --yes=NAME
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    pub(crate) yes: Option<String>,
}

/// One device.
#[derive(Args, Clone, Debug)]
pub(crate) struct DeviceName {
    /// The device's id
    pub(crate) device: String,
}

/// `iotplay init`.
#[derive(Args, Clone, Debug)]
pub(crate) struct InitArgs {
    /// The new folder
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

/// `iotplay plugins`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PluginsCommand {
    /// List plugins and their verbs
    List,
    /// Print a verb's parameters
    Show {
        /// The verb or plugin
        name: String,
    },
}

/// `iotplay completions`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}
