//! The MQTT decoder: packets of version 3.1.1, nearly right, in pieces.

use net::mqtt::{Connection, Limits, Packet};
use tokio::io::AsyncWriteExt as _;
use tokio::runtime::Runtime;

use super::target::{Input, MEMORY, Target, Verdict};
use crate::random::Random;

/// What a stranger may send to the hub.
const LIMITS: Limits = Limits { max_packet: 72 * 1024 };
const TOPICS: [&str; 9] = [
    "devices/d/messages/events/",
    "$iothub/twin/GET/?$rid=1",
    "$iothub/methods/res/200/?$rid=1",
    "$iothub/methods/POST/#",
    "a/+/b",
    "#",
    "",
    "a\0b",
    "$iothub/twin/PATCH/properties/reported/?$rid=2",
];

pub(super) fn decoder() -> Target {
    Target {
        name: "mqtt",
        what: "MQTT packets for the decoder, in pieces; what is read is written and read again",
        make: packets,
        words: &[
            b"\x00\x04MQTT\x04",
            b"\x00\x06MQIsdp\x03",
            b"\x10",
            b"\x30",
            b"\x82",
            b"\xff\xff\xff\x7f",
            b"\x00\x00",
        ],
        memory: MEMORY,
        prepare: || {
            let runtime = super::session::runtime();
            Box::new(move |input| decode(&runtime, input))
        },
    }
}

/// Some packets.
pub(super) fn packets(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..1 + random.below(4) {
        packet(random, &mut bytes);
    }
    bytes
}

fn field(bytes: &mut Vec<u8>, text: &[u8]) {
    bytes.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend_from_slice(text);
}

fn packet(random: &mut Random, out: &mut Vec<u8>) {
    let mut body = Vec::new();
    let id = [0, if random.once_in(10) { 0 } else { 1 + random.byte() % 4 }];
    let lead = match random.below(9) {
        0 => {
            field(&mut body, b"MQTT");
            let flags = *random.pick(&[0x00_u8, 0x02, 0xc0, 0xc2, 0xc6, 0xf6, 0x26, 0x40, 0x01]);
            body.extend_from_slice(&[4, flags, 0, 60]);
            field(&mut body, b"d");
            for _ in 0..random.below(5) {
                field(&mut body, random.pick(&TOPICS).as_bytes());
            }
            0x10
        }
        1 | 2 => {
            let quality = random.below(3) as u8;
            field(&mut body, random.pick(&TOPICS).as_bytes());
            if quality > 0 {
                body.extend_from_slice(&id);
            }
            body.extend((0..random.below(40)).map(|_| random.byte()));
            0x30 | quality << 1 | u8::from(random.once_in(8)) << 3 | u8::from(random.once_in(8))
        }
        3 => {
            body.extend_from_slice(&id);
            for _ in 0..random.below(4) {
                field(&mut body, random.pick(&TOPICS).as_bytes());
                body.push(random.byte() % 4);
            }
            0x82
        }
        4 => {
            body.extend_from_slice(&id);
            for _ in 0..random.below(3) {
                field(&mut body, random.pick(&TOPICS).as_bytes());
            }
            0xa2
        }
        5 => {
            body.extend_from_slice(&id);
            *random.pick(&[0x40_u8, 0x50, 0x62, 0x70, 0xb0])
        }
        6 => {
            body.extend_from_slice(&id);
            body.push(*random.pick(&[0_u8, 1, 2, 0x80]));
            *random.pick(&[0x90_u8, 0x20])
        }
        7 => *random.pick(&[0xc0_u8, 0xd0, 0xe0]),
        _ => random.byte(),
    };
    out.push(lead);
    let mut length = body.len();
    while length > 127 {
        out.push((length % 128) as u8 | 0x80);
        length /= 128;
    }
    out.push(length as u8);
    out.extend_from_slice(&body);
}

fn decode(runtime: &Runtime, input: &Input<'_>) -> Verdict {
    runtime.block_on(async {
        let bytes = input.0;
        let (mut peer, end) = tokio::io::duplex(bytes.len().max(1));
        let cut = bytes.first().map_or(0, |first| usize::from(*first) % bytes.len());
        let mut connection = Connection::new(end, LIMITS);
        let write = async {
            for piece in [&bytes[..cut], &bytes[cut..]] {
                let _ = peer.write_all(piece).await;
                tokio::task::yield_now().await;
            }
            drop(peer);
        };
        let read = async {
            let mut packets = Vec::new();
            while let Ok(Some(incoming)) = connection.read().await {
                packets.push(incoming.packet);
            }
            packets
        };
        let ((), packets) = tokio::join!(write, read);
        for packet in &packets {
            same_again(packet).await?;
        }
        Ok(!packets.is_empty())
    })
}

/// What was read can be written, if anyone ever sends it, and comes back as it was.
async fn same_again(packet: &Packet) -> Result<(), String> {
    let (near, far) = tokio::io::duplex(LIMITS.max_packet + 1024);
    let mut writer = Connection::new(near, LIMITS);
    // The encoder leaves an empty user name out; nobody here sends one.
    let nameless = matches!(packet, Packet::Connect(connect) if connect.login.as_ref().is_some_and(|login| login.username.is_empty()));
    if nameless || writer.queue(packet).is_err() {
        return Ok(());
    }
    writer.flush().await.map_err(|error| error.to_string())?;
    let again = Connection::new(far, LIMITS).read().await.map_err(|error| format!("{packet:?}: {error}"))?;
    match again {
        Some(again) if again.packet == *packet => Ok(()),
        other => Err(format!("{packet:?} is read again as {other:?}")),
    }
}
