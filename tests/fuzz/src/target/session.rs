//! Two clients at the hub's real sessions, and services beside them: they log in, subscribe, talk, break off, take over from
//! each other and send rubbish, in any order. The input is a tape of their deeds.

use std::time::Duration;

use base::Secret;
use bytes::Bytes;
use hub::FuzzHub;
use net::mqtt::{
    Connect, Connection, LastWill, Limits, Packet, PubAck, Publish, QoS, Subscribe, SubscribeFilter, Unsubscribe,
};
use serde_json::json;
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use wire::{Identity, MethodCall, Status};

use super::target::{Input, MEMORY, Target, Verdict};
use crate::random::Random;
use crate::tape::Tape;

const LIMITS: Limits = Limits { max_packet: 512 * 1024 };
/// How long a client listens in between; of paused time.
const LISTEN: Duration = Duration::from_millis(50);
/// More deeds than that only cost time.
const DEEDS: usize = 64;
/// Who connects. The third is a module; the last one is not there at first.
const WHO: [&str; 4] = ["d", "e", "d/m", "f"];
const FILTERS: [&str; 10] = [
    "$iothub/methods/POST/#",
    "$iothub/twin/res/#",
    "$iothub/twin/PATCH/properties/desired/#",
    "devices/d/messages/devicebound/#",
    "devices/e/messages/devicebound/#",
    "devices/d/modules/m/inputs/#",
    "#",
    "+",
    "$iothub/#",
    "$dps/registrations/res/#",
];
const TOPICS: [&str; 12] = [
    "devices/d/messages/events/",
    "devices/e/messages/events/a=b&$.ct=x",
    "devices/d/modules/m/messages/events/%24.on=o",
    "$iothub/twin/GET/?$rid=1",
    "$iothub/twin/PATCH/properties/reported/?$rid=2",
    "$iothub/methods/res/200/?$rid=1",
    "$iothub/methods/res/-1/?$rid=0",
    "$iothub/methods/res/99999999999/?$rid=2",
    "$iothub/twin/GET/",
    "devices/d/messages/devicebound/",
    "$dps/registrations/PUT/iotdps-register/?$rid=1",
    "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=o",
];
const BODIES: [&str; 9] = [
    "",
    "{}",
    "null",
    r#"{"a":{"b":[1,null]}}"#,
    r#"{"$version":1}"#,
    r#"{"a":null,"b":"c"}"#,
    "[",
    r#"{"a.b":1}"#,
    r#"{"registrationId":"r","payload":{"a":1}}"#,
];

/// One for all inputs: time is paused, so waiting costs nothing.
pub(super) fn runtime() -> Runtime {
    let built = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    built.expect("a runtime without I/O needs nothing of the system")
}

pub(super) fn two_clients() -> Target {
    Target {
        name: "session",
        what: "two MQTT clients and a service at the hub's sessions",
        make: |random| (0..16 + random.below(200)).map(|_| random.byte()).collect(),
        words: &[
            b"\x00\x00",
            b"\x01\x01",
            b"\x02\x00\x00",
            b"\x02\x01\x01",
            b"\x03\x00\x00",
            b"\x04\x00\x00\x00",
            b"\x05",
            b"\x08",
        ],
        memory: MEMORY,
        prepare: || {
            let runtime = runtime();
            Box::new(move |input| runtime.block_on(play(input.0)))
        },
    }
}

pub(super) fn registering() -> Target {
    Target {
        name: "stranger",
        what: "the first packets of strangers, devices and registering devices, as raw bytes, to the hub's door",
        make: first_packets,
        words: &[b"MQTT", b"registrations", b"api-version=2019-03-31", b"localhost/d", b"SharedAccessSignature sr="],
        memory: MEMORY,
        prepare: || {
            let runtime = runtime();
            Box::new(move |input| runtime.block_on(knock(input)))
        },
    }
}

fn first_packets(random: &mut Random) -> Vec<u8> {
    let users = [
        "localhost/d/?api-version=2021-04-12",
        "0ne00000000/registrations/r/api-version=2019-03-31",
        "localhost/d",
        "",
    ];
    let passwords = [
        "",
        "SharedAccessSignature sr=localhost%2Fdevices%2Fd&sig=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D&se=9999999999",
    ];
    let mut connect = Connect::new(*random.pick(&["d", "r", "e", ""]));
    connect.set_login(*random.pick(&users), *random.pick(&passwords));
    connect.clean_session = random.once_in(2);
    let mut bytes = bytes_of(&Packet::Connect(connect));
    bytes.extend(super::mqtt::packets(random));
    bytes
}

fn bytes_of(packet: &Packet) -> Vec<u8> {
    let mut out = bytes::BytesMut::new();
    let Packet::Connect(connect) = packet else { return Vec::new() };
    // The encoder of the other side: what it writes is what SDKs of its kind write.
    let _ = connect.write(&mut out);
    out.to_vec()
}

async fn knock(input: &Input<'_>) -> Verdict {
    let mut hub = FuzzHub::start();
    hub.make(&identity("d")).await;
    let mut stream = hub.mqtt();
    let wrote = timeout(Duration::from_secs(1), stream.write_all(input.0)).await;
    let mut connection = Connection::new(stream, LIMITS);
    let answered = timeout(LISTEN, connection.read()).await;
    drop(connection);
    hub.end().await?;
    Ok(wrote.is_ok() && matches!(answered, Ok(Ok(Some(_)))))
}

fn identity(text: &str) -> Identity {
    text.parse().expect("written down, and an identity")
}

