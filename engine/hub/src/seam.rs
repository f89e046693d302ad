//! Where the two halves of the hub meet: what the MQTT side asks of the state ([`Backing`]), and what both report to
//! whoever watches the hub ([`HubEvent`]). No behaviour here, and nothing of REST.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use net::tls::PeerCertificate;
use wire::blob::UploadDocument;
use wire::dps::{DpsError, RegisterRequest, RegistrationId, RegistrationOperation};
use wire::{DeviceFilter, ErrorCode, HubError, Identity, PropertyBag, Username, property};

/// What devices over MQTT need from the registry, the twins and the store. `HubState` is one; tests bring a fake.
pub(crate) trait Backing: Send + Sync + 'static {
    /// Judges a CONNECT: user name form, clientId, token or certificate, status. Synchronous: it only computes and looks up.
    fn login(&self, username: &Username, client_id: &str, proof: Proof<'_>) -> Result<Login, Refused>;

    /// Answers a registering device; it is judged anew each time.
    fn provision(&self, ask: Ask<'_>) -> impl Future<Output = Result<RegistrationOperation, ProvisionRefused>> + Send;

    /// The twin as a device sees it: both sections, no tags, no metadata.
    fn twin_for_device(&self, identity: &Identity) -> Result<Bytes, HubError>;

    /// Merges a reported patch; its new version once that is durable.
    fn patch_reported(&self, identity: &Identity, patch: &[u8]) -> impl Future<Output = Result<u64, HubError>> + Send;

    /// Notes connection state and times. Must not wait for the disk: it is called with the exchange locked.
    fn set_connected(&self, identity: &Identity, connected: bool);

    /// Notes that it sent something just now. Called for every message, so it must cost next to nothing.
    fn note_activity(&self, identity: &Identity);

    /// The next cloud-to-device messages for the connection, at most `room`, marked as sent before this returns. With `settle`
    /// they are done with; else they are the connection's until it acknowledges them or ends.
    fn take_messages(
        &self,
        identity: &Identity,
        room: usize,
        settle: bool,
    ) -> impl Future<Output = Vec<Delivery>> + Send;

    /// The device has acknowledged a message; durable before it returns.
    fn settle_message(&self, identity: &Identity, sequence: u64) -> impl Future<Output = ()> + Send;

    /// The subscriptions of a kept session; `None` when there is no session.
    fn load_session(&self, identity: &Identity) -> Option<Vec<Subscription>>;

    /// Keeps a session's subscriptions (`None` ends the session); durable before it returns.
    fn store_session(&self, identity: &Identity, session: Option<Vec<Subscription>>)
    -> impl Future<Output = ()> + Send;
}

/// What a client shows to prove who it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Proof<'a> {
    /// The password of CONNECT; an empty one is none.
    pub(crate) password: Option<&'a [u8]>,
    /// The certificate of the TLS handshake; without a password it counts.
    pub(crate) certificate: Option<&'a PeerCertificate>,
    /// How many seconds ahead the hub's clock is when it looks at them: none, unless that was asked for.
    pub(crate) skew: i64,
}

/// What a registering device asks.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    /// Which provisioning service.
    pub(crate) id_scope: &'a str,
    /// Who, as it says.
    pub(crate) registration: &'a RegistrationId,
    pub(crate) proof: Proof<'a>,
    pub(crate) wish: Wish,
}

/// What it wants.
#[derive(Debug)]
pub(crate) enum Wish {
    /// To be assigned to a hub.
    Register(RegisterRequest),
    /// How far that is, by the operation's id.
    Status(String),
    /// What came of it last.
    Lookup,
}

/// A registering device that was turned away: the reason is for the log, the error for the device.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct ProvisionRefused {
    pub(crate) reason: String,
    pub(crate) error: DpsError,
}

/// A subscription as it is kept: the filter, and the quality of service granted (0 or 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) filter: DeviceFilter,
    pub(crate) qos: u8,
}

/// A cloud-to-device message for a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// Its number, to acknowledge it by.
    pub(crate) sequence: u64,
    pub(crate) topic: Arc<str>,
    pub(crate) body: Bytes,
    /// It was sent before, and may have arrived.
    pub(crate) again: bool,
}

/// A CONNECT that was let in.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) identity: Identity,
    /// When the token ends; `None` when the credential has no end (X.509).
    pub(crate) expires: Option<SystemTime>,
    /// For the telemetry property `iothub-connection-auth-method`.
    pub(crate) auth_method: &'static str,
    /// For the telemetry property `iothub-connection-auth-generation-id`.
    pub(crate) generation: Arc<str>,
}

