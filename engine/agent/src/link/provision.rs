//! Asks the provisioning service which hub a device belongs to. One attempt from the first packet to the answer; who calls
//! decides whether to try again.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Diagnostic, Seed};
use net::mqtt::{
    ConnAck, Connect, ConnectReturnCode, Connection, Limits, Packet, Publish, QoS, Subscribe, SubscribeFilter,
};
use net::tls::{Roots, TlsError, client_config};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use wire::dps::{
    DPS_RESPONSES, DpsTopic, DpsUsername, RegistrationId, RegistrationOperation, RegistrationState, RegistrationStatus,
    dps_resource,
};
use wire::{DeviceConnection, DeviceCredential, HostPort, Identity, SasKey, sign};

use super::dial::{DialError, Dialer};
use super::line::reason;
use super::open::DeviceStream;
use crate::config::{ClientCertificate, LinkConfig};

/// From the first packet to the assignment. Assignments take seconds; allocation by a program of the operator's, minutes.
const WHOLE: Duration = Duration::from_secs(300);
/// For one answer; SDKs wait as long.
const ANSWER: Duration = Duration::from_secs(30);
/// Between two questions, when the service does not say.
const PAUSE: Duration = Duration::from_secs(2);
/// The longest pause that a service may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Answers have a few hundred bytes, and the operator's payload.
const MOST_BYTES: usize = 256 * 1024;

/// A device that knows its provisioning service and not its hub.
#[derive(Clone, Debug)]
pub struct Enlistment {
    /// The provisioning service.
    pub host: HostPort,
    /// Which one of those behind that host.
    pub id_scope: String,
    /// The device's name there.
    pub registration: RegistrationId,
    /// Its key; without one it shows its certificate.
    pub key: Option<SasKey>,
    /// What it tells the operator.
    pub payload: Option<Value>,
}

/// Why there is no hub.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The service was not reached, or is busy: another try may work.
    #[error("{0}")]
    Unreachable(String),
    /// The service said no.
    #[error("{0}")]
    Refused(Diagnostic),
    /// Certificates or keys cannot be used.
    #[error("cannot set up TLS")]
    Tls(#[from] TlsError),
}

impl From<DialError> for ProvisionError {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Unreachable(why) => Self::Unreachable(why),
            DialError::Refused(finding) | DialError::Stale(finding) | DialError::Never(finding) => {
                Self::Refused(finding)
            }
        }
    }
}

/// Registers once; how the device reaches the hub that it was assigned to.
///
/// # Errors
/// See [`ProvisionError`].
pub async fn provision(
    asked: &Enlistment,
    link: &LinkConfig,
    roots: &Roots,
    certificate: Option<&ClientCertificate>,
    (clock, seed): (Clock, Seed),
) -> Result<DeviceConnection, ProvisionError> {
    let own = certificate.map(|own| (own.chain.as_str(), own.key.expose()));
    let tls: Arc<_> = client_config(roots, own)?;
    let dialer = Rc::new(Dialer::new(link.clone(), clock, seed.of("provisioning").rng(), tls));
    let attempt = async {
        let opened = timeout(link.connect_timeout, dialer.open(&asked.host)).await;
        let stream = opened.map_err(|_| unreachable(asked, "no answer in time"))??;
        let mut registrar =
            Registrar { asked, connection: Connection::new(stream, Limits { max_packet: MOST_BYTES }), rid: 0 };
        registrar.enter(&dialer).await?;
        let state = registrar.register().await?;
        // A courtesy.
        let _ = registrar.send(&Packet::Disconnect).await;
        assigned(asked, state)
    };
    timeout(WHOLE, Box::pin(attempt)).await.map_err(|_| unreachable(asked, "no assignment in time"))?
}

fn unreachable(asked: &Enlistment, why: &str) -> ProvisionError {
    ProvisionError::Unreachable(format!("{}: {why}", asked.host))
}

fn refused(asked: &Enlistment, why: &str) -> ProvisionError {
    let Enlistment { host, registration, id_scope, .. } = asked;
    let finding = Diagnostic::error(format!("{host} does not register {registration} in {id_scope}: {why}"));
    ProvisionError::Refused(finding.labelled("refused").help(format!(
        "is {registration} enrolled there, by itself or through a group whose derived key this is, and enabled?"
    )))
}

/// What the state at the end says.
fn assigned(asked: &Enlistment, state: RegistrationState) -> Result<DeviceConnection, ProvisionError> {
    let (Some(hub), Some(device)) = (&state.assigned_hub, state.device_id) else {
        let why = state.error_message.unwrap_or_else(|| format!("it is {:?}", state.status).to_lowercase());
        return Err(refused(asked, &why));
    };
    let host = hub.parse().map_err(|error| refused(asked, &format!("the assigned hub `{hub}`: {error}")))?;
    let credential = asked.key.clone().map_or(DeviceCredential::X509, DeviceCredential::Key);
    Ok(DeviceConnection { host, gateway: None, identity: Identity::device(device), credential })
}

/// A connection to the service.
struct Registrar<'a> {
    asked: &'a Enlistment,
    connection: Connection<DeviceStream>,
    rid: u16,
}

