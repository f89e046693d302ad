//! What a peer may do wrong in its frames, and the code that a Close frame says it with.

use std::io;

/// A breach of RFC 6455, or of what is carried here. Ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WsViolation {
    /// Extensions were not agreed on.
    #[error("a WebSocket frame uses reserved bits")]
    ReservedBits,
    /// Not one of the six.
    #[error("a WebSocket frame has the unknown opcode {0}")]
    Opcode(u8),
    /// MQTT is binary.
    #[error("a WebSocket message is text where binary is spoken")]
    Text,
    /// Close, Ping and Pong are small and whole.
    #[error("a WebSocket control frame is split or larger than 125 bytes")]
    Control,
    /// A client masks, a server does not.
    #[error("a WebSocket frame is masked where it must not be, or not masked where it must be")]
    Masking,
    /// More bytes for the length than it takes, or its highest bit.
    #[error("the length of a WebSocket frame is badly written")]
    Length,
    /// Beyond [`MAX_FRAME`](super::MAX_FRAME).
    #[error("a WebSocket frame of {0} bytes is too large")]
    TooLarge(u64),
    /// A message begins before the one before has ended, or goes on without having begun.
    #[error("the parts of a WebSocket message do not fit together")]
    Parts,
    /// Anything but two bytes of code and perhaps a reason.
    #[error("a WebSocket Close frame holds one byte")]
    Close,
}

impl WsViolation {
    /// The status that a Close frame carries.
    pub(super) fn close_code(self) -> u16 {
        match self {
            Self::Text => 1003,
            Self::TooLarge(_) => 1009,
            _ => 1002,
        }
    }
}

impl From<WsViolation> for io::Error {
    fn from(violation: WsViolation) -> Self {
        Self::new(io::ErrorKind::InvalidData, violation)
    }
}
