//! The least MQTT client that can carry load: towards Mosquitto and towards the hub it is the same code.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, Packet, Publish, Subscribe};
use rumqttc::mqttbytes::{Error, QoS};
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::error::{Result, other};
use crate::tls;

/// Larger than any packet of a benchmark.
const MAX_PACKET: usize = 512 * 1024;

/// A connected client.
pub(crate) struct BareMqtt {
    stream: TlsStream<TcpStream>,
    inbox: BytesMut,
    outbox: BytesMut,
}

impl BareMqtt {
    /// Connects with a clean session.
    pub(crate) async fn connect(
        to: SocketAddr,
        config: &Arc<ClientConfig>,
        client_id: &str,
        login: Option<(&str, &str)>,
    ) -> Result<Self> {
        let stream = tls::connect(to, config).await?;
        let mut client = Self { stream, inbox: BytesMut::new(), outbox: BytesMut::new() };
        let mut connect = Connect::new(client_id);
        connect.keep_alive = 600;
        connect.clean_session = true;
        if let Some((user, password)) = login {
            connect.set_login(user, password);
        }
        connect.write(&mut client.outbox)?;
        client.flush().await?;
        match client.packet().await? {
            Packet::ConnAck(answer) if answer.code == ConnectReturnCode::Success => Ok(client),
            refused => Err(other(format!("{client_id} was refused: {refused:?}"))),
        }
    }

    /// Subscribes and waits for the acknowledgement.
    pub(crate) async fn subscribe(&mut self, filter: &str) -> Result<()> {
        let mut subscribe = Subscribe::new(filter, QoS::AtMostOnce);
        subscribe.pkid = 1;
        subscribe.write(&mut self.outbox)?;
        self.flush().await?;
        while !matches!(self.packet().await?, Packet::SubAck(_)) {}
        Ok(())
    }

    /// Puts a QoS 0 message into the outbox.
    pub(crate) fn queue(&mut self, topic: &str, payload: Bytes) -> Result<()> {
        Publish::from_bytes(topic, QoS::AtMostOnce, payload).write(&mut self.outbox)?;
        Ok(())
    }

    /// Sends the outbox.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        self.stream.write_all(&self.outbox).await?;
        self.outbox.clear();
        Ok(self.stream.flush().await?)
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> Result<Publish> {
        loop {
            if let Packet::Publish(publish) = self.packet().await? {
                return Ok(publish);
            }
        }
    }

    /// The next packet.
    pub(crate) async fn packet(&mut self) -> Result<Packet> {
        loop {
            match Packet::read(&mut self.inbox, MAX_PACKET) {
                Ok(packet) => return Ok(packet),
                Err(Error::InsufficientBytes(_)) => {}
                Err(error) => return Err(error.into()),
            }
            self.inbox.reserve(1024);
            if self.stream.read_buf(&mut self.inbox).await? == 0 {
                return Err(other("the server closed the connection"));
            }
        }
    }
}
