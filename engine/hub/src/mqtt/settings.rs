//! The MQTT side's limits and patience, each with its reason. Those a test or an operator may want otherwise are fields.

use std::time::Duration;

use net::mqtt::Limits;
use wire::limits::{CONNECT_ARRIVAL, D2C_BYTES, EXPIRY_GRACE, KEEP_ALIVE_MAX, TOPIC_BYTES};

/// The largest packet: the largest message below the longest topic, and room for the header. What a message may
/// really weigh is judged after decoding.
pub(crate) const LIMITS: Limits = Limits { max_packet: D2C_BYTES + TOPIC_BYTES + 64 };
/// The same for a stranger's first packet: a CONNECT with the largest will and room for names and token. Strangers come
/// by the thousand, and what they announce is memory.
pub(crate) const STRANGER: Limits = Limits { max_packet: 64 * 1024 + 8 * 1024 };
/// Above this many bytes that the socket did not take, nothing more is read from the device: it must read first.
pub(crate) const UNSENT: usize = 256 * 1024;
/// How long a device may take no byte of those before it is dropped. SDKs call a hub lost after 10 to 60 s.
pub(crate) const STALL: Duration = Duration::from_secs(60);
/// How long a new connection waits for the socket of the one it replaces to close.
pub(crate) const TAKEOVER_WAIT: Duration = Duration::from_secs(5);
/// How long the last words (a CONNACK, a TLS closing alert) may take.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);
/// How much a refused client may still have under way before its connection is reset.
pub(crate) const FAREWELL_BYTES: usize = 64 * 1024;
/// How much a throttled device may go on saying to nobody: 16 of the largest messages, more than an SDK has under way.
pub(crate) const UNHEARD: usize = 16 * D2C_BYTES;
/// How long a connection that is to meet silence instead of a CONNACK is kept: SDKs give up after 60 s at the latest.
pub(crate) const UNANSWERED: Duration = Duration::from_secs(60);
/// Cloud-to-device messages under way to one device: as many as it may have under way to EdgeHub.
pub(crate) const IN_FLIGHT: usize = 16;
/// How long to wait after a failed `accept`: it fails when files run out, and asking again at once would spin.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What may differ from one hub to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MqttSettings {
    /// From TCP accept to the end of the TLS handshake. SDKs give up after 30 s at the latest.
    pub(crate) handshake_deadline: Duration,
    /// From TCP accept to CONNECT.
    pub(crate) connect_deadline: Duration,
    /// Connections that have not logged in yet; further ones wait in the kernel's queue. Each holds about 15 kB.
    pub(crate) half_open: usize,
    /// The longest silence, and what a keep-alive of 0 means.
    pub(crate) longest_silence: Duration,
    /// How long after its token's end a connection is cut.
    pub(crate) expiry_grace: Duration,
}

impl Default for MqttSettings {
    fn default() -> Self {
        Self {
            handshake_deadline: Duration::from_secs(30),
            connect_deadline: CONNECT_ARRIVAL,
            half_open: 2_000,
            longest_silence: KEEP_ALIVE_MAX,
            expiry_grace: EXPIRY_GRACE,
        }
    }
}
