//! What can go wrong while measuring. A benchmark that cannot measure says so and reports nothing.

use thiserror::Error;

/// The reason, in words.
#[derive(Debug, Error)]
pub(crate) enum BenchError {
    /// The network or the file system.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// MQTT framing.
    #[error("mqtt: {0:?}")]
    Mqtt(rumqttc::mqttbytes::Error),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<rumqttc::mqttbytes::Error> for BenchError {
    fn from(error: rumqttc::mqttbytes::Error) -> Self {
        Self::Mqtt(error)
    }
}

/// An error in words.
pub(crate) fn other(text: impl std::fmt::Display) -> BenchError {
    BenchError::Other(text.to_string())
}

/// The result of every step here.
pub(crate) type Result<T> = std::result::Result<T, BenchError>;
