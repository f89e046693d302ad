//! Why a connection cannot go on. Every variant ends it; only [`MqttError::Level`] may be answered first.

/// A failure of the stream or of what came over it.
#[derive(Debug, thiserror::Error)]
pub enum MqttError {
    /// The stream failed, or ended inside a packet.
    #[error("the connection failed")]
    Io(#[from] std::io::Error),
    /// The peer broke the protocol.
    #[error("protocol violation: {0}")]
    Protocol(#[from] Violation),
    /// A CONNECT for another version of MQTT; a server answers code 1 before it closes.
    #[error("protocol level {0} instead of 4")]
    Level(u8),
    /// A packet announces more bytes than this end takes.
    #[error("a packet of {announced} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// Bytes the header announces, header included.
        announced: usize,
        /// The limit.
        limit: usize,
    },
    /// A packet given to [`queue`](super::Connection::queue) cannot be written.
    #[error("packet cannot be written: {0}")]
    Unwritable(&'static str),
}

/// What MQTT 3.1.1 forbids and the peer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Packet types 0 and 15.
    #[error("reserved packet type {0}")]
    PacketType(u8),
    /// Flag bits that the packet type does not have.
    #[error("wrong flags {flags:#x} in the header of packet type {kind}")]
    Flags {
        /// Packet type, 1 to 14.
        kind: u8,
        /// The low four bits.
        flags: u8,
    },
    /// More than four bytes of remaining length.
    #[error("malformed remaining length")]
    RemainingLength,
    /// A field reaches beyond the packet's end.
    #[error("packet ends inside a field")]
    Truncated,
    /// Bytes after the last field.
    #[error("bytes after the end of the packet")]
    TrailingBytes,
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// U+0000 in a text.
    #[error("text contains U+0000")]
    Nul,
    /// A publish or will topic without a character.
    #[error("empty topic")]
    EmptyTopic,
    /// `+` or `#` in a publish or will topic.
    #[error("wildcard in the topic of a publish")]
    WildcardTopic,
    /// A topic filter without a character.
    #[error("empty topic filter")]
    EmptyFilter,
    /// SUBSCRIBE, UNSUBSCRIBE or SUBACK about nothing.
    #[error("empty list of topic filters")]
    NoFilters,
    /// A packet identifier of 0.
    #[error("packet identifier 0")]
    PacketIdZero,
    /// QoS 3, or reserved bits beside a QoS.
    #[error("invalid quality of service {0:#x}")]
    QoS(u8),
    /// DUP on a publish of QoS 0.
    #[error("duplicate flag on a publish of quality of service 0")]
    DupAtMostOnce,
    /// A CONNECT whose protocol is not called `MQTT`.
    #[error("unknown protocol name")]
    ProtocolName,
    /// Reserved or contradictory bits among CONNECT's flags.
    #[error("invalid connect flags {0:#04x}")]
    ConnectFlags(u8),
    /// Reserved bits among CONNACK's flags, or a session present on a refusal.
    #[error("invalid connection acknowledgement flags {0:#04x}")]
    ConnAckFlags(u8),
    /// A return code that the packet cannot carry.
    #[error("invalid return code {0:#04x}")]
    ReturnCode(u8),
}
