//! A device's line to its hub: how the session sees it, and the real one over MQTT and TLS, in a WebSocket or without.

mod device_link;
mod dial;
#[cfg(test)]
pub(crate) mod fake;
mod line;
#[cfg(test)]
mod line_tests;
mod login;
mod mqtt;
mod open;
mod provision;

pub(crate) use device_link::{DeviceLink, Down, Inbound, Outbound};
pub(crate) use dial::Dialer;
pub(crate) use login::Login;
pub(crate) use mqtt::MqttLink;
pub use provision::{Enlistment, ProvisionError, provision};
