//! The local IoT Hub: an honest counterpart for devices over MQTT and for services over REST, TLS on every leg.

mod exchange;
mod link;
mod mqtt;
mod seam;

pub use seam::{HubEvent, HubLog, Sender, Telemetry};
