//! Bytes on the network: TLS with an authority of our own, strict MQTT 3.1.1 framing with one flush per batch, WebSocket.
//! Serves the agent, the hub and plugins; knows no word of IoT Hub: topics here are only text that must be well formed.

pub mod metrics;
pub mod mqtt;
pub mod tls;
pub mod ws;
