//! The hub killed at random moments while services and a device write: whatever it acknowledged is there when it runs again, and
//! nothing is there that was not asked for. `IOTPLAY_TEST_KILLS` says how often; the gate has time for ten.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Clock, Seed};
use iothub::HubClient;
use net::mqtt::{Connect, Connection, Limits, Login, Packet, Publish, QoS, Subscribe};
use net::tls::{ClientStream, Roots, TlsConnector, client_config, server_name};
use serde_json::json;
use stage::{HubOptions, LocalHub};
use tokio::net::TcpStream;
use wire::{
    DeviceConnection, DeviceCredential, DeviceDocument, DeviceId, DeviceTopic, Identity, IfMatch, client_id,
    device_resource, sign,
};

use crate::stage_set::empty;

/// What the gate has time for.
const KILLS: u64 = 10;
/// Services that write at once, each to a device of its own.
const WRITERS: usize = 4;
/// The longest that the load runs before a kill.
const LONGEST_MS: u64 = 600;

/// A counter in a twin: the hub must hold a number from `acknowledged` to `asked`.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    acknowledged: u64,
    asked: u64,
}

/// What the hub was asked for and what it said yes to.
#[derive(Debug, Default)]
struct Told {
    /// By writer; the last one is the device's reported counter.
    counters: [Counter; WRITERS + 1],
    made: BTreeSet<DeviceId>,
    deletion_asked: BTreeSet<DeviceId>,
    deleted: BTreeSet<DeviceId>,
}

type Shared = Arc<Mutex<Told>>;

pub(crate) fn client(hub: &LocalHub) -> HubClient {
    let connection = hub.service().parse().expect("the hub's own string");
    let roots = Roots::File(hub.ca().to_owned());
    let options = iothub::HubOptions { roots, local: true, ..iothub::HubOptions::new(connection) };
    HubClient::new(options).expect("a client can be set up")
}

fn writers_device(writer: usize) -> Identity {
    format!("writer-{writer}").parse().expect("an id")
}

/// Makes devices, deletes every third, counts in the twin of its own device; ends when the hub is gone.
async fn write(client: HubClient, told: Shared, writer: usize) {
    let own = writers_device(writer);
    loop {
        let number = {
            let mut told = told.lock().expect("plain data");
            told.counters[writer].asked += 1;
            told.counters[writer].asked
        };
        let patch = json!({"tags": {"n": number}, "properties": {"desired": {"n": number}}});
        if client.patch_twin(&own, &patch, &IfMatch::Any).await.is_err() {
            return;
        }
        told.lock().expect("plain data").counters[writer].acknowledged = number;
        let id: DeviceId = format!("made-{writer}-{number}").parse().expect("an id");
        if client.create_device(&DeviceDocument::new(id.clone())).await.is_err() {
            return;
        }
        told.lock().expect("plain data").made.insert(id.clone());
        if number % 3 == 0 {
            told.lock().expect("plain data").deletion_asked.insert(id.clone());
            if client.delete_device(&id, IfMatch::Any).await.is_err() {
                return;
            }
            told.lock().expect("plain data").deleted.insert(id);
        }
    }
}

/// A device that counts in its reported properties.
struct Reporter(Connection<ClientStream<TcpStream>>);

impl Reporter {
    async fn connect(
        hub_mqtt: std::net::SocketAddr,
        ca: &std::path::Path,
        connection: &DeviceConnection,
    ) -> Option<Self> {
        let DeviceCredential::Key(key) = &connection.credential else { panic!("a device with keys") };
        let config = client_config(&Roots::File(ca.to_owned()), None).expect("roots");
        let stream = TcpStream::connect(hub_mqtt).await.ok()?;
        let name = server_name("localhost").expect("a name");
        let stream = TlsConnector::from(config).connect(name, stream).await.ok()?;
        let mut reporter = Self(Connection::new(stream, Limits { max_packet: 256 * 1024 }));
        let identity = &connection.identity;
        let expiry = Clock::system().unix_seconds() + 3_600;
        let password = sign(&device_resource("localhost", identity), key, expiry, None);
        let mut connect = Connect::new(client_id(identity));
        connect.clean_session = false;
        connect.login = Some(Login::new(format!("localhost/{identity}/?api-version=2021-04-12"), password.expose()));
        reporter.say(&Packet::Connect(connect)).await?;
        reporter.hear().await?;
        let mut subscribe = Subscribe::new("$iothub/twin/res/#", QoS::AtMostOnce);
        subscribe.pkid = 1;
        reporter.say(&Packet::Subscribe(subscribe)).await?;
        reporter.hear().await?;
        Some(reporter)
    }

    async fn say(&mut self, packet: &Packet) -> Option<()> {
        self.0.queue(packet).expect("a small packet");
        self.0.flush().await.ok()
    }

    async fn hear(&mut self) -> Option<Packet> {
        self.0.read().await.ok().flatten().map(|incoming| incoming.packet)
    }

