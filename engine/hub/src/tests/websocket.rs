//! MQTT over WebSocket through the HTTPS port: handshakes good and bad, sessions that are the same as by the other port, the
//! stop, and clients that are slow or hostile.

use std::time::Duration;

use net::mqtt::{Connect, ConnectReturnCode, Connection, Limits, Login, Packet, QoS, Subscribe};
use net::tls::{ClientStream, Roots, TlsConnector, client_config, server_name};
use net::ws::{HandshakeError, WsStream, open};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wire::{DeviceCredential, DeviceTopic, Identity, WEBSOCKET_PATH, WEBSOCKET_PROTOCOL, device_resource, sign};

use super::stage::{Device, hub};
use crate::RunningHub;

const PATIENCE: Duration = Duration::from_secs(30);

async fn tls(hub: &RunningHub) -> ClientStream<TcpStream> {
    let config = client_config(&Roots::Pem(hub.ca_pem().to_owned()), None).unwrap();
    let stream = TcpStream::connect(hub.https()).await.unwrap();
    TlsConnector::from(config).connect(server_name("localhost").unwrap(), stream).await.unwrap()
}

async fn websocket(hub: &RunningHub, path: &str) -> Result<WsStream<ClientStream<TcpStream>>, HandshakeError> {
    let random = &mut StdRng::seed_from_u64(3);
    timeout(PATIENCE, open(tls(hub).await, "localhost", path, WEBSOCKET_PROTOCOL, random)).await.expect("an answer")
}

struct Client(Connection<WsStream<ClientStream<TcpStream>>>);

impl Client {
    async fn connect(hub: &RunningHub, path: &str, id: &str) -> (Self, ConnectReturnCode) {
        let identity: Identity = id.parse().unwrap();
        let password = match hub.device_connection(&identity).map(|connection| connection.credential) {
            Some(DeviceCredential::Key(key)) => {
                let expiry = base::Clock::system().unix_seconds() + 3_600;
                sign(&device_resource("localhost", &identity), &key, expiry, None).expose().to_owned()
            }
            _ => "none".to_owned(),
        };
        let mut client = Self(Connection::new(websocket(hub, path).await.unwrap(), Limits { max_packet: 512 * 1024 }));
        let mut connect = Connect::new(id);
        connect.login = Some(Login::new(format!("localhost/{id}/?api-version=2021-04-12"), password));
        connect.clean_session = false;
        client.say(&Packet::Connect(connect)).await;
        match client.hear().await {
            Some(Packet::ConnAck(ack)) => (client, ack.code),
            other => panic!("{other:?}"),
        }
    }

    async fn say(&mut self, packet: &Packet) {
        self.0.queue(packet).unwrap();
        self.0.flush().await.unwrap();
    }

    async fn hear(&mut self) -> Option<Packet> {
        timeout(PATIENCE, self.0.read()).await.expect("a packet in time").ok().flatten().map(|incoming| incoming.packet)
    }
}

