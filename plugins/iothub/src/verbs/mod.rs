//! The verbs, one file each, and what they have in common as [`runner::Action`]s.

mod add_device;
mod get_twin;
mod invoke_method;
mod patch_twin;
mod query;
mod remove_device;
mod set_device_status;
mod verb;
mod via;

pub(crate) use verb::all;