    /// Until the hub is gone.
    async fn count(mut self, told: Shared) -> Option<()> {
        loop {
            let number = {
                let mut told = told.lock().expect("plain data");
                told.counters[WRITERS].asked += 1;
                told.counters[WRITERS].asked
            };
            let rid = number.to_string();
            let topic = DeviceTopic::TwinReported { rid: &rid, version: None }.to_string();
            let body = json!({"n": number}).to_string();
            self.say(&Packet::Publish(Publish::new(topic, QoS::AtMostOnce, body))).await?;
            let Packet::Publish(answer) = self.hear().await? else { panic!("an answer") };
            assert!(answer.topic.starts_with("$iothub/twin/res/204/"), "{}", answer.topic);
            told.lock().expect("plain data").counters[WRITERS].acknowledged = number;
        }
    }
}

/// The load, on a thread of its own, so that it does not pause while the hub is killed; ends when its sender is dropped.
fn load(
    hub: &LocalHub,
    told: &Shared,
    device: &DeviceConnection,
) -> (tokio::sync::oneshot::Sender<()>, std::thread::JoinHandle<()>) {
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let (client, told, device) = (client(hub), Arc::clone(told), device.clone());
    let (mqtt, ca) = (hub.endpoint().mqtt, hub.ca().to_owned());
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let writers = (0..WRITERS).map(|writer| tokio::spawn(write(client.clone(), Arc::clone(&told), writer)));
            let mut tasks: Vec<_> = writers.collect();
            tasks.push(tokio::spawn(async move {
                if let Some(reporter) = Reporter::connect(mqtt, &ca, &device).await {
                    let _ = reporter.count(told).await;
                }
            }));
            let _ = stopped.await;
            for task in tasks {
                task.abort();
                if let Err(error) = task.await {
                    assert!(!error.is_panic(), "{error}");
                }
            }
        });
    });
    (stop, thread)
}

/// Compares; what was in doubt is settled by what the hub holds.
async fn compare(client: &HubClient, told: &Shared, device: &Identity, round: u64) {
    let mut settled = Told::default();
    let told_now = std::mem::take(&mut *told.lock().expect("plain data"));
    for (index, counter) in told_now.counters.iter().enumerate() {
        let (identity, tags) = if index == WRITERS { (device.clone(), false) } else { (writers_device(index), true) };
        let twin = client.twin(&identity).await.expect("a device that was made before the first kill");
        let number = |value: &serde_json::Value| value["n"].as_u64().unwrap_or(0);
        let found = if tags { number(&twin["tags"]) } else { number(&twin["properties"]["reported"]) };
        let Counter { acknowledged, asked } = *counter;
        assert!((acknowledged..=asked).contains(&found), "kill {round}, {identity}: {found} is not in {counter:?}");
        if tags {
            assert_eq!(number(&twin["properties"]["desired"]), found, "kill {round}: a change by half");
        }
        settled.counters[index] = Counter { acknowledged: found, asked };
    }
    for id in &told_now.made {
        let there = client.device(id).await.is_ok();
        if !told_now.deletion_asked.contains(id) {
            assert!(there, "kill {round}: {id} was acknowledged and is gone");
        } else if told_now.deleted.contains(id) {
            assert!(!there, "kill {round}: {id} was deleted and is back");
        }
    }
    *told.lock().expect("plain data") = settled;
}

#[test]
fn whatever_was_acknowledged_outlives_kills_at_random_moments_under_load() {
    let kills = std::env::var("IOTPLAY_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let seed = Seed::from_os();
    eprintln!("{kills} kills, seed {seed:?}");
    let set = empty();
    let mut hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let device: DeviceConnection = hub.device("reporter").trim().parse().expect("a device's string");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let told = Shared::default();
    for writer in 0..WRITERS {
        let made = DeviceDocument::new(writers_device(writer).device);
        runtime.block_on(client(&hub).create_device(&made)).expect("a hub that runs");
    }
    let mut acknowledged = 0;
    for round in 1..=kills {
        let (stop, thread) = load(&hub, &told, &device);
        let moment = rand_below(seed, round, LONGEST_MS);
        // The moment is what is random here: a sleep is not a wait for something to happen.
        std::thread::sleep(Duration::from_millis(moment));
        hub.kill_and_restart();
        drop(stop);
        thread.join().expect("the load does not panic");
        acknowledged += {
            let told = told.lock().expect("plain data");
            told.made.len() + told.deleted.len()
        };
        runtime.block_on(compare(&client(&hub), &told, &device.identity, round));
    }
    let counted: u64 = told.lock().expect("plain data").counters.iter().map(|counter| counter.acknowledged).sum();
    eprintln!(
        "{kills} kills: {acknowledged} creations and deletions and {counted} twin writes acknowledged, none lost"
    );
    assert!(counted > 0 && acknowledged > 0, "the load did something");
}

pub(crate) fn rand_below(seed: Seed, round: u64, limit: u64) -> u64 {
    // A few multiplications are random enough for a moment.
    let mixed = (seed.0 ^ round).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) % limit
}
