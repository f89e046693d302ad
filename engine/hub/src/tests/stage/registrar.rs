//! A device of a few lines that registers with the provisioning service.

use std::time::Duration;

use net::mqtt::{Connect, ConnectReturnCode, Connection, Limits, Login, Packet, Publish, QoS, Subscribe};
use net::tls::{ClientStream, Roots, TlsConnector, client_config, server_name};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use wire::dps::{DPS_RESPONSES, DpsTopic, dps_resource};
use wire::{SasKey, sign};

use crate::RunningHub;

const PATIENCE: Duration = Duration::from_secs(30);

/// The token of a registration, as an SDK signs it.
pub(crate) fn registration_token(hub: &RunningHub, id: &str, key: &SasKey) -> String {
    let expiry = base::Clock::system().unix_seconds() + 3_600;
    let resource = dps_resource(&hub.id_scope(), &id.parse().unwrap());
    sign(&resource, key, expiry, Some("registration")).expose().to_owned()
}

pub(crate) struct Registrar {
    pub(crate) connection: Connection<ClientStream<TcpStream>>,
    rid: u64,
}

impl Registrar {
    /// Connects and subscribes; the code of the refusal otherwise.
    pub(crate) async fn connect(
        hub: &RunningHub,
        scope: &str,
        id: &str,
        password: &str,
        certificate: Option<(&str, &str)>,
    ) -> Result<Self, ConnectReturnCode> {
        let config = client_config(&Roots::Pem(hub.ca_pem().to_owned()), certificate).unwrap();
        let stream = TcpStream::connect(hub.mqtt()).await.unwrap();
        let stream = TlsConnector::from(config).connect(server_name("localhost").unwrap(), stream).await.unwrap();
        let mut registrar = Self { connection: Connection::new(stream, Limits { max_packet: 256 * 1024 }), rid: 0 };
        let mut connect = Connect::new(id);
        let username = format!("{scope}/registrations/{id}/api-version=2019-03-31&ClientVersion=test%2F1");
        connect.login = Some(Login::new(username, password));
        // As Python's: it must not be told of a session all the same.
        connect.clean_session = false;
        registrar.say(&Packet::Connect(connect)).await;
        match registrar.hear().await {
            Some(Packet::ConnAck(ack)) if ack.code == ConnectReturnCode::Success => assert!(!ack.session_present),
            Some(Packet::ConnAck(ack)) => return Err(ack.code),
            other => panic!("{other:?}"),
        }
        let mut subscribe = Subscribe::new(DPS_RESPONSES, QoS::AtLeastOnce);
        subscribe.pkid = 1;
        registrar.say(&Packet::Subscribe(subscribe)).await;
        assert!(matches!(registrar.hear().await, Some(Packet::SubAck(_))));
        Ok(registrar)
    }

    pub(crate) async fn say(&mut self, packet: &Packet) {
        self.connection.queue(packet).unwrap();
        let _ = self.connection.flush().await;
    }

    pub(crate) async fn hear(&mut self) -> Option<Packet> {
        let read = timeout(PATIENCE, self.connection.read()).await.expect("a packet in time");
        read.ok().flatten().map(|incoming| incoming.packet)
    }

    /// Asks; the status, and the answer's document.
    pub(crate) async fn ask(&mut self, operation: Option<&str>, body: &str) -> (u16, Value) {
        self.rid += 1;
        let rid = format!("{:x}-x", self.rid);
        let topic = match operation {
            None => DpsTopic::Register { rid: &rid },
            Some(operation) => DpsTopic::Status { rid: &rid, operation },
        };
        let mut publish = Publish::new(topic.to_string(), QoS::AtLeastOnce, body);
        publish.pkid = 7;
        self.say(&Packet::Publish(publish)).await;
        assert!(matches!(self.hear().await, Some(Packet::PubAck(_))), "the acknowledgement comes first");
        let Some(Packet::Publish(answer)) = self.hear().await else { panic!("no answer") };
        let Some(DpsTopic::Response { status, rid: echoed, .. }) = DpsTopic::parse(&answer.topic) else {
            panic!("{}", answer.topic)
        };
        assert_eq!(echoed, rid);
        (status, serde_json::from_slice(&answer.payload).unwrap())
    }

    /// Registers to the end; the status and the document of the last answer.
    pub(crate) async fn register(&mut self, body: &str) -> (u16, Value) {
        let (status, answer) = self.ask(None, body).await;
        if status != 202 {
            return (status, answer);
        }
        let operation = answer["operationId"].as_str().unwrap().to_owned();
        assert_eq!(answer["status"], "assigning");
        self.ask(Some(&operation), " ").await
    }
}
