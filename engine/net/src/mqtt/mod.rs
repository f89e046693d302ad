//! MQTT 3.1.1, strictly, for either end of a connection: frames in, packets out, one flush per batch.
//! Packets are rumqttc's types and are written by its encoder; reading is our own, because its decoder lets through
//! wrong flags, wildcards, empty topics, trailing bytes and MQTT 5. Sessions, timers and topics' meaning are not here.

mod connection;
mod decode;
mod encode;
mod error;
mod frame;
mod reader;

pub use connection::{Connection, Incoming, Limits};
pub use decode::RawFlags;
pub use encode::write_publish;
pub use error::{MqttError, Violation};
pub use rumqttc::mqttbytes::v4::{
    ConnAck, Connect, ConnectReturnCode, LastWill, Login, Packet, PubAck, Publish, SubAck, Subscribe, SubscribeFilter,
    SubscribeReasonCode, UnsubAck, Unsubscribe,
};
pub use rumqttc::mqttbytes::{Protocol, QoS};
