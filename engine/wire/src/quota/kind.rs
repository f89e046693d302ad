//! What IoT Hub counts apart. A name and a number for each; how many are allowed is in `tier`.

use std::fmt;

/// An operation that has a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaKind {
    /// Reads and writes of the identity registry; a bulk call is one per device.
    Identities,
    /// New connections of devices.
    Connections,
    /// Device-to-cloud messages.
    Telemetry,
    /// Pages of queries.
    Queries,
    /// Method calls, one per 4 KB of the request's payload.
    Methods,
    /// Reads of twins, by services and by devices.
    TwinReads,
    /// Writes of twins, by services and by devices.
    TwinWrites,
    /// Cloud-to-device messages.
    Messages,
    /// Creating, listing, reading and cancelling jobs.
    Jobs,
    /// The calls and twin updates that jobs make, one per device.
    JobDevices,
    /// Uploads of files that devices begin.
    Uploads,
}

impl QuotaKind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Identities,
        Self::Connections,
        Self::Telemetry,
        Self::Queries,
        Self::Methods,
        Self::TwinReads,
        Self::TwinWrites,
        Self::Messages,
        Self::Jobs,
        Self::JobDevices,
        Self::Uploads,
    ];

    /// Whether it is paid for by the message: the registry, connections, uploads and the jobs themselves are free.
    pub fn is_metered(self) -> bool {
        !matches!(self, Self::Identities | Self::Connections | Self::Jobs | Self::Uploads)
    }

    /// Whether hubs of the basic tiers have it: they take messages, and that is all.
    pub fn is_basic(self) -> bool {
        matches!(self, Self::Identities | Self::Connections | Self::Telemetry | Self::Queries | Self::Uploads)
    }
}

/// As in `direct methods`.
impl fmt::Display for QuotaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identities => "identity operations",
            Self::Connections => "new connections",
            Self::Telemetry => "device-to-cloud messages",
            Self::Queries => "queries",
            Self::Methods => "direct methods",
            Self::TwinReads => "twin reads",
            Self::TwinWrites => "twin updates",
            Self::Messages => "cloud-to-device messages",
            Self::Jobs => "job operations",
            Self::JobDevices => "job device operations",
            Self::Uploads => "file uploads",
        })
    }
}
