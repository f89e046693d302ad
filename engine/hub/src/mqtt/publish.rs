//! What a publish from a device means: telemetry, a twin request, or the answer to a method call.
//! Anything else ends the connection, as IoT Hub does it.

use net::mqtt::{MqttError, Packet, PubAck, Publish, QoS};
use tokio::io::{AsyncRead, AsyncWrite};
use wire::{DeviceFilter, DeviceTopic, HubError, Identity, PropertyBag, TopicError, twin_error_body};

use super::session::Session;
use super::shown::{Met, refusal};
use super::telemetry::{Flags, Message};
use crate::faults::{Hearing, Point};
use crate::link::{Answer, Ending};
use crate::quota::{Kind, Refusal};
use crate::seam::{Backing, HubEvent};

/// A twin was read.
const READ: u16 = 200;
/// A twin was patched.
const PATCHED: u16 = 204;

impl<S: AsyncRead + AsyncWrite + Unpin, B: Backing> Session<S, B> {
    /// Takes a publish; the acknowledgement goes out before anything that it causes.
    pub(super) async fn publish(&mut self, publish: Publish) -> Result<(), Ending> {
        if publish.qos == QoS::ExactlyOnce {
            return Err(Ending::Broke("it published with quality of service 2".to_owned()));
        }
        let topic = match DeviceTopic::parse(&publish.topic) {
            Ok(topic) => topic,
            Err(TopicError::Status { rid }) => {
                self.acknowledge(&publish)?;
                self.link.answer(&rid, Answer::Unreadable);
                return Ok(());
            }
            Err(error) => return Err(Ending::Broke(format!("it published to a topic that is none: {error}"))),
        };
        match topic {
            DeviceTopic::Telemetry { identity, properties } => self.telemetry(&identity, properties, &publish).await,
            DeviceTopic::MethodResponse { status, rid } => self.method_response(status, rid, &publish).await,
            DeviceTopic::TwinGet { rid } => self.twin_get(rid, &publish).await,
            DeviceTopic::TwinReported { rid, version: _ } => self.twin_reported(rid, &publish).await,
            DeviceTopic::MethodRequest { .. }
            | DeviceTopic::TwinResponse { .. }
            | DeviceTopic::Desired { .. }
            | DeviceTopic::CloudToDevice { .. }
            | DeviceTopic::ModuleInput { .. } => {
                Err(Ending::Broke("it published to a topic that only the hub publishes to".to_owned()))
            }
        }
    }

    /// Passes a message on when its turn comes. MQTT has no word for "too much": the acknowledgement is late, then the
    /// connection ends.
    async fn telemetry(&mut self, sender: &Identity, properties: PropertyBag, publish: &Publish) -> Result<(), Ending> {
        let flags = Flags { retain: publish.retain, dup: publish.dup, will: false };
        let message = Message::new(&self.login.identity, sender, properties, publish.payload.clone(), flags)?;
        match self.hub.quotas.take(Kind::Telemetry, 1, message.bytes()) {
            Ok(None) => {}
            Ok(Some(at)) => Box::pin(self.hold(at)).await?,
            Err(refusal) => return Err(Ending::Throttled(refusal.error.message)),
        }
        let met = self.met(Point::Telemetry).await?;
        match met {
            Met::Skip => return Ok(()),
            Met::Reject(how) => return Err(Ending::Throttled(refusal(how).message)),
            Met::Nothing | Met::DropReply | Met::Twice => {}
        }
        self.hub.backing.note_activity(&self.login.identity);
        match self.hub.faults.hear(&self.login.identity, &message.properties, &message.body) {
            Hearing::Ordinary => self.report(message),
            Hearing::Done => {}
            Hearing::Unanswered => return Ok(()),
        }
        if met == Met::DropReply { Ok(()) } else { self.acknowledge(publish) }
    }

