//! Flags of `hub enroll`: who may register with the local provisioning service.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `iotplay hub enroll`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum EnrollCommand {
    /// Let one device register, and print its key
    Device(EnrollDeviceArgs),
    /// Let a group of devices register, and print the group's key
    Group(EnrollGroupArgs),
    /// Print the key of one device of a group
    Key {
        /// The group
        group: String,
        /// The device's registration id
        registration: String,
    },
    /// List the enrolments
    List,
    /// Remove an enrolment; devices that are registered stay at their hubs
    Remove {
        /// The registration id, or the group's name
        name: String,
        /// It is a group
        #[arg(long)]
        group: bool,
    },
    /// Print the ID scope of the hub that runs for this folder
    Scope,
}

/// `iotplay hub enroll device`.
#[derive(Args, Clone, Debug)]
pub(crate) struct EnrollDeviceArgs {
    /// The registration id
    pub(crate) registration: String,
    /// The device's id at its hub; the registration id, if none is given
    #[arg(long, value_name = "ID")]
    pub(crate) device_id: Option<String>,
    /// It proves itself with this certificate (PEM) instead of a key
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// A hub to assign it to; may be repeated
    #[arg(long = "assign", value_name = "HUB")]
    pub(crate) hubs: Vec<String>,
}

/// `iotplay hub enroll group`.
#[derive(Args, Clone, Debug)]
pub(crate) struct EnrollGroupArgs {
    /// The group's name
    pub(crate) name: String,
    /// Its devices prove themselves with certificates that this authority (PEM) has signed, instead of keys
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// A hub to assign its devices to; may be repeated
    #[arg(long = "assign", value_name = "HUB")]
    pub(crate) hubs: Vec<String>,
}
