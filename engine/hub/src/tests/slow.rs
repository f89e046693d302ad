//! Clients that send a byte now and then, at every door of the hub: each is dropped, and nobody else waits for them.

use std::time::Duration;

use net::tls::{Roots, TlsConnector, client_config, server_name};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::stage::{Device, started};
use crate::{Deadlines, HubConfig, RunningHub};

/// Everything within this; far more than the deadlines below on a machine with other work.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two bytes: less than any deadline, so that it is not silence that ends them.
const DRIP: Duration = Duration::from_millis(20);
/// More than there are places for devices that have not logged in.
const MANY: usize = 12;

/// Deadlines in which an honest client of these tests is through, and places for fewer than come.
fn hasty() -> Deadlines {
    let whole = Duration::from_secs(6);
    Deadlines {
        device_handshake: whole,
        connect: whole,
        service_handshake: whole,
        head: whole,
        crowded: Duration::from_secs(3),
        half_open: MANY / 2,
    }
}

/// Sends a byte after the other until the hub closes.
async fn drip(stream: impl AsyncRead + AsyncWrite, bytes: Vec<u8>) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let send = async {
        for byte in bytes.into_iter().chain(std::iter::repeat(b'x')) {
            if writer.write_all(&[byte]).await.is_err() || writer.flush().await.is_err() {
                return;
            }
            tokio::time::sleep(DRIP).await;
        }
    };
    let hear = async {
        let mut answer = [0; 1024];
        while matches!(reader.read(&mut answer).await, Ok(count) if count > 0) {}
    };
    tokio::select! {
        () = send => {}
        () = hear => {}
    }
}

async fn secured(hub: &RunningHub, stream: TcpStream) -> net::tls::ClientStream<TcpStream> {
    let config = client_config(&Roots::Pem(hub.ca_pem().to_owned()), None).unwrap();
    TlsConnector::from(config).connect(server_name("localhost").unwrap(), stream).await.unwrap()
}

/// The first bytes of a TLS handshake, of a record that is announced as longer than they are.
fn hello() -> Vec<u8> {
    [b"\x16\x03\x01\x3f\xff\x01\0\x3f\xfb\x03\x03".as_slice(), &[7; 512]].concat()
}

async fn all_dropped(hub: &RunningHub, slow: JoinSet<()>) {
    let (owner, all) = (super::stage::Service::of(hub), slow.join_all());
    let others = async {
        // Beside them, and not behind them: services and devices come and go.
        for _ in 0..3 {
            assert_eq!(owner.get("/devices/quick").await.status, 200);
            assert!(Device::connect(hub, "quick").await.is_ok());
        }
    };
    tokio::time::timeout(PATIENCE, others).await.expect("others are served meanwhile");
    tokio::time::timeout(PATIENCE, all).await.expect("each slow client is dropped");
}

async fn stage() -> RunningHub {
    let (hub, owner) = started(HubConfig { deadlines: hasty(), ..HubConfig::embedded() }).await;
    assert_eq!(owner.send("PUT", "/devices/quick", &[], r#"{"deviceId":"quick"}"#).await.status, 200);
    hub
}

#[tokio::test]
async fn slow_handshakes_at_both_ports() {
    let hub = stage().await;
    let mut slow = JoinSet::new();
    for number in 0..MANY {
        let port = if number % 2 == 0 { hub.mqtt() } else { hub.https() };
        let stream = TcpStream::connect(port).await.unwrap();
        slow.spawn(drip(stream, hello()));
    }
    all_dropped(&hub, slow).await;
    hub.stop().await;
}

#[tokio::test]
async fn slow_heads_and_slow_websockets() {
    let hub = stage().await;
    let mut slow = JoinSet::new();
    for head in [
        "GET /devices/quick?api-version=2021-04-12 HTTP/1.1\r\nx: ",
        "GET /$iothub/websocket HTTP/1.1\r\nupgrade: websocket\r\nx: ",
    ] {
        for _ in 0..MANY / 2 {
            let stream = secured(&hub, TcpStream::connect(hub.https()).await.unwrap()).await;
            slow.spawn(drip(stream, head.as_bytes().to_vec()));
        }
    }
    all_dropped(&hub, slow).await;
    hub.stop().await;
}

#[tokio::test]
async fn slow_connects_by_mqtt() {
    let hub = stage().await;
    let mut slow = JoinSet::new();
    for _ in 0..MANY / 2 {
        let stream = secured(&hub, TcpStream::connect(hub.mqtt()).await.unwrap()).await;
        // A CONNECT that is announced as longer than all of the drip.
        slow.spawn(drip(stream, b"\x10\xff\x7f\0\x04MQTT\x04\x02\0\x3c".to_vec()));
    }
    all_dropped(&hub, slow).await;
    hub.stop().await;
}
