//! What comes by the HTTPS port: frames of WebSockets, handshakes, requests of services, and devices behind a handshake.

use std::time::Duration;

use bytes::Bytes;
use hub::FuzzHub;
use net::ws::{Side, WsStream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::session::runtime;
use super::target::{Input, MEMORY, Target, Verdict};
use crate::grammar::{Rule, text};
use crate::random::Random;

/// An answer has to come, or the connection to end, within this much of paused time: longer than the longest of all waits
/// for a method call (300 s to connect, 300 s to answer).
const PATIENCE: Duration = Duration::from_secs(700);
/// Stands for the owner's token, which is another one in each hub.
const TOKEN: &str = "TOKEN";

const REQUESTS: &[Rule] = &[
    ("start", &["<one><start>", "<one>", "<one>"]),
    ("one", &["<verb> <path>?<query> HTTP/1.1\r\n<heads>content-length: 0\r\n\r\n", "<put>", "<put>", "<chunked>"]),
    (
        "put",
        &[
            "PUT /devices/<id>?<query> HTTP/1.1\r\n<auth>content-length: 18\r\n\r\n{\"deviceId\":\"<id>\"}\r\n",
            "PATCH /twins/<id>?<query> HTTP/1.1\r\n<auth>content-length: 26\r\n\r\n{\"tags\":{\"a\":[1,{\"b\":2}]}}",
            "POST /devices/query?<query> HTTP/1.1\r\n<auth>content-length: 35\r\n\r\n{\"query\":\"SELECT * FROM devices   \"}",
            "POST /twins/d/methods?<query> HTTP/1.1\r\n<auth>content-length: 18\r\n\r\n{\"methodName\":\"m\"}",
            "POST /devices?<query> HTTP/1.1\r\n<auth>content-length: 33\r\n\r\n[{\"id\":\"x\",\"importMode\":\"create\"}]",
            "PUT /jobs/v2/j?<query> HTTP/1.1\r\n<auth>content-length: 114\r\n\r\n{\"jobId\":\"j\",\"type\":\"scheduleUpdateTwin\",\"queryCondition\":\"*\",\"updateTwin\":{\"tags\":{\"a\":1},\"etag\":\"*\"},\"x\":\"y\"   }",
            "POST /iotplay/devices/d/messages?<query> HTTP/1.1\r\n<auth>content-length: 34\r\n\r\n{\"body\":\"aGVsbG8=\",\"ack\":\"full\"   }",
            "PUT /enrollments/r?<query> HTTP/1.1\r\n<auth>content-length: 70\r\n\r\n{\"registrationId\":\"r\",\"attestation\":{\"type\":\"symmetricKey\"}          }",
        ],
    ),
    (
        "chunked",
        &["<verb> <path>?<query> HTTP/1.1\r\n<heads>transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
    ),
    ("verb", &["GET", "GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "HEAD", "get", "GET"]),
    (
        "path",
        &[
            "/devices",
            "/devices/<id>",
            "/devices/<id>/modules",
            "/devices/<id>/modules/m",
            "/twins/<id>",
            "/twins/<id>/modules/m",
            "/twins/<id>/methods",
            "/devices/query",
            "/jobs/v2/<id>",
            "/jobs/v2/query",
            "/jobs/v2/<id>/cancel",
            "/statistics/devices",
            "/statistics/service",
            "/messages/serviceBound/feedback",
            "/messages/serviceBound/feedback/<id>",
            "/devices/<id>/commands",
            "/enrollments/<id>",
            "/enrollmentGroups/query",
            "/registrations/<id>",
            "/iotplay/status",
            "/iotplay/telemetry",
            "/certificates/<id>",
            "/configurations",
            "/<id>/registrations/<id>/register",
            "/$iothub/websocket",
            "*",
            "//",
            "/%2e%2e/%00",
            "http://localhost/devices",
            "/devices",
        ],
    ),
    ("id", &["d", "e", "d%2Fm", "%24edgeAgent", "%zz", "", "..", "a b", "é", "d"]),
    (
        "query",
        &[
            "api-version=2021-04-12",
            "api-version=2021-04-12&top=<n>",
            "api-version=2021-04-12&last=<n>&wait=<n>",
            "api-version=2021-04-12&jobType=<id>",
            "api-version=",
            "",
        ],
    ),
    ("n", &["1", "0", "-1", "1001", "99999999999999999999", "20", "x"]),
    ("auth", &["host: localhost\r\nauthorization: TOKEN\r\n"]),
    ("heads", &["<auth><head><heads>", "<auth>", "<head><heads>", "<auth>"]),
    (
        "head",
        &[
            "if-match: <etag>\r\n",
            "x-ms-max-item-count: <n>\r\n",
            "x-ms-continuation: <id>\r\n",
            "content-type: application/json; charset=utf-8\r\n",
            "expect: 100-continue\r\n",
            "connection: close\r\n",
            "connection: upgrade\r\nupgrade: h2c\r\n",
            "content-length: <n>\r\n",
            "x-<id>: <n>\r\n",
            "user-agent: x\r\n",
        ],
    ),
    ("etag", &["*", "\"*\"", "\"AAAA\"", "W/\"x\"", "\"", "AAA="]),
];

const UPGRADE: &[Rule] = &[
    ("start", &["<line><heads>\r\n"]),
    (
        "line",
        &[
            "GET /$iothub/websocket?iothub-no-client-cert=true HTTP/1.1\r\nhost: localhost\r\n",
            "GET /%24iothub/websocket HTTP/1.1\r\nhost: localhost\r\n",
            "POST /$iothub/websocket HTTP/1.1\r\n",
            "GET /$iothub/websocket HTTP/1.1\r\n",
        ],
    ),
    ("heads", &["<good>", "<good>", "<good><head>", "<head><head><head>"]),
    (
        "good",
        &[
            "upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: mqtt\r\n",
        ],
    ),
    (
        "head",
        &[
            "upgrade: h2c, websocket\r\n",
            "connection: keep-alive, Upgrade\r\n",
            "sec-websocket-version: 8\r\n",
            "sec-websocket-key: AAAA\r\n",
            "sec-websocket-protocol: amqp, mqtt\r\n",
            "sec-websocket-extensions: permessage-deflate\r\n",
            "content-length: 5\r\n",
        ],
    ),
];

const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\r\n\r\n",
    b" HTTP/1.1",
    b"TOKEN",
    b"content-length: 1\r\n",
    b"transfer-encoding: chunked\r\n",
    b"{\"",
    b"\":null",
    b"[[[[[[[[",
    b"api-version=2021-04-12",
    b"\x81\x80",
    b"\x82\xfe\x00\x10",
    b"\x88\x80\0\0\0\0",
    b"\x89\x80\0\0\0\0",
];

pub(super) fn frames() -> Target {
    Target {
        name: "frames",
        what: "frames of WebSockets, for both sides",
        make: frame_bytes,
        words: WORDS,
        memory: MEMORY,
        prepare: || {
            let runtime = runtime();
            Box::new(move |input| runtime.block_on(read_frames(input.0)))
        },
    }
}

fn frame_bytes(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..1 + random.below(5) {
        frame(random, &mut bytes);
    }
    bytes
}

fn frame(random: &mut Random, out: &mut Vec<u8>) {
    let lead = *random.pick(&[0x82_u8, 0x82, 0x02, 0x80, 0x00, 0x81, 0x88, 0x89, 0x8a, 0xc2, 0x8b]);
    let most = if random.once_in(8) { 300 } else { 20 };
    let payload: Vec<u8> = (0..random.below(most)).map(|_| random.byte()).collect();
    let masked = if random.once_in(10) { 0 } else { 0x80 };
    out.push(lead);
    match u16::try_from(payload.len()) {
        _ if random.once_in(20) => {
            out.push(127 | masked);
            out.extend_from_slice(&(1_u64 << random.below(64)).to_be_bytes());
        }
        Ok(length) if length > 125 || random.once_in(20) => {
            out.push(126 | masked);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => out.push(payload.len() as u8 | masked),
    }
    if masked != 0 {
        out.extend_from_slice(&[1, 2, 3, 4]);
    }
    out.extend_from_slice(&payload);
}

async fn read_frames(bytes: &[u8]) -> Verdict {
    let mut taken = false;
    for server in [true, false] {
        let side = if server { Side::Server } else { Side::Client(Box::new(base::Seed(1).rng())) };
        let (mut peer, end) = tokio::io::duplex(bytes.len() + 1024);
        let cut = bytes.len() / 2;
        let mut stream = WsStream::new(end, side, Bytes::copy_from_slice(&bytes[..cut]));
        let _ = peer.write_all(&bytes[cut..]).await;
        let _ = peer.shutdown().await;
        let mut into = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut into)).await;
        let read = read.map_err(|_| "reading does not end although its stream has".to_owned())?;
        if into.len() > bytes.len() {
            return Err(format!("{} bytes came out of {}", into.len(), bytes.len()));
        }
        taken |= read.is_ok() && !into.is_empty();
    }
    Ok(taken)
}

pub(super) fn handshake() -> Target {
    Target {
        name: "handshake",
        what: "answers to our own WebSocket handshake",
        make: |random| {
            let status = random.pick(&["101 Switching Protocols", "101", "200 OK", "407 x", "99", "-1"]);
            let head = text(UPGRADE, "heads", random);
            format!("HTTP/1.1 {status}\r\n{head}\r\n\x02\x01a").into_bytes()
        },
        words: WORDS,
        memory: MEMORY,
        prepare: || {
            let runtime = runtime();
            Box::new(move |input| runtime.block_on(shake(input.0)))
        },
    }
}

async fn shake(bytes: &[u8]) -> Verdict {
    let (mut peer, end) = tokio::io::duplex(bytes.len() + 4096);
    let _ = peer.write_all(bytes).await;
    let _ = peer.shutdown().await;
    let mut random = base::Seed(1).rng();
    let opened = timeout(PATIENCE, net::ws::open(end, "localhost", "/", "mqtt", &mut random)).await;
    // Nobody can know the proof, so it is the status at best.
    match opened.map_err(|_| "the handshake does not end although its stream has".to_owned())? {
        Ok(_) => Err("a handshake with a wrong proof was taken".to_owned()),
        Err(error) => Ok(!matches!(error, net::ws::HandshakeError::NotHttp | net::ws::HandshakeError::Io(_))),
    }
}

pub(super) fn requests() -> Target {
    Target {
        name: "http",
        what: "requests with the owner's token, to the hub's REST side",
        make: |random| text(REQUESTS, "start", random).into_bytes(),
        words: WORDS,
        memory: MEMORY,
        prepare: || {
            let runtime = runtime();
            Box::new(move |input| runtime.block_on(ask(input)))
        },
    }
}

pub(super) fn websocket() -> Target {
    Target {
        name: "websocket",
        what: "handshakes with frames of MQTT behind them, to the hub's HTTPS side",
        make: |random| {
            let mut bytes = text(UPGRADE, "start", random).into_bytes();
            bytes.extend(frame_bytes(random));
            bytes
        },
        words: WORDS,
        memory: MEMORY,
        prepare: || {
            let runtime = runtime();
            Box::new(move |input| runtime.block_on(ask(input)))
        },
    }
}

/// All of the input on one connection; whether the hub's answer was another one than a refusal of the bytes themselves.
async fn ask(input: &Input<'_>) -> Verdict {
    let mut hub = FuzzHub::start();
    hub.make(&"d".parse().expect("a plain word is an identity")).await;
    let bytes = replaced(input.0, TOKEN.as_bytes(), hub.owner().as_bytes());
    let stream = hub.https();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let write = async {
        let _ = timeout(PATIENCE, writer.write_all(&bytes)).await;
        let _ = writer.shutdown().await;
    };
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, reader.read_to_end(&mut answer));
    let ((), read) = tokio::join!(write, read);
    if read.is_err() {
        return Err("no answer and no end".to_owned());
    }
    drop((reader, writer));
    hub.end().await?;
    if !answer.is_empty() && !answer.starts_with(b"HTTP/1.") {
        return Err(format!("the answer is not HTTP: {}", answer.escape_ascii()));
    }
    if answer.starts_with(b"HTTP/1.1 500") {
        return Err(format!("the hub blames itself: {}", answer.escape_ascii()));
    }
    Ok(answer.len() > 12 && !answer.starts_with(b"HTTP/1.1 400"))
}

fn replaced(bytes: &[u8], word: &[u8], by: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + by.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(word) {
            out.extend_from_slice(by);
            at += word.len();
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}