/// A client's connection, if it has one.
type Client = Option<Connection<DuplexStream>>;

async fn play(bytes: &[u8]) -> Verdict {
    let mut hub = FuzzHub::start();
    for one in &WHO[..3] {
        hub.make(&identity(one)).await;
    }
    let mut tape = Tape::new(bytes);
    let mut clients: [Client; 2] = [None, None];
    let mut welcome = false;
    for _ in 0..DEEDS {
        if tape.is_over() {
            break;
        }
        let which = tape.below(2);
        if tape.below(3) == 0 {
            serve(&mut hub, &mut tape).await;
        } else {
            welcome |= act(&mut hub, &mut clients[which], &mut tape).await;
        }
    }
    drop(clients);
    hub.end().await?;
    Ok(welcome)
}

/// What a service does, or time.
async fn serve(hub: &mut FuzzHub, tape: &mut Tape<'_>) {
    let who = identity(tape.pick::<&str>(&WHO));
    match tape.below(8) {
        0 => {
            let mut call = MethodCall::new("reboot");
            call.connect_timeout = Duration::from_secs(u64::from(tape.byte()));
            call.response_timeout = Duration::from_secs(5 + u64::from(tape.byte()));
            hub.call(&who, call);
        }
        1 => hub.patch(&who, &json!({"properties": {"desired": {"n": tape.byte()}}})).await,
        2 => hub.message(&who.device, Bytes::copy_from_slice(tape.some())).await,
        3 => hub.set_status(&who.device, Status::Disabled).await,
        4 => hub.set_status(&who.device, Status::Enabled).await,
        5 => hub.remove(&who).await,
        6 => hub.make(&who).await,
        _ => {
            let seconds = Duration::from_secs(u64::from(tape.byte()) * 10);
            hub.advance(seconds);
            tokio::time::sleep(seconds).await;
        }
    }
}

/// What a client does; whether it was let in.
async fn act(hub: &mut FuzzHub, client: &mut Client, tape: &mut Tape<'_>) -> bool {
    match tape.below(10) {
        0 | 1 => return dial(hub, client, tape).await,
        2 => {
            let filters = (0..1 + tape.below(3)).map(|_| {
                let quality = *tape.pick(&[QoS::AtLeastOnce, QoS::AtMostOnce, QoS::ExactlyOnce]);
                SubscribeFilter::new((*tape.pick(&FILTERS)).to_owned(), quality)
            });
            let filters = filters.collect();
            send(client, &Packet::Subscribe(Subscribe { pkid: 1 + u16::from(tape.byte()), filters })).await;
        }
        3 => {
            let topics = vec![(*tape.pick(&FILTERS)).to_owned()];
            send(client, &Packet::Unsubscribe(Unsubscribe { pkid: 1 + u16::from(tape.byte()), topics })).await;
        }
        4 | 5 => {
            let quality = *tape.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
            let mut publish = Publish::new(*tape.pick(&TOPICS), quality, tape.pick(&BODIES).as_bytes());
            publish.pkid = if quality == QoS::AtMostOnce { 0 } else { 1 + u16::from(tape.byte()) };
            send(client, &Packet::Publish(publish)).await;
        }
        6 => send(client, &Packet::PubAck(PubAck { pkid: 1 + tape.below(20) as u16 })).await,
        7 => send(client, tape.pick(&[Packet::PingReq, Packet::Disconnect, Packet::PingResp])).await,
        8 => {
            // Rubbish between packets, or in the middle of one.
            let rubbish = tape.some();
            if let Some(connection) = client {
                connection.queue_written(rubbish);
                let _ = timeout(LISTEN, connection.flush()).await;
            }
        }
        _ if tape.below(2) == 0 => *client = None,
        _ => hear(client).await,
    }
    false
}

async fn dial(hub: &mut FuzzHub, client: &mut Client, tape: &mut Tape<'_>) -> bool {
    let who = identity(tape.pick::<&str>(&WHO));
    let mut connect = Connect::new(wire::client_id(&who));
    let (user, password) = hub.login(&who).unwrap_or_else(|| (format!("localhost/{who}/"), "none".to_owned()));
    connect.set_login(user, Secret::new(password).expose());
    connect.clean_session = tape.below(2) == 0;
    connect.keep_alive = u16::from(tape.byte());
    if tape.below(4) == 0 {
        let will = LastWill::new(
            *tape.pick(&TOPICS),
            *tape.pick(&BODIES),
            *tape.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce]),
            false,
        );
        connect.last_will = Some(will);
    }
    *client = Some(Connection::new(hub.mqtt(), LIMITS));
    send(client, &Packet::Connect(connect)).await;
    let Some(connection) = client else { return false };
    // It may have to wait for the one that it takes over from.
    matches!(timeout(Duration::from_secs(10), connection.read()).await, Ok(Ok(Some(incoming))) if matches!(incoming.packet, Packet::ConnAck(_)))
}

async fn send(client: &mut Client, packet: &Packet) {
    let Some(connection) = client else { return };
    let sent = match connection.queue(packet) {
        Ok(()) => matches!(timeout(LISTEN, connection.flush()).await, Ok(Ok(()))),
        Err(_) => true,
    };
    if !sent {
        *client = None;
    }
}

async fn hear(client: &mut Client) {
    let Some(connection) = client else { return };
    while let Ok(read) = timeout(LISTEN, connection.read()).await {
        if !matches!(read, Ok(Some(_))) {
            *client = None;
            return;
        }
    }
}
