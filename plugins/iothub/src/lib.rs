//! The vocabulary of IoT Hub for playbooks: [`HubClient`] over REST, the inventory of a hub's devices and their twins, and the
//! verbs `invoke_method`, `get_twin`, `patch_twin`, `query`, `add_device`, `remove_device`, `set_device_status`.

mod client;
mod door;
mod failure;
mod inventory;
mod jobs;
mod plugin;
mod round;
mod seen;
mod twin;
mod verbs;
mod verdict;

pub use client::{
    ClientError, Created, Enrolled, FilePiece, HubClient, HubFault, HubOptions, Pages, SetupError, Statistics, Taken,
};
pub use inventory::IotHubInventory;
pub use plugin::IotHub;
