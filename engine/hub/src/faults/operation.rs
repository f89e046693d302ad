//! What a hub does for others, as far as a fault can be about it, and the points at which faults show. Pure.

/// An operation, by the word that profiles use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// A device logs in.
    Connect,
    /// A message of a device, and its acknowledgement.
    Telemetry,
    /// A device's answer to a direct method.
    Methods,
    /// A device's request for its twin.
    Twin,
    /// A cloud-to-device message on its way to the device.
    C2d,
    /// Every call of a service.
    Rest,
    /// Those about identities.
    Registry,
    /// Queries.
    Query,
}

impl Operation {
    /// All of them, by name.
    pub(crate) const ALL: [(&'static str, Self); 8] = [
        ("connect", Self::Connect),
        ("telemetry", Self::Telemetry),
        ("methods", Self::Methods),
        ("twin", Self::Twin),
        ("c2d", Self::C2d),
        ("rest", Self::Rest),
        ("registry", Self::Registry),
        ("query", Self::Query),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, one)| *one == self).map_or("", |(name, _)| name)
    }

    /// Calls of services, whatever kind of fault.
    pub(super) fn is_of_services(self) -> bool {
        matches!(self, Self::Rest | Self::Registry | Self::Query)
    }
}

/// Where in an operation a fault can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point<'a> {
    /// CONNECT was judged and found good.
    Connect,
    /// A message arrived.
    Telemetry,
    /// An answer to a method arrived.
    MethodReply,
    /// A twin request arrived.
    TwinRequest,
    /// A cloud-to-device message is about to go out.
    Delivery,
    /// The device has acknowledged one.
    DeliveryAck,
    /// A service's call that is about all of these was authorised.
    Rest(&'a [Operation]),
}

impl Point<'_> {
    /// What is hit there, for a log line.
    pub(super) fn told(self) -> &'static str {
        match self {
            Self::Connect => "its connection",
            Self::Telemetry => "its message",
            Self::MethodReply => "its answer to a method",
            Self::TwinRequest => "its twin request",
            Self::Delivery => "a message for it",
            Self::DeliveryAck => "its acknowledgement of a message",
            Self::Rest(_) => "the call of a service",
        }
    }
}
