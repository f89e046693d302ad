//! A registering device's connection from CONNACK to its end. Nobody knows yet who it is: each request is judged by itself, and
//! every refusal is the same. Keeps no session and no subscriptions.

use std::sync::Arc;
use std::time::Duration;

use base::Secret;
use net::mqtt::{
    ConnAck, Connect, ConnectReturnCode, Connection, MqttError, Packet, PubAck, Publish, QoS, SubAck, Subscribe,
    SubscribeReasonCode, UnsubAck,
};
use net::tls::PeerCertificate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};
use wire::dps::{DPS_RESPONSES, DpsError, DpsTopic, DpsUsername, RegisterRequest, RegistrationOperation};
use wire::limits::KEEP_ALIVE_MAX;

use crate::mqtt::{Mqtt, silence};
use crate::seam::{Ask, Backing, Proof, Wish};

/// Registering devices at once; one more is told to come later. Strangers may hold these, at some 10 kB each.
pub(crate) const SESSIONS: usize = 1_000;
/// A registration takes seconds; who stays longer is in somebody's place.
const LIFE: Duration = Duration::from_secs(600);
/// How long the last words may take.
const FAREWELL: Duration = Duration::from_secs(2);
/// Bytes that may wait for a device that does not read: some hundred answers.
const UNSENT: usize = 64 * 1024;

/// See the module's description.
pub(crate) struct DpsSession<S, B> {
    hub: Arc<Mqtt<B>>,
    connection: Connection<S>,
    username: DpsUsername,
    password: Secret,
    certificate: Option<PeerCertificate>,
    silence: Duration,
    subscribed: bool,
    _place: OwnedSemaphorePermit,
}

impl<S: AsyncRead + AsyncWrite + Unpin, B: Backing> DpsSession<S, B> {
    /// Takes a connection after its CONNECT.
    pub(crate) fn new(
        hub: Arc<Mqtt<B>>,
        connection: Connection<S>,
        connect: &Connect,
        username: DpsUsername,
        certificate: Option<PeerCertificate>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let password = connect.login.as_ref().map(|login| login.password.clone()).unwrap_or_default();
        let silence = silence(connect.keep_alive, KEEP_ALIVE_MAX);
        let password = Secret::new(password);
        Self { hub, connection, username, password, certificate, silence, subscribed: false, _place: place }
    }

    /// Lives until the device leaves, breaks a rule or stays too long.
    pub(crate) async fn run(mut self) {
        let end = Instant::now() + LIFE;
        if let Err(error) = self.serve(end).await {
            tracing::debug!(%error, registration = %self.username.registration, "a registering device was dropped");
        }
        // A polite end is worth a moment.
        let _ = timeout(FAREWELL, self.connection.close()).await;
    }

    async fn serve(&mut self, end: Instant) -> Result<(), MqttError> {
        let answer = ConnAck { session_present: false, code: ConnectReturnCode::Success };
        self.connection.queue(&Packet::ConnAck(answer))?;
        loop {
            let until = end.min(Instant::now() + self.silence);
            let Ok(read) = timeout_at(until, self.connection.read()).await else { return Ok(()) };
            let Some(incoming) = read? else { return Ok(()) };
            match incoming.packet {
                Packet::Subscribe(subscribe) => self.subscribe(&subscribe)?,
                Packet::Unsubscribe(unsubscribe) => {
                    self.subscribed &= !unsubscribe.topics.iter().any(|topic| topic == DPS_RESPONSES);
                    self.connection.queue(&Packet::UnsubAck(UnsubAck { pkid: unsubscribe.pkid }))?;
                }
                Packet::Publish(publish) => {
                    let answered = timeout_at(end, self.publish(&publish)).await.unwrap_or(Ok(false));
                    if !answered? {
                        return Ok(());
                    }
                }
                Packet::PingReq => self.connection.queue(&Packet::PingResp)?,
                Packet::PubAck(_) => {}
                _ => return Ok(()),
            }
            if self.connection.queued() > UNSENT {
                return Ok(());
            }
        }
    }

    fn subscribe(&mut self, subscribe: &Subscribe) -> Result<(), MqttError> {
        let grant = |filter: &net::mqtt::SubscribeFilter| match (filter.path == DPS_RESPONSES, filter.qos) {
            (false, _) => SubscribeReasonCode::Failure,
            (true, QoS::AtMostOnce) => SubscribeReasonCode::Success(QoS::AtMostOnce),
            (true, _) => SubscribeReasonCode::Success(QoS::AtLeastOnce),
        };
        let return_codes: Vec<_> = subscribe.filters.iter().map(grant).collect();
        self.subscribed |= subscribe.filters.iter().any(|filter| filter.path == DPS_RESPONSES);
        self.connection.queue(&Packet::SubAck(SubAck { pkid: subscribe.pkid, return_codes }))
    }

    /// Answers a request; false when it is none, or of a quality that nobody offers.
    async fn publish(&mut self, publish: &Publish) -> Result<bool, MqttError> {
        let (rid, wish) = match DpsTopic::parse(&publish.topic) {
            Some(DpsTopic::Register { rid }) => (rid, register(&publish.payload)),
            Some(DpsTopic::Status { rid, operation }) => (rid, Ok(Wish::Status(operation.to_owned()))),
            _ => return Ok(false),
        };
        match publish.qos {
            QoS::AtMostOnce => {}
            // Before the answer: some SDKs want it in this order.
            QoS::AtLeastOnce => self.connection.queue(&Packet::PubAck(PubAck { pkid: publish.pkid }))?,
            QoS::ExactlyOnce => return Ok(false),
        }
        let answer = match wish {
            Ok(wish) => self.ask(wish).await,
            Err(error) => Err(error),
        };
        if !self.subscribed {
            return Ok(true);
        }
        let (status, retry_after, body) = match answer {
            Ok(operation) => {
                let body = serde_json::to_vec(&operation).expect("plain fields with text keys are JSON");
                (operation_status(&operation), retry_after(&operation), body)
            }
            Err(error) => (error.status(), None, error.body(&self.hub.tracking()).into_bytes()),
        };
        let topic = DpsTopic::Response { status, rid, retry_after }.to_string();
        self.connection.queue_publish(&topic, &body)?;
        Ok(true)
    }

    async fn ask(&self, wish: Wish) -> Result<RegistrationOperation, DpsError> {
        let password = Some(self.password.expose().as_bytes()).filter(|password| !password.is_empty());
        let proof = Proof { password, certificate: self.certificate.as_ref(), ..Proof::default() };
        let ask = Ask { id_scope: &self.username.id_scope, registration: &self.username.registration, proof, wish };
        let result = self.hub.backing.provision(ask).await;
        result.map_err(|refusal| {
            self.hub.refused(None, Some(self.username.registration.to_string()), refusal.reason);
            refusal.error
        })
    }
}

/// The body of a register request; an empty one asks for nothing special.
fn register(body: &[u8]) -> Result<Wish, DpsError> {
    if body.trim_ascii().is_empty() {
        return Ok(Wish::Register(RegisterRequest::default()));
    }
    let read = serde_json::from_slice(body).map(Wish::Register);
    read.map_err(|error| DpsError::invalid(format!("The body is not a registration: {error}.")))
}

/// 202 while it is under way.
pub(crate) fn operation_status(operation: &RegistrationOperation) -> u16 {
    if operation.registration_state.is_some() { 200 } else { 202 }
}

/// Seconds until the next question is worth it. A local registration is over when it is answered.
pub(crate) fn retry_after(operation: &RegistrationOperation) -> Option<u64> {
    operation.registration_state.is_none().then_some(1)
}
