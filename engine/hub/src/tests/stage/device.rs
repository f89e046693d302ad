//! A device of a few lines: connects with a fresh token, subscribes, answers what the test tells it to.

use std::time::Duration;

use crate::RunningHub;
use net::mqtt::{Connect, ConnectReturnCode, Connection, Limits, Login, Packet, Publish, QoS, Subscribe};
use net::tls::{Roots, TlsConnector, client_config, server_name};
use tokio::net::TcpStream;
use wire::{DeviceCredential, DeviceTopic, Identity, client_id, device_resource, sign};

const PATIENCE: Duration = Duration::from_secs(30);
const LIMITS: Limits = Limits { max_packet: 512 * 1024 };

pub(crate) struct Device {
    connection: Connection<net::tls::ClientStream<TcpStream>>,
}

impl Device {
    /// Connects; the code of the CONNACK when it is refused, none when the hub closes.
    pub(crate) async fn connect(hub: &RunningHub, id: &str) -> Result<Self, Option<ConnectReturnCode>> {
        let identity: Identity = id.parse().unwrap();
        if hub.device_connection(&identity).is_none() {
            return Err(None);
        }
        Self::connect_as(hub, &identity, &Self::token(hub, &identity)).await
    }

    /// A fresh token of a device with keys.
    pub(crate) fn token(hub: &RunningHub, identity: &Identity) -> String {
        let connection = hub.device_connection(identity).expect("a device with keys");
        let DeviceCredential::Key(key) = connection.credential else { panic!("{connection:?}") };
        let expiry = base::Clock::system().unix_seconds() + 3_600;
        sign(&device_resource("localhost", identity), &key, expiry, None).expose().to_owned()
    }

    pub(crate) async fn connect_as(
        hub: &RunningHub,
        identity: &Identity,
        password: &str,
    ) -> Result<Self, Option<ConnectReturnCode>> {
        Self::connect_with(hub, identity, password, None).await
    }

    /// With a certificate (chain, key) too; an empty password is none.
    pub(crate) async fn connect_with(
        hub: &RunningHub,
        identity: &Identity,
        password: &str,
        certificate: Option<(&str, &str)>,
    ) -> Result<Self, Option<ConnectReturnCode>> {
        let config = client_config(&Roots::Pem(hub.ca_pem().to_owned()), certificate).unwrap();
        let stream = TcpStream::connect(hub.mqtt()).await.unwrap();
        let stream = TlsConnector::from(config).connect(server_name("localhost").unwrap(), stream).await.unwrap();
        let mut device = Self { connection: Connection::new(stream, LIMITS) };
        let path = identity.to_string();
        let mut connect = Connect::new(client_id(identity));
        connect.login = Some(Login::new(format!("localhost/{path}/?api-version=2021-04-12"), password));
        connect.clean_session = false;
        device.say(&Packet::Connect(connect)).await;
        match device.hear().await {
            Some(Packet::ConnAck(ack)) if ack.code == ConnectReturnCode::Success => Ok(device),
            Some(Packet::ConnAck(ack)) => Err(Some(ack.code)),
            _ => Err(None),
        }
    }

    pub(crate) async fn say(&mut self, packet: &Packet) {
        self.connection.queue(packet).unwrap();
        // The hub may have closed; the next `hear` shows it.
        let _ = self.connection.flush().await;
    }

    /// The next packet; none when the hub closed.
    pub(crate) async fn hear(&mut self) -> Option<Packet> {
        let read = tokio::time::timeout(PATIENCE, self.connection.read()).await.expect("a packet in time");
        read.ok().flatten().map(|incoming| incoming.packet)
    }

    /// The next publish; other packets are skipped.
    pub(crate) async fn hear_publish(&mut self) -> Option<Publish> {
        loop {
            match self.hear().await? {
                Packet::Publish(publish) => return Some(publish),
                _ => continue,
            }
        }
    }

    pub(crate) async fn subscribe(&mut self, filter: &str) {
        self.subscribe_at(filter, QoS::AtMostOnce).await;
    }

    pub(crate) async fn subscribe_at(&mut self, filter: &str, quality: QoS) {
        let mut subscribe = Subscribe::new(filter, quality);
        subscribe.pkid = 1;
        self.say(&Packet::Subscribe(subscribe)).await;
        assert!(matches!(self.hear().await, Some(Packet::SubAck(_))));
    }

    pub(crate) async fn publish(&mut self, topic: &DeviceTopic<'_>, payload: &str) {
        self.say(&Packet::Publish(Publish::new(topic.to_string(), QoS::AtMostOnce, payload))).await;
    }

    /// Acknowledges a publish, and waits until the hub has taken that.
    pub(crate) async fn acknowledge(&mut self, publish: &Publish) {
        self.say(&Packet::PubAck(net::mqtt::PubAck { pkid: publish.pkid })).await;
        self.say(&Packet::PingReq).await;
        while !matches!(self.hear().await, Some(Packet::PingResp) | None) {}
    }

    /// Waits for a method call and answers it; returns its name and payload.
    pub(crate) async fn answer_method(&mut self, status: i32, payload: &str) -> (String, String) {
        let call = self.hear_publish().await.unwrap();
        let topic = call.topic.clone();
        let Ok(DeviceTopic::MethodRequest { name, rid }) = DeviceTopic::parse(&topic) else { panic!("{topic}") };
        let name = name.to_string();
        self.publish(&DeviceTopic::MethodResponse { status, rid }, payload).await;
        (name, String::from_utf8(call.payload.to_vec()).unwrap())
    }
}
