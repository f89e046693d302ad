//! Bytes that no honest device sends, raw on the stream: before CONNECT, after it, and what must be survived. Cases that
//! brought down other brokers carry the number under which that became known.

use std::sync::Arc;

use net::mqtt::{Packet, SubscribeReasonCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Duration, Instant};

use super::stage::{DESIRED, Device, METHODS, Stage, connect, identity, settle};
use crate::mqtt::door::greet;

/// A packet with the shortest right remaining length.
fn packet(lead: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![lead];
    let mut length = body.len();
    loop {
        let low = u8::try_from(length & 0x7f).unwrap();
        length >>= 7;
        bytes.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    [bytes, body.to_vec()].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

/// Everything the hub answers to these bytes as the first of a connection, and whether it let the sender in.
async fn first_words(stage: &Stage, bytes: &[u8]) -> (Vec<u8>, bool) {
    let (mut near, far) = tokio::io::duplex(1024 * 1024);
    let hub = Arc::clone(&stage.hub);
    let deadline = Instant::now() + Duration::from_secs(60);
    let greeted = tokio::spawn(async move { greet(&hub, far, Arc::default(), None, None, deadline).await.is_some() });
    near.write_all(bytes).await.unwrap();
    near.shutdown().await.unwrap();
    let mut answer = Vec::new();
    near.read_to_end(&mut answer).await.unwrap();
    (answer, greeted.await.expect("no panic"))
}

#[tokio::test(start_paused = true)]
async fn strangers_who_do_not_say_connect_get_no_answer() {
    let stage = Stage::new();
    let first_packets = [
        ("nothing", vec![]),
        ("one byte", vec![0x10]),
        ("a header without an end", vec![0x10, 0x80]),
        ("connack", packet(0x20, b"\0\0")),
        ("publish", packet(0x30, b"\0\x01a")),
        ("puback", packet(0x40, b"\0\x01")),
        ("pubrec", packet(0x50, b"\0\x01")),
        ("pubrel", packet(0x62, b"\0\x01")),
        ("pubcomp", packet(0x70, b"\0\x01")),
        ("subscribe (CVE-2024-8376 begins so)", packet(0x82, b"\0\x01\0\x01a\0")),
        ("suback", packet(0x90, b"\0\x01\0")),
        ("suback without codes (CVE-2024-10525)", packet(0x90, b"\0\x01")),
        ("unsubscribe", packet(0xa2, b"\0\x01\0\x01a")),
        ("unsuback", packet(0xb0, b"\0\x01")),
        ("pingreq", packet(0xc0, b"")),
        ("pingresp", packet(0xd0, b"")),
        ("disconnect", packet(0xe0, b"")),
        ("auth of version 5", packet(0xf0, b"")),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("TLS inside TLS", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec()),
        ("AMQP", b"AMQP\0\x01\0\0".to_vec()),
        ("a connect of 256 MB (CVE-2017-7651)", vec![0x10, 0xff, 0xff, 0xff, 0x7f, 0, 4]),
        ("a length of five bytes (CVE-2019-19307)", vec![0x10, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        ("a large packet that is no connect (CVE-2023-0809)", packet(0x30, &[b'a'; 100_000])),
        ("a connect larger than any honest one", packet(0x10, &[0; 80_000])),
        ("a connect that is cut off", packet(0x10, b"\0\x04MQTT\x04\x02\0\x3c\0\x10d")),
        ("a connect with the reserved bit", packet(0x10, b"\0\x04MQTT\x04\x03\0\x3c\0\x01d")),
        ("a connect with bytes behind it inside", packet(0x10, b"\0\x04MQTT\x04\x02\0\x3c\0\x01dxyz")),
        ("a connect of a protocol without a name", packet(0x10, b"\0\0\x04\x02\0\x3c\0\x01d")),
        ("a connect whose name is 64 KB long", packet(0x10, b"\xff\xffMQTT\x04\x02\0\x3c\0\x01d")),
        ("a will to a wildcard", packet(0x10, b"\0\x04MQTT\x04\x06\0\x3c\0\x01d\0\x01#\0\x01m")),
    ];
    let count = first_packets.len();
    for (name, bytes) in first_packets {
        assert_eq!(first_words(&stage, &bytes).await, (vec![], false), "{name}");
    }
    assert_eq!(stage.refusals().len(), count, "each is reported");
    stage.device("d").await;
}

#[tokio::test(start_paused = true)]
async fn other_versions_are_answered_1_whatever_follows_in_them() {
    let stage = Stage::new();
    for (name, body) in [
        ("version 5", &b"\0\x04MQTT\x05\x02\0\x3c\0\0\x01d"[..]),
        ("a receive maximum (CVE-2021-28166 begins so)", b"\0\x04MQTT\x05\x02\0\x3c\x03\x21\0\x14\0\0"),
        ("many user properties (CVE-2021-41039)", b"\0\x04MQTT\x05\x02\0\x3c\x0a\x26\0\x01a\0\0\x26\0\x01a\0\x01d"),
        ("a will with wrong properties (CVE-2023-3592)", b"\0\x04MQTT\x05\x06\0\x3c\0\0\x01d\x02\x21\0\0\x01t\0\0"),
        ("a property length beyond the packet", b"\0\x04MQTT\x05\x02\0\x3c\xff\xff\xff\x7f"),
        ("version 3.1", b"\0\x06MQIsdp\x03\x02\0\x3c\0\x01d"),
        ("version 0", b"\0\x04MQTT\0\x02\0\x3c\0\x01d"),
        ("version 255", b"\0\x04MQTT\xff\x02\0\x3c\0\x01d"),
        ("a bridge", b"\0\x04MQTT\x84\x02\0\x3c\0\x01d"),
    ] {
        assert_eq!(first_words(&stage, &packet(0x10, body)).await, (b"\x20\x02\0\x01".to_vec(), false), "{name}");
    }
}

/// What no device may send, and publishes that are none of IoT Hub's.
fn broken_publishes() -> Vec<(&'static str, Vec<u8>)> {
    let publish = |topic: &str| packet(0x30, &text(topic));
    let qos_2 = packet(0x34, &[text("devices/d/messages/events/"), vec![0, 1]].concat());
    vec![
        ("a connack", packet(0x20, b"\0\0")),
        ("a connack with flags (CVE-2021-28166)", vec![0x29, 2, 0, 1]),
        ("a suback", packet(0x90, b"\0\x01\0")),
        ("a suback without codes (CVE-2024-10525)", packet(0x90, b"\0\x01")),
        ("an unsuback", packet(0xb0, b"\0\x01")),
        ("a pingresp", packet(0xd0, b"")),
        ("a pubrec", packet(0x50, b"\0\x01")),
        ("a pubrel", packet(0x62, b"\0\x01")),
        ("a pubcomp", packet(0x70, b"\0\x01")),
        ("quality 2, never released (CVE-2023-28366)", qos_2.repeat(100)),
        ("quality 3", packet(0x36, b"\0\x01a\0\x01")),
        ("a topic of length 0 (CVE-2021-34432)", packet(0x30, b"\0\0x")),
        ("a topic that begins with $ (CVE-2018-12543)", publish("$test/x")),
        ("a topic under $SYS", publish("$SYS/broker/uptime")),
        ("a topic under $share", publish("$share/g/devices/d/messages/events/")),
        ("a topic under $iothub that is none", publish("$iothub/config/GET/?$rid=1")),
        ("a topic of 65,000 slashes", publish(&"/".repeat(65_000))),
        ("a topic longer than its packet (CVE-2019-17210)", packet(0x30, b"\xff\xf0abc")),
        ("a publish that ends before its packet id (CVE-2026-54412)", packet(0x32, b"\0\x01a")),
        ("a publish with packet id 0", packet(0x32, b"\0\x01a\0\0")),
        ("a publish to a wildcard", publish("devices/+/messages/events/")),
        ("a publish to NUL", publish("devices/d\0/messages/events/")),
        ("a publish to half a character", packet(0x30, b"\0\x02a\xc3")),
        ("another's telemetry", publish("devices/e/messages/events/")),
        ("another's telemetry by dots", publish("devices/d/../e/messages/events/")),
        ("a module's telemetry", publish("devices/d/modules/m/messages/events/")),
        ("a blank in a bag", publish("devices/d/messages/events/a b=c")),
        ("a bag that is not text once decoded", publish("devices/d/messages/events/a=%ff")),
        ("telemetry with a tail", publish("devices/d/messages/eventsource/")),
        ("an answer without request id", publish("$iothub/methods/res/200/")),
        ("a twin read without request id", publish("$iothub/twin/GET/")),
        ("a twin read with an empty request id", publish("$iothub/twin/GET/?$rid=")),
    ]
}

/// Everything else that ends a connection.
fn other_breaches() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a subscribe without quality (NanoMQ 2268)", packet(0x82, b"\0\x01\0\x01a")),
        ("a subscribe to nothing", packet(0x82, b"\0\x01")),
        ("a subscribe with packet id 0", packet(0x82, b"\0\0\0\x01a\0")),
        ("a subscribe with reserved bits", packet(0x82, b"\0\x01\0\x01a\x40")),
        ("a subscribe without its flags", packet(0x80, b"\0\x01\0\x01a\0")),
        ("an unsubscribe from nothing", packet(0xa2, b"\0\x01")),
        ("an unsubscribe with a cut filter", packet(0xa2, b"\0\x01\0\x09a")),
        ("a puback of three bytes", packet(0x40, b"\0\x01\0")),
        ("a pingreq with a body", packet(0xc0, b"x")),
        ("a disconnect of version 5", packet(0xe0, b"\x04\0")),
        ("a packet of 256 MB", vec![0x30, 0xff, 0xff, 0xff, 0x7f]),
        ("a packet just above the limit", packet(0x30, &vec![0; 400_000])[..8].to_vec()),
        ("a length without end", vec![0x30, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        ("type 0", vec![0, 0]),
        ("type 15", vec![0xf0, 0]),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
    ]
}

#[tokio::test(start_paused = true)]
async fn an_admitted_device_that_breaks_the_rules_is_dropped_alone() {
    let cases = [broken_publishes(), other_breaches()].concat();
    let stage = Stage::new();
    let mut neighbour = stage.device("neighbour").await;
    for (index, (name, bytes)) in cases.into_iter().enumerate() {
        let mut device = stage.device("d").await;
        device.connection.queue_written(&bytes);
        device.until_closed().await;
        settle().await;
        let endings = stage.endings();
        assert!(endings.len() == index + 1 && endings[index].starts_with("it was dropped: "), "{name}: {endings:?}");
        assert_eq!(stage.exchange().connected(), 1, "{name}");
        neighbour.ping().await;
    }
    assert!(stage.telemetry().is_empty());
}

async fn survives(device: &mut Device, bytes: &[u8]) {
    device.connection.queue_written(bytes);
    device.send(&Packet::PingReq).await;
    while device.receive().await != Packet::PingResp {}
}

#[tokio::test(start_paused = true)]
async fn what_is_odd_but_allowed_is_survived() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    let filters = |count: usize, filter: &str| {
        let one = [text(filter), vec![1]].concat();
        packet(0x82, &[vec![0, 1], one.repeat(count)].concat())
    };
    for (name, bytes) in [
        ("an acknowledgement too many", packet(0x40, b"\0\x09")),
        ("a filter of 65,400 slashes (CVE-2019-11779)", filters(1, &"/".repeat(65_400))),
        ("a filter of wildcards", filters(1, &"+/".repeat(20_000))),
        ("a filter with a wildcard inside a word", filters(1, "a#b+c")),
        ("20,000 filters", filters(20_000, "a")),
        ("one filter 1,000 times", filters(1_000, DESIRED)),
        ("20,000 filters to leave", packet(0xa2, &[vec![0, 1], text("a").repeat(20_000)].concat())),
        ("a length in four bytes for nothing", vec![0xc0, 0x80, 0x80, 0x80, 0x00]),
        ("1,000 pings at once", [0xc0, 0].repeat(1_000)),
        (
            "a bag of 10,000 properties",
            packet(0x30, &text(&format!("devices/d/messages/events/{}", "a=b&".repeat(10_000)))),
        ),
        ("a bag of separators", packet(0x30, &text("devices/d/messages/events/&&==&=&"))),
        ("an answer to nobody", packet(0x30, &text("$iothub/methods/res/200/?$rid=ffffffffffffffffffff"))),
        (
            "a request id of 60,000 characters",
            packet(0x30, &text(&format!("$iothub/twin/GET/?$rid={}", "r".repeat(60_000)))),
        ),
    ] {
        tokio::time::timeout(Duration::from_secs(5), survives(&mut device, &bytes)).await.expect(name);
    }
    assert!(stage.endings().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_name_made_of_wildcards_hears_nothing_of_others() {
    // CVE-2017-7650: `#` and `+` as names opened others' topics. Both are lawful device ids here.
    let stage = Stage::new();
    for name in ["#", "+", "$"] {
        let mut odd = stage.dial();
        odd.hello(&connect(name)).await;
        let own = format!("devices/{name}/messages/devicebound/#");
        let granted = odd.subscribe(&[&own, "devices/d/messages/devicebound/#", DESIRED, METHODS]).await;
        assert_eq!(granted[1], SubscribeReasonCode::Failure);
        stage.exchange().desired(&identity("d"), 2, &"{}".into());
        odd.hears_nothing().await;
        stage.exchange().desired(&identity(name), 2, &"{}".into());
        odd.receive_publish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_cut_inside_a_packet_is_a_lost_connection() {
    // CVE-2026-25627: a length that promises more than ever comes.
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    device.connection.queue_written(b"\x30\x80\x20\0");
    device.connection.flush().await.unwrap();
    drop(device);
    settle().await;
    assert!(stage.endings()[0].starts_with("the connection was lost: "), "{:?}", stage.endings());
}
