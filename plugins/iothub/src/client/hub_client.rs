//! The client itself: whom it talks to, as whom, and with which roots of trust. Cheap to clone; all clones share connections,
//! the token and the pace.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Clock, Seed};
use net::tls::Roots;
use rand::rngs::StdRng;
use wire::{HostPort, HubSize, QuotaKind, ServiceConnection};

use super::error::SetupError;
use super::governor::Governor;
use super::newest::Newest;
use super::token::Tokens;

/// A TCP and TLS handshake takes a few round trips; beyond this nobody is there.
const CONNECT: Duration = Duration::from_secs(10);
/// Shorter than the idle limit of load balancers in between (4 minutes at Azure's), or calls would meet dead connections.
const IDLE: Duration = Duration::from_secs(120);

/// A local hub speaks HTTP/2, best first: one connection carries all calls in flight, where HTTP/1.1 wants one each. The service
/// speaks HTTP/1.1 only.
const LOCAL_PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// How to reach a hub.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// Where, and as whom.
    pub connection: ServiceConnection,
    /// Whom to trust.
    pub roots: Roots,
    /// Whether it is a local hub: spoken to without a proxy, and without asking people.
    pub local: bool,
    /// Wall time, for tokens.
    pub clock: Clock,
    /// For jitter and request ids.
    pub seed: Seed,
}

impl HubOptions {
    /// With the system's clock, roots and randomness, of a hub that is not local.
    pub fn new(connection: ServiceConnection) -> Self {
        Self { connection, roots: Roots::System, local: false, clock: Clock::system(), seed: Seed::from_os() }
    }
}

pub(super) struct Inner {
    pub(super) http: reqwest::Client,
    pub(super) options: HubOptions,
    pub(super) tokens: Tokens,
    pub(super) governor: Governor,
    pub(super) newest: Newest,
    pub(super) rng: Mutex<StdRng>,
    /// First half of request ids; the second counts.
    pub(super) prefix: u64,
    pub(super) calls: AtomicU64,
    /// Whether it ever answered: an answer later missing is worth waiting for.
    pub(super) reached: AtomicBool,
    /// Where devices connect, as a local hub tells it.
    pub(super) devices: Mutex<Option<HostPort>>,
}

/// A client of one hub.
#[derive(Clone)]
pub struct HubClient(pub(super) Arc<Inner>);

impl HubClient {
    /// Makes a client; connects to nothing yet.
    pub fn new(options: HubOptions) -> Result<Self, SetupError> {
        let mut tls = (*net::tls::client_config(&options.roots, None)?).clone();
        if options.local {
            tls.alpn_protocols = LOCAL_PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        }
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .user_agent(concat!("iotplay/", env!("CARGO_PKG_VERSION")));
        builder = if options.local { builder.no_proxy() } else { builder.http1_only() };
        let http = builder.build().map_err(SetupError::Http)?;
        let mut rng = options.seed.of("hub-client").rng();
        Ok(Self(Arc::new(Inner {
            http,
            tokens: Tokens::new(options.clock.clone()),
            governor: Governor::new(),
            newest: Newest::default(),
            prefix: rand::Rng::random(&mut rng),
            rng: Mutex::new(rng),
            calls: AtomicU64::new(0),
            reached: AtomicBool::new(false),
            devices: Mutex::new(None),
            options,
        })))
    }

    /// Where, and as whom.
    pub fn connection(&self) -> &ServiceConnection {
        &self.0.options.connection
    }

    /// Whether the hub is local.
    pub fn is_local(&self) -> bool {
        self.0.options.local
    }

    /// The clock that it was given.
    pub fn clock(&self) -> &Clock {
        &self.0.options.clock
    }

    /// From now on no faster than a hub of this size allows. Without it nothing is paced until the hub answers 429.
    pub fn expect_size(&self, size: HubSize) {
        self.0.governor.expect_size(size);
    }

    /// The size that is expected.
    pub fn size(&self) -> Option<HubSize> {
        self.0.governor.size()
    }

    /// How many calls of a kind were sent so far, those that were sent again counted again.
    pub fn sent(&self, kind: QuotaKind) -> u64 {
        self.0.governor.turns(kind)
    }

    /// The least time that so many calls of each kind take, and the kind that takes it; none when the hub's size is not known.
    pub fn least(&self, calls: &[(QuotaKind, usize)]) -> Option<(Duration, QuotaKind)> {
        self.0.governor.least(calls)
    }

    /// About how long so many calls take from now, `at_once` of them in flight.
    pub(crate) fn soonest(&self, kind: QuotaKind, count: usize, at_once: usize) -> Duration {
        self.0.governor.soonest(kind, count, at_once)
    }

    /// How many calls can be sent within so long, `at_once` of them in flight.
    pub(crate) fn within(&self, kind: QuotaKind, limit: Duration, at_once: usize) -> usize {
        self.0.governor.within(kind, limit, at_once)
    }

    /// Whether a row of an index is as new as anything that was seen of its twin.
    pub(crate) fn is_new(&self, id: &str, version: u64) -> bool {
        self.0.newest.row(id, version)
    }

    /// Where devices connect by MQTT, as a local hub says in each answer; `None` before the first one, and for the real
    /// service, whose devices connect to its own name.
    pub fn device_endpoint(&self) -> Option<HostPort> {
        self.0.devices.lock().expect("a host name: no panic while held").clone()
    }
}

impl std::fmt::Debug for HubClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HubClient({})", self.connection().host)
    }
}