impl Registrar<'_> {
    async fn send(&mut self, packet: &Packet) -> Result<(), ProvisionError> {
        let queued = self.connection.queue(packet);
        queued.map_err(|error| unreachable(self.asked, &reason(&error)))?;
        self.connection.flush().await.map_err(|error| unreachable(self.asked, &reason(&error)))
    }

    async fn next(&mut self) -> Result<Packet, ProvisionError> {
        let read = timeout(ANSWER, self.connection.read()).await;
        let read = read.map_err(|_| unreachable(self.asked, "no answer in time"))?;
        match read.map_err(|error| unreachable(self.asked, &reason(&error)))? {
            Some(incoming) => Ok(incoming.packet),
            None => Err(unreachable(self.asked, "it closed the connection")),
        }
    }

    /// Login and subscription.
    async fn enter(&mut self, dialer: &Dialer) -> Result<(), ProvisionError> {
        let Enlistment { id_scope, registration, key, .. } = self.asked;
        let password = key.as_ref().map_or_else(String::new, |key| {
            let expiry = dialer.clock.unix_seconds().saturating_add(dialer.config.token_lifetime.as_secs().max(1));
            sign(&dps_resource(id_scope, registration), key, expiry, Some(POLICY)).expose().to_owned()
        });
        let username = DpsUsername {
            id_scope: id_scope.clone(),
            registration: registration.clone(),
            client_version: Some(dialer.config.client_type.clone()),
        };
        let mut connect = Connect::new(registration.as_str());
        connect.clean_session = true;
        connect.keep_alive = 60;
        connect.set_login(username.to_string(), password);
        self.send(&Packet::Connect(connect)).await?;
        match self.next().await? {
            Packet::ConnAck(ConnAck { code: ConnectReturnCode::Success, .. }) => {}
            Packet::ConnAck(ConnAck { code: ConnectReturnCode::ServiceUnavailable, .. }) => {
                return Err(unreachable(self.asked, "it is not available now (code 3)"));
            }
            Packet::ConnAck(ConnAck { code, .. }) => {
                return Err(refused(self.asked, &format!("code {}: {code:?}", code as u8)));
            }
            other => return Err(unreachable(self.asked, &format!("it answered the login with {other:?}"))),
        }
        let mut subscribe = Subscribe::new_many([SubscribeFilter::new(DPS_RESPONSES.to_owned(), QoS::AtMostOnce)]);
        subscribe.pkid = 1;
        self.send(&Packet::Subscribe(subscribe)).await?;
        match self.next().await? {
            Packet::SubAck(_) => Ok(()),
            other => Err(unreachable(self.asked, &format!("it answered the subscription with {other:?}"))),
        }
    }

    /// Asks until it is over.
    async fn register(&mut self) -> Result<RegistrationState, ProvisionError> {
        let body = json!({"registrationId": self.asked.registration, "payload": self.asked.payload}).to_string();
        let mut operation: Option<String> = None;
        loop {
            let (status, pause, answer) = self.ask(operation.as_deref(), &body).await?;
            if (300..429).contains(&status) {
                let message = answer["message"].as_str().unwrap_or("it gives no reason");
                return Err(refused(self.asked, &format!("{status} {message}")));
            }
            // From 429 on it is busy: the same question again.
            if status < 300 {
                let read: RegistrationOperation = serde_json::from_value(answer)
                    .map_err(|error| unreachable(self.asked, &format!("its answer is none: {error}")))?;
                match (read.status, read.registration_state) {
                    (RegistrationStatus::Assigning | RegistrationStatus::Unassigned, _) => {
                        operation = Some(read.operation_id);
                    }
                    (_, Some(state)) => return Ok(state),
                    (_, None) => return Err(unreachable(self.asked, "its answer says nothing")),
                }
            }
            sleep(pause).await;
        }
    }

    /// One question: the status, how long to wait before the next, and the body.
    async fn ask(&mut self, operation: Option<&str>, body: &str) -> Result<(u16, Duration, Value), ProvisionError> {
        self.rid += 1;
        let rid = self.rid.to_string();
        let (topic, body) = match operation {
            None => (DpsTopic::Register { rid: &rid }, body),
            Some(operation) => (DpsTopic::Status { rid: &rid, operation }, " "),
        };
        let mut publish = Publish::new(topic.to_string(), QoS::AtLeastOnce, body);
        publish.pkid = self.rid + 1;
        self.send(&Packet::Publish(publish)).await?;
        loop {
            let Packet::Publish(answer) = self.next().await? else { continue };
            if let Some(DpsTopic::Response { status, rid: of, retry_after }) = DpsTopic::parse(&answer.topic)
                && of == rid
            {
                let pause = retry_after.map_or(PAUSE, Duration::from_secs).min(LONGEST_PAUSE);
                let body = serde_json::from_slice(&answer.payload).unwrap_or(Value::Null);
                return Ok((status, pause, body));
            }
        }
    }
}

/// What a token for the provisioning service must say that it is.
const POLICY: &str = "registration";
