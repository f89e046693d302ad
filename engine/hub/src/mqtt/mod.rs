//! The device side of the hub: MQTT 3.1.1 over TLS or WebSocket as IoT Hub speaks it. Accepts connections, judges CONNECT, keeps
//! sessions, carries telemetry, twins and methods. The registry, the twins and the store are behind `seam::Backing`.

mod admission;
mod deliver;
mod door;
mod keep_alive;
mod listener;
mod publish;
mod session;
mod settings;
mod shown;
mod subscriptions;
mod telemetry;
#[cfg(test)]
mod tests;
mod window;

pub(crate) use door::{DeviceStream, Door};
pub(crate) use keep_alive::silence;
pub(crate) use listener::{Mqtt, serve};
pub(crate) use settings::{LIMITS, MqttSettings};
pub(crate) use shown::refusal;