    async fn method_response(&mut self, status: i32, rid: &str, publish: &Publish) -> Result<(), Ending> {
        let met = self.met(Point::MethodReply).await?;
        if met == Met::Skip {
            return Ok(());
        }
        self.acknowledge(publish)?;
        if met != Met::DropReply {
            self.link.answer(rid, Answer::Reply { status, payload: publish.payload.clone() });
        }
        Ok(())
    }

    async fn twin_get(&mut self, rid: &str, publish: &Publish) -> Result<(), Ending> {
        let Some(answers) = self.has_turn(Kind::TwinReads, rid, publish).await? else { return Ok(()) };
        let twin = self.hub.backing.twin_for_device(&self.login.identity);
        if !answers {
            return Ok(());
        }
        match twin {
            Ok(twin) => self.twin_answer(READ, rid, None, &twin),
            Err(error) => self.twin_refusal(rid, &error),
        }
    }

    async fn twin_reported(&mut self, rid: &str, publish: &Publish) -> Result<(), Ending> {
        let Some(answers) = self.has_turn(Kind::TwinWrites, rid, publish).await? else { return Ok(()) };
        let patched = self.hub.backing.patch_reported(&self.login.identity, &publish.payload).await;
        if !answers {
            return Ok(());
        }
        match patched {
            Ok(version) => self.twin_answer(PATCHED, rid, Some(version), b""),
            Err(error) => self.twin_refusal(rid, &error),
        }
    }

    /// Waits for the turn of a twin request and acknowledges it; says whether it is to be answered, or nothing when it is not to be
    /// done: one too many is answered here.
    async fn has_turn(&mut self, kind: Kind, rid: &str, publish: &Publish) -> Result<Option<bool>, Ending> {
        match self.hub.quotas.take(kind, 1, publish.payload.len()) {
            Ok(None) => {}
            Ok(Some(at)) => Box::pin(self.hold(at)).await?,
            Err(Refusal { error, .. }) => {
                self.acknowledge(publish)?;
                let (identity, reason) = (Some(self.login.identity.clone()), error.message.clone());
                self.hub.log.say(HubEvent::Throttled { identity, reason });
                self.twin_refusal(rid, &error)?;
                return Ok(None);
            }
        }
        let met = self.met(Point::TwinRequest).await?;
        if met == Met::Skip {
            return Ok(None);
        }
        self.acknowledge(publish)?;
        if let Met::Reject(how) = met {
            self.twin_refusal(rid, &refusal(how))?;
            return Ok(None);
        }
        Ok(Some(met != Met::DropReply))
    }

    fn acknowledge(&mut self, publish: &Publish) -> Result<(), Ending> {
        if publish.qos == QoS::AtMostOnce {
            return Ok(());
        }
        self.connection.queue(&Packet::PubAck(PubAck { pkid: publish.pkid })).map_err(broken)
    }

    /// Answers a twin request, unless nobody subscribed to answers: Python asks before it subscribes.
    fn twin_answer(&mut self, status: u16, rid: &str, version: Option<u64>, body: &[u8]) -> Result<(), Ending> {
        if !self.subscriptions.has(&DeviceFilter::TwinResponses) {
            return Ok(());
        }
        let topic = DeviceTopic::TwinResponse { status, rid, version }.to_string();
        self.connection.queue_publish(&topic, body).map_err(broken)
    }

    fn twin_refusal(&mut self, rid: &str, error: &HubError) -> Result<(), Ending> {
        let body = twin_error_body(error, &self.hub.tracking());
        self.twin_answer(error.code.http_status(), rid, None, body.as_bytes())
    }
}

/// A failure of the connection as the end of it.
pub(super) fn broken(error: MqttError) -> Ending {
    match error {
        // TLS says it at length, with a link to its manual.
        MqttError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Ending::Lost("it went away without a goodbye".to_owned())
        }
        MqttError::Io(error) => Ending::Lost(error.to_string()),
        other => Ending::Broke(other.to_string()),
    }
}