/// A CONNECT that was turned away; the reason is for the log only, the device gets code 5.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Refused {
    pub(crate) reason: String,
}

/// What happens in the hub, for whoever started it: a console, a test, a dashboard.
#[derive(Clone, Debug)]
pub enum HubEvent {
    /// A device or module is connected over MQTT.
    Connected {
        /// Who.
        identity: Identity,
        /// From where.
        peer: Option<SocketAddr>,
        /// Whether a kept session was resumed.
        session_present: bool,
    },
    /// It is no longer connected.
    Disconnected {
        /// Who.
        identity: Identity,
        /// Why, as a lowercase fragment.
        why: String,
    },
    /// A CONNECT was refused, or a connection failed before one.
    Refused {
        /// The clientId, when it came that far.
        client_id: Option<String>,
        /// From where.
        peer: Option<SocketAddr>,
        /// Why, as a lowercase fragment; never contains a credential.
        reason: String,
    },
    /// A device-to-cloud message.
    Telemetry(Arc<Telemetry>),
    /// A service's call was refused with 401.
    ServiceRefused {
        /// From where.
        peer: SocketAddr,
        /// Why, as a lowercase fragment; never contains a credential.
        reason: String,
    },
    /// More was asked for than the hub's quota allows, and it was refused.
    Throttled {
        /// The device that asked; none for a service.
        identity: Option<Identity>,
        /// What was too much, as a sentence.
        reason: String,
    },
    /// A fault that the hub was asked for has shown.
    FaultShown {
        /// Which.
        id: u64,
        /// What kind, by its word in profiles.
        kind: &'static str,
        /// To whom; none for a service.
        identity: Option<Identity>,
        /// What happens, as a lowercase fragment.
        what: String,
    },
    /// A device's message asks for a fault.
    FaultAsked {
        /// Who asks.
        identity: Identity,
        /// For what, and what becomes of it, as a lowercase fragment.
        said: String,
    },
    /// A device's upload of a file is over: it worked, failed, or took too long.
    Uploaded(Arc<UploadDocument>),
    /// A service called a method; said when it is over.
    MethodCalled {
        /// Whose method.
        identity: Identity,
        /// The method's name.
        name: String,
        /// The device's status, or the hub's code when no answer came.
        outcome: Result<i32, ErrorCode>,
    },
}

/// A device-to-cloud message as the hub accepted it.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Who sent it.
    pub identity: Identity,
    /// The bag of the topic, system keys (`$.ct`) and application keys alike, plus what the hub adds for MQTT
    /// (`mqtt-retain`, `mqtt-dup`, `iothub-MessageType`).
    pub properties: PropertyBag,
    /// What is known about the connection it came over; shared by all messages of that connection.
    pub sender: Arc<Sender>,
    /// The payload.
    pub body: Bytes,
    /// When the hub took it.
    pub enqueued: SystemTime,
}

/// What the hub knows about the connection that a message came over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// How the sender proved who it is, as JSON.
    pub auth_method: &'static str,
    /// The generation of the device in the registry.
    pub generation: Arc<str>,
    /// The DTDL model that it announced.
    pub model_id: Option<String>,
}

impl Telemetry {
    /// What the hub stamps on a message, by the names that IoT Hub gives these properties.
    pub fn stamps(&self) -> Vec<(&'static str, String)> {
        let mut stamps = vec![(property::CONNECTION_DEVICE, self.identity.device.to_string())];
        if let Some(module) = &self.identity.module {
            stamps.push((property::CONNECTION_MODULE, module.to_string()));
        }
        stamps.push((property::CONNECTION_GENERATION, self.sender.generation.to_string()));
        stamps.push((property::CONNECTION_AUTH, self.sender.auth_method.to_owned()));
        stamps.push((property::ENQUEUED, base::rfc3339_millis(self.enqueued)));
        if let Some(model) = &self.sender.model_id {
            stamps.push((property::DATA_SCHEMA, model.clone()));
        }
        stamps
    }
}

/// A sink for [`HubEvent`]s; called on the hub's thread, so it must not block.
#[derive(Clone)]
pub struct HubLog(Arc<dyn Fn(HubEvent) + Send + Sync>);

impl HubLog {
    /// Calls `sink` for every event.
    pub fn new(sink: impl Fn(HubEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Forgets every event.
    pub fn none() -> Self {
        Self::new(|_| {})
    }

    pub(crate) fn say(&self, event: HubEvent) {
        (self.0)(event);
    }
}

impl fmt::Debug for HubLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HubLog")
    }
}
