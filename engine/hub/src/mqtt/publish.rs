//! What a publish from a device means: telemetry, a twin request, or the answer to a method call.
//! Anything else ends the connection, as IoT Hub does it.

use net::mqtt::{MqttError, Packet, PubAck, Publish, QoS};
use tokio::io::{AsyncRead, AsyncWrite};
use wire::{DeviceFilter, DeviceTopic, HubError, TopicError, twin_error_body};

use super::session::Session;
use super::telemetry::{Flags, Message};
use crate::link::{Answer, Ending};
use crate::seam::Backing;

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
            DeviceTopic::Telemetry { identity, properties } => {
                let flags = Flags { retain: publish.retain, dup: publish.dup, will: false };
                let body = publish.payload.clone();
                let message = Message::new(&self.login.identity, &identity, properties, body, flags)?;
                self.report(message);
                self.acknowledge(&publish)
            }
            DeviceTopic::MethodResponse { status, rid } => {
                self.acknowledge(&publish)?;
                self.link.answer(rid, Answer::Reply { status, payload: publish.payload.clone() });
                Ok(())
            }
            DeviceTopic::TwinGet { rid } => {
                self.acknowledge(&publish)?;
                match self.hub.backing.twin_for_device(&self.login.identity) {
                    Ok(twin) => self.twin_answer(READ, rid, None, &twin),
                    Err(error) => self.twin_refusal(rid, &error),
                }
            }
            DeviceTopic::TwinReported { rid, version: _ } => {
                self.acknowledge(&publish)?;
                match self.hub.backing.patch_reported(&self.login.identity, &publish.payload).await {
                    Ok(version) => self.twin_answer(PATCHED, rid, Some(version), b""),
                    Err(error) => self.twin_refusal(rid, &error),
                }
            }
            DeviceTopic::MethodRequest { .. }
            | DeviceTopic::TwinResponse { .. }
            | DeviceTopic::Desired { .. }
            | DeviceTopic::CloudToDevice { .. }
            | DeviceTopic::ModuleInput { .. } => {
                Err(Ending::Broke("it published to a topic that only the hub publishes to".to_owned()))
            }
        }
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
