//! What can go wrong, on which operations, and how that is said. Pure.

use std::time::Duration;

use base::format_duration;

use super::operation::{Operation, Point};
use crate::quota::Latency;

use Operation::{C2d, Connect, Methods, Query, Registry, Rest, Telemetry, Twin};

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// With a reset (RST).
    Reset,
    /// As the hub ends one: TLS's alert, then FIN.
    Close,
    /// Not at all: nothing is heard of it any more.
    Silence,
}

impl How {
    pub(super) const ALL: [(&'static str, Self); 3] =
        [("reset", Self::Reset), ("close", Self::Close), ("silence", Self::Silence)];
}

/// How an operation is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// The HTTP status, or that of a twin's answer.
    pub(crate) status: u16,
    /// The code of CONNACK.
    pub(crate) code: u8,
    /// What HTTP's header says.
    pub(crate) retry_after: Option<Duration>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Operations take longer.
    AnswersLate(Latency),
    /// The hub's clock is so many seconds ahead when it judges tokens and certificates, or behind.
    ClockSkew(i64),
    /// Connections end.
    Cuts(How),
    /// Operations are done, and their answers get lost.
    DropsReply,
    /// Cloud-to-device messages are sent twice, the second time marked as such.
    Duplicates,
    /// A device's token ends so long after its login.
    EarlyExpiry(Duration),
    /// Operations are refused.
    Rejects(Rejection),
    /// Bytes go one by one.
    Slices,
    /// So many bytes a second, each way.
    Slow(u32),
    /// Nothing goes either way for so long, then everything.
    Stalls(Duration),
}

/// Every kind's name, and the operations it can be on.
pub(super) const KINDS: [(&str, &[Operation]); 10] = [
    ("answers_late", &[Connect, Telemetry, Methods, Twin, C2d, Rest, Registry, Query]),
    ("clock_skew", &[Connect, Rest]),
    ("cuts", &[Connect, Telemetry, Methods, Twin, C2d, Rest, Registry, Query]),
    ("drops_reply", &[Telemetry, Methods, Twin, C2d, Rest, Registry, Query]),
    ("duplicates", &[C2d]),
    ("early_expiry", &[Connect]),
    ("rejects", &[Connect, Telemetry, Methods, Twin, Rest, Registry, Query]),
    ("slices", &[]),
    ("slow", &[]),
    ("stalls", &[Connect, Telemetry, Methods, Twin, C2d]),
];

impl Kind {
    pub(crate) fn name(&self) -> &'static str {
        KINDS[self.place()].0
    }

    /// Its place among [`KINDS`].
    fn place(&self) -> usize {
        match self {
            Self::AnswersLate(_) => 0,
            Self::ClockSkew(_) => 1,
            Self::Cuts(_) => 2,
            Self::DropsReply => 3,
            Self::Duplicates => 4,
            Self::EarlyExpiry(_) => 5,
            Self::Rejects(_) => 6,
            Self::Slices => 7,
            Self::Slow(_) => 8,
            Self::Stalls(_) => 9,
        }
    }

    /// Whether it is about whole connections when no operation is named.
    pub(super) fn is_of_connections(&self) -> bool {
        matches!(self, Self::Cuts(_) | Self::Stalls(_))
    }

    /// Whether it changes how a connection's bytes go.
    pub(super) fn is_of_bytes(&self) -> bool {
        matches!(self, Self::Slow(_) | Self::Slices)
    }

    /// Whether it shows there when it is on these operations.
    pub(super) fn shows_at(&self, on: &[Operation], point: Point<'_>) -> bool {
        match self {
            Self::ClockSkew(_) | Self::EarlyExpiry(_) | Self::Slices | Self::Slow(_) => return false,
            // While an outage lasts nobody gets in.
            Self::Cuts(_) if on.is_empty() => return point == Point::Connect,
            _ => {}
        }
        match point {
            Point::Connect => on.contains(&Connect),
            Point::Telemetry => on.contains(&Telemetry),
            // A refusal of a method is the service's to hear, when it calls.
            Point::MethodReply => on.contains(&Methods) && !matches!(self, Self::Rejects(_)),
            Point::TwinRequest => on.contains(&Twin),
            Point::Delivery => on.contains(&C2d) && *self != Self::DropsReply,
            Point::DeliveryAck => on.contains(&C2d) && *self == Self::DropsReply,
            Point::Rest(about) => {
                about.iter().any(|one| on.contains(one) && (one.is_of_services() || matches!(self, Self::Rejects(_))))
            }
        }
    }

    /// What it does to whatever it hits: `is refused with 503`.
    pub(super) fn told(&self) -> String {
        match self {
            Self::AnswersLate(by) => format!("is {by} late"),
            Self::ClockSkew(by) => {
                let side = if *by < 0 { "behind" } else { "ahead" };
                format!("meets a clock that is {} {side}", format_duration(Duration::from_secs(by.unsigned_abs())))
            }
            Self::Cuts(How::Reset) => "ends with a reset".to_owned(),
            Self::Cuts(How::Close) => "ends with a close".to_owned(),
            Self::Cuts(How::Silence) => "falls silent".to_owned(),
            Self::DropsReply => "is answered, and the answer gets lost".to_owned(),
            Self::Duplicates => "is sent twice".to_owned(),
            Self::EarlyExpiry(lives) => format!("ends {} after the login", format_duration(*lives)),
            Self::Rejects(Rejection { status: 0, code, .. }) => format!("is refused with code {code}"),
            Self::Rejects(Rejection { status, code: 0, .. }) => format!("is refused with {status}"),
            Self::Rejects(Rejection { status, code, .. }) => format!("is refused with {status}, or code {code}"),
            Self::Slices => "goes byte by byte".to_owned(),
            Self::Slow(rate) => format!("goes at {rate} bytes a second"),
            Self::Stalls(takes) => format!("stalls for {}", format_duration(*takes)),
        }
    }
}
