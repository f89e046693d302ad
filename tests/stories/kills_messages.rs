//! The hub killed at random moments while messages go to a device: each message that the hub said yes to arrives, and whoever gets
//! one twice is told so. `IOTPLAY_TEST_KILLS` says how often; the gate has time for ten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Clock, Seed};
use iothub::HubClient;
use net::mqtt::{Connect, Connection, Limits, Login, Packet, PubAck, QoS, Subscribe};
use net::tls::{Roots, TlsConnector, client_config, server_name};
use rand::Rng;
use stage::{HubOptions, LocalHub};
use tokio::net::TcpStream;
use wire::{CloudMessage, DeviceConnection, DeviceCredential, client_id, device_resource, property, sign};

use crate::stage_set::empty;

/// What the gate has time for.
const KILLS: u64 = 10;
/// The longest that messages flow before a kill.
const LONGEST_MS: u64 = 500;
/// Within which a hub that runs again brings everything that waits.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the sender was told, and what the device heard.
#[derive(Debug, Default)]
struct Told {
    next: u64,
    /// What the hub said yes to.
    taken: BTreeSet<u64>,
    /// How often each one came.
    heard: BTreeMap<u64, u32>,
    /// Those that came again and were not marked.
    unmarked: Vec<u64>,
    /// What the device acknowledged.
    acknowledged: u64,
}

type Shared = Arc<Mutex<Told>>;

async fn send(client: HubClient, told: Shared, device: wire::DeviceId) {
    loop {
        let number = {
            let mut told = told.lock().expect("plain data");
            told.next += 1;
            told.next
        };
        let message = CloudMessage { message_id: number.to_string(), ..CloudMessage::default() };
        match client.send_message(&device, &message).await {
            Ok(_) => drop(told.lock().expect("plain data").taken.insert(number)),
            // Fifty wait: the device must fetch some first.
            Err(error) if error.code() == Some(wire::ErrorCode::QUEUE_DEPTH_EXCEEDED) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(_) => return,
        }
    }
}

/// A device that acknowledges two of three messages, and goes when its hub does.
async fn listen(
    at: std::net::SocketAddr,
    roots: Roots,
    device: DeviceConnection,
    told: Shared,
    all: bool,
) -> Option<()> {
    let DeviceCredential::Key(key) = &device.credential else { panic!("a device with keys") };
    let config = client_config(&roots, None).expect("roots");
    let stream = TcpStream::connect(at).await.ok()?;
    let stream = TlsConnector::from(config).connect(server_name("localhost").expect("a name"), stream).await.ok()?;
    let mut connection = Connection::new(stream, Limits { max_packet: 256 * 1024 });
    let identity = &device.identity;
    let password = sign(&device_resource("localhost", identity), key, Clock::system().unix_seconds() + 3_600, None);
    let mut connect = Connect::new(client_id(identity));
    connect.clean_session = false;
    connect.login = Some(Login::new(format!("localhost/{identity}/?api-version=2021-04-12"), password.expose()));
    connection.queue(&Packet::Connect(connect)).expect("a small packet");
    let mut subscribe = Subscribe::new(format!("devices/{identity}/messages/devicebound/#"), QoS::AtLeastOnce);
    subscribe.pkid = 1;
    connection.queue(&Packet::Subscribe(subscribe)).expect("a small packet");
    loop {
        let Packet::Publish(publish) = connection.read().await.ok()??.packet else { continue };
        let topic = publish.topic.clone();
        let Ok(wire::DeviceTopic::CloudToDevice { properties, .. }) = wire::DeviceTopic::parse(&topic) else {
            panic!("{topic}")
        };
        let number: u64 = properties.get(property::MESSAGE_ID).expect("an id").parse().expect("ours");
        let acknowledge = {
            let mut told = told.lock().expect("plain data");
            let times = *told.heard.entry(number).and_modify(|times| *times += 1).or_insert(1);
            if times > 1 && !publish.dup {
                told.unmarked.push(number);
            }
            let acknowledge = all || !number.is_multiple_of(3);
            told.acknowledged += u64::from(acknowledge);
            acknowledge
        };
        if acknowledge {
            connection.queue(&Packet::PubAck(PubAck { pkid: publish.pkid })).expect("a small packet");
        }
    }
}

/// Until the hub is gone, on a thread of its own: the kill must not wait for it.
fn flow(hub: &LocalHub, told: &Shared, device: &DeviceConnection, last: bool) -> std::thread::JoinHandle<()> {
    let connection = hub.service().parse().expect("the hub's own string");
    let roots = Roots::File(hub.ca().to_owned());
    let options = iothub::HubOptions { roots: roots.clone(), local: true, ..iothub::HubOptions::new(connection) };
    let client = HubClient::new(options).expect("a client can be set up");
    let (at, told, device) = (hub.endpoint().mqtt, Arc::clone(told), device.clone());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let sending = async {
                if !last {
                    send(client, Arc::clone(&told), device.identity.device.clone()).await;
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                _ = listen(at, roots, device.clone(), Arc::clone(&told), last) => {}
                () = sending => {}
            }
        });
    })
}

#[test]
fn a_message_that_was_taken_arrives_whatever_dies_and_never_twice_without_a_mark() {
    let kills = std::env::var("IOTPLAY_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let seed = Seed::from_os();
    eprintln!("{kills} kills, seed {seed:?}");
    let mut moments = seed.of("kills").rng();
    let set = empty();
    let mut hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let device: DeviceConnection = hub.device("taker").trim().parse().expect("a device's string");
    let told = Shared::default();
    for _ in 0..kills {
        let flowing = flow(&hub, &told, &device, false);
        // The moment is what is random here: a sleep is not a wait for something to happen.
        std::thread::sleep(Duration::from_millis(moments.random_range(0..LONGEST_MS)));
        hub.kill_and_restart();
        flowing.join().expect("messages flow without a panic");
    }
    let last = flow(&hub, &told, &device, true);
    stage::eventually(PATIENCE, "everything that was taken has arrived", || {
        let told = told.lock().expect("plain data");
        told.taken.iter().all(|number| told.heard.contains_key(number)).then_some(())
    });
    drop(hub);
    last.join().expect("messages flow without a panic");
    let told = told.lock().expect("plain data");
    let again = told.heard.values().filter(|times| **times > 1).count();
    eprintln!("{} messages taken, {} heard, {again} of them more than once", told.taken.len(), told.heard.len());
    assert!(told.unmarked.is_empty(), "again, and not marked: {:?}", told.unmarked);
    assert!(told.acknowledged > 0 && !told.taken.is_empty(), "messages flowed");
}
