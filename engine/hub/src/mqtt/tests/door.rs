//! The listener over real sockets and TLS: handshakes that never end, a full house, the stop.

use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Seed};
use net::mqtt::{Connection, Packet};
use net::tls::{Authority, Roots, TlsAcceptor, TlsConnector, client_config, server_config, server_name};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::fake::Fake;
use super::stage::connect;
use crate::Deadlines;
use crate::faults::Faults;
use crate::mqtt::{Door as Entrance, LIMITS, Mqtt, MqttSettings, serve};
use crate::quota::Quotas;
use crate::seam::HubLog;

const DEADLINE: Duration = Duration::from_secs(60);

struct Door {
    hub: Arc<Mqtt<Fake>>,
    port: u16,
    connector: TlsConnector,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

async fn door(settings: MqttSettings) -> Door {
    let clock = Clock::system();
    let authority = Authority::generate(&clock).unwrap();
    let leaf = authority.issue(&["localhost".to_owned()], &clock).unwrap();
    let acceptor = TlsAcceptor::from(server_config(&leaf.chain_pem, leaf.key_pem.expose()).unwrap());
    let connector = TlsConnector::from(client_config(&Roots::Pem(authority.ca_pem), None).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let faults = Arc::new(Faults::new(Arc::new(super::stage::Five), HubLog::none(), Seed(1), true));
    let both = (Arc::new(Quotas::none()), faults);
    let hub = Mqtt::new(Arc::default(), Arc::default(), both, HubLog::none(), clock, Seed(1), settings);
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve(listener, acceptor, Entrance::new(Arc::clone(&hub), stop.clone())));
    Door { hub, port, connector, stop, served }
}

impl Door {
    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    async fn device(&self, id: &str) -> Connection<net::tls::ClientStream<TcpStream>> {
        let stream = self.connector.connect(server_name("localhost").unwrap(), self.tcp().await).await.unwrap();
        let mut connection = Connection::new(stream, LIMITS);
        connection.queue(&Packet::Connect(connect(id))).unwrap();
        let answer = timeout(DEADLINE, connection.read()).await.unwrap().unwrap().unwrap().packet;
        assert!(matches!(answer, Packet::ConnAck(_)), "{answer:?}");
        connection
    }
}

#[tokio::test]
async fn devices_come_over_tls_and_go_when_the_hub_stops() {
    let door = door(MqttSettings::default()).await;
    let mut devices = [door.device("a").await, door.device("b").await];
    let mut half_open = door.tcp().await;
    assert_eq!(door.hub.exchange.connected(), 2);
    door.stop.cancel();
    for device in &mut devices {
        assert!(matches!(timeout(DEADLINE, device.read()).await.unwrap(), Ok(None)), "a polite end");
    }
    timeout(DEADLINE, door.served).await.unwrap().unwrap();
    assert_eq!(timeout(DEADLINE, half_open.read(&mut [0; 8])).await.unwrap().unwrap_or(0), 0);
}

#[tokio::test]
async fn a_refused_device_hears_why_although_it_sent_more() {
    let door = door(MqttSettings::default()).await;
    let stream = door.connector.connect(server_name("localhost").unwrap(), door.tcp().await).await.unwrap();
    let mut connection = Connection::new(stream, LIMITS);
    let mut hello = connect("d");
    hello.login.as_mut().unwrap().password = "wrong".to_owned();
    connection.queue(&Packet::Connect(hello)).unwrap();
    for _ in 0..100 {
        connection.queue_publish("devices/d/messages/events/", &[0; 300]).unwrap();
    }
    let answer = timeout(DEADLINE, connection.read()).await.unwrap().unwrap().unwrap().packet;
    assert!(matches!(answer, Packet::ConnAck(answer) if answer.code == net::mqtt::ConnectReturnCode::NotAuthorized));
}

#[tokio::test]
async fn handshakes_that_never_end_do_not_keep_others_out() {
    // The honest device has no longer for its handshake, on whatever machine.
    let brief = Duration::from_secs(4);
    let deadlines = Deadlines { half_open: 3, device_handshake: brief, ..Deadlines::default() };
    let settings = MqttSettings { deadlines, ..MqttSettings::default() };
    let door = door(settings).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(door.tcp().await);
    }
    let mut garbage = door.tcp().await;
    garbage.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    timeout(DEADLINE, door.device("d")).await.expect("let in once the silent ones are gone");
    for mut stream in silent {
        assert_eq!(timeout(DEADLINE, stream.read(&mut [0; 8])).await.unwrap().unwrap_or(0), 0);
    }
}