#[tokio::test]
async fn a_device_is_the_same_by_websocket_and_by_the_other_port() {
    let (hub, owner) = hub().await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    for path in [WEBSOCKET_PATH, "/$iothub/websocket?iothub-no-client-cert=true", "/%24iothub/websocket"] {
        let (mut device, code) = Client::connect(&hub, path, "d").await;
        assert_eq!(code, ConnectReturnCode::Success, "{path}");
        let mut subscribe = Subscribe::new("$iothub/methods/POST/#", QoS::AtMostOnce);
        subscribe.pkid = 1;
        device.say(&Packet::Subscribe(subscribe)).await;
        assert!(matches!(device.hear().await, Some(Packet::SubAck(_))));
        let call = tokio::spawn({
            let owner = owner.clone();
            let body = format!(r#"{{"methodName":"m","payload":"{}"}}"#, "x".repeat(100_000));
            async move { owner.send("POST", "/twins/d/methods", &[], &body).await }
        });
        let Some(Packet::Publish(publish)) = device.hear().await else { panic!("no call") };
        assert_eq!(publish.payload.len(), 100_002);
        let Ok(DeviceTopic::MethodRequest { rid, .. }) = DeviceTopic::parse(&publish.topic) else { panic!() };
        let topic = DeviceTopic::MethodResponse { status: 200, rid }.to_string();
        device.0.queue_publish(&topic, &publish.payload).unwrap();
        device.0.flush().await.unwrap();
        let answer = call.await.unwrap();
        assert_eq!((answer.status, answer.json()["payload"].as_str().unwrap().len()), (200, 100_000));
    }
    // A takeover crosses the ports: one identity has one connection.
    let (mut old, _) = Client::connect(&hub, WEBSOCKET_PATH, "d").await;
    let mut new = Device::connect(&hub, "d").await.unwrap();
    assert!(old.hear().await.is_none());
    // Its subscription is kept, whichever way it came.
    let call = tokio::spawn(async move { owner.send("POST", "/twins/d/methods", &[], r#"{"methodName":"m"}"#).await });
    assert_eq!(new.answer_method(201, "1").await.0, "m");
    assert_eq!(call.await.unwrap().json()["status"], 201);
    hub.stop().await;
}

#[tokio::test]
async fn a_wrong_login_hears_5_and_an_unregistered_stranger_no_more() {
    let (hub, _owner) = hub().await;
    let (mut client, code) = Client::connect(&hub, WEBSOCKET_PATH, "nobody").await;
    assert_eq!(code, ConnectReturnCode::NotAuthorized);
    assert!(client.hear().await.is_none());
    hub.stop().await;
}

#[tokio::test]
async fn handshakes_that_are_none_are_refused_on_this_path_only() {
    let (hub, owner) = hub().await;
    let stranger = owner.with_token(None);
    let upgrade = |version| {
        [
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", version),
            ("Sec-WebSocket-Protocol", "mqtt"),
        ]
    };
    // The client of these tests says `Connection: close`.
    let answer = stranger.send_to("GET", WEBSOCKET_PATH, &upgrade("13"), "").await;
    assert_eq!((answer.status, answer.json()["Message"].as_str().unwrap().contains("Upgrade")), (400, true));
    let answer = stranger.send_to("GET", WEBSOCKET_PATH, &[], "").await;
    assert_eq!((answer.status, answer.header("upgrade")), (426, Some("websocket")));
    assert_eq!(stranger.send_to("POST", WEBSOCKET_PATH, &upgrade("13"), "").await.status, 400);
    for path in ["/devices/websocket", "/devices/d", "/websocket"] {
        assert_eq!(stranger.send_to("GET", path, &upgrade("13"), "").await.status, 401, "{path}");
    }
    assert!(matches!(websocket(&hub, "/devices").await, Err(HandshakeError::Status(401, _))));
    hub.stop().await;
}

#[tokio::test]
async fn who_breaks_the_rules_of_frames_or_sends_nothing_holds_nobody_up() {
    let (hub, owner) = hub().await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    let request = format!(
        "GET {WEBSOCKET_PATH} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    );
    let mut silent = Vec::new();
    for noise in [&b""[..], b"\x82", b"\x82\xff\0\0\0\0\0\x0f\xff\xff\0\0\0\0\x30\xff\xff\x7f"] {
        let mut stream = tls(&hub).await;
        stream.write_all(&[request.as_bytes(), noise].concat()).await.unwrap();
        silent.push(stream);
    }
    for noise in [&b"\x10\x0c\x00\x04MQTT"[..], b"\x81\x85\0\0\0\0hello", b"\x82\x82\0\0\0\0\xc0\0", &[0xff; 64]] {
        let mut stream = tls(&hub).await;
        stream.write_all(&[request.as_bytes(), noise].concat()).await.unwrap();
        let mut heard = Vec::new();
        // A reset is an end too.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("the hub closes");
        assert!(heard.starts_with(b"HTTP/1.1 101"), "{:?}", String::from_utf8_lossy(&heard));
    }
    assert_eq!(Client::connect(&hub, WEBSOCKET_PATH, "d").await.1, ConnectReturnCode::Success);
    // The silent ones do not hold the stop up either.
    timeout(PATIENCE, hub.stop()).await.expect("a stop within seconds");
}

#[tokio::test]
async fn the_stop_ends_sessions_politely() {
    let (hub, owner) = hub().await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    let (mut device, _) = Client::connect(&hub, WEBSOCKET_PATH, "d").await;
    let stopping = tokio::spawn(hub.stop());
    let end = timeout(PATIENCE, device.0.read()).await.unwrap();
    assert!(matches!(end, Ok(None)), "{end:?}");
    stopping.await.unwrap();
}
