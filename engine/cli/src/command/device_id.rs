//! A device's id as typed on the command line.

use wire::DeviceId;

use crate::process::Trouble;

/// The id, or what is wrong with it.
pub(crate) fn device_id(text: &str) -> Result<DeviceId, Trouble> {
    text.parse().map_err(|error| Trouble::usage(format!("`{text}` is not a device id: {error}")))
}
