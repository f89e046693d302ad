//! Packets that MQTT 3.1.1 forbids, each with the violation it must be refused for, and near misses that must pass.

use iotplay_net::mqtt::Violation::*;
use iotplay_net::mqtt::{Connection, Limits, MqttError, Violation};

const MAX_PACKET: usize = 1024;

/// What the connection says to the first packet of these bytes.
async fn verdict(bytes: &[u8]) -> Result<(), MqttError> {
    let (mut peer, end) = tokio::io::duplex(64 * 1024);
    tokio::io::AsyncWriteExt::write_all(&mut peer, bytes).await.unwrap();
    drop(peer);
    let incoming = Connection::new(end, Limits { max_packet: MAX_PACKET }).read().await?;
    assert!(incoming.is_some(), "no packet in {bytes:x?}");
    Ok(())
}

/// A packet from its first byte and its body, with the right remaining length.
fn packet(lead: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len() < 128);
    let mut bytes = vec![lead, u8::try_from(body.len()).unwrap()];
    bytes.extend_from_slice(body);
    bytes
}

/// CONNECT with the given flags; `payload` follows an empty-free clientId "d".
fn connect(flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut body = b"\0\x04MQTT\x04".to_vec();
    body.extend_from_slice(&[flags, 0, 60, 0, 1, b'd']);
    body.extend_from_slice(payload);
    packet(0x10, &body)
}

type Case = (&'static str, Vec<u8>, Violation);

fn headers_and_acknowledgements() -> Vec<Case> {
    let flags = |kind, flags| Flags { kind, flags };
    vec![
        ("reserved type 0", packet(0x00, b""), PacketType(0)),
        ("reserved type 15", packet(0xf0, b""), PacketType(15)),
        ("type 15 with auth flags of version 5", packet(0xf0, b"\0\0"), PacketType(15)),
        ("connect with flags", packet(0x11, b""), flags(1, 1)),
        ("connack with flags", packet(0x21, b"\0\0"), flags(2, 1)),
        ("puback with flags", packet(0x42, b"\0\x01"), flags(4, 2)),
        ("pubrec with flags", packet(0x52, b"\0\x01"), flags(5, 2)),
        ("pubrel without its flags", packet(0x60, b"\0\x01"), flags(6, 0)),
        ("pubcomp with flags", packet(0x72, b"\0\x01"), flags(7, 2)),
        ("subscribe without its flags", packet(0x80, b"\0\x01\0\x01a\0"), flags(8, 0)),
        ("subscribe with all flags", packet(0x8f, b"\0\x01\0\x01a\0"), flags(8, 15)),
        ("suback with flags", packet(0x92, b"\0\x01\0"), flags(9, 2)),
        ("unsubscribe without its flags", packet(0xa0, b"\0\x01\0\x01a"), flags(10, 0)),
        ("unsuback with flags", packet(0xb2, b"\0\x01"), flags(11, 2)),
        ("pingreq with flags", packet(0xc8, b""), flags(12, 8)),
        ("pingresp with flags", packet(0xd1, b""), flags(13, 1)),
        ("disconnect with flags", packet(0xe1, b""), flags(14, 1)),
        ("five bytes of length", vec![0x30, 0x80, 0x80, 0x80, 0x80, 0x01], RemainingLength),
        ("endless length", vec![0x30, 0xff, 0xff, 0xff, 0xff], RemainingLength),
        ("pingreq with a body", packet(0xc0, b"x"), TrailingBytes),
        ("disconnect with a reason of version 5", packet(0xe0, b"\0"), TrailingBytes),
        ("puback with a reason of version 5", packet(0x40, b"\0\x01\0"), TrailingBytes),
        ("puback of one byte", packet(0x40, b"\0"), Truncated),
        ("puback of nothing", packet(0x40, b""), Truncated),
        ("puback of packet 0", packet(0x40, b"\0\0"), PacketIdZero),
        ("pubrec of packet 0", packet(0x50, b"\0\0"), PacketIdZero),
        ("pubrel of packet 0", packet(0x62, b"\0\0"), PacketIdZero),
        ("pubcomp of packet 0", packet(0x70, b"\0\0"), PacketIdZero),
        ("unsuback of packet 0", packet(0xb0, b"\0\0"), PacketIdZero),
    ]
}

fn publishes() -> Vec<Case> {
    vec![
        ("publish of quality 3", packet(0x36, b"\0\x01a\0\x01"), QoS(3)),
        ("publish of quality 0 marked duplicate", packet(0x38, b"\0\x01a"), DupAtMostOnce),
        ("publish of quality 1 with packet 0", packet(0x32, b"\0\x01a\0\0"), PacketIdZero),
        ("publish of quality 1 without packet id", packet(0x32, b"\0\x01a"), Truncated),
        ("publish of quality 1 with half a packet id", packet(0x32, b"\0\x01a\0"), Truncated),
        ("publish of nothing", packet(0x30, b""), Truncated),
        ("publish with an empty topic", packet(0x30, b"\0\0x"), EmptyTopic),
        ("publish whose topic reaches beyond the packet", packet(0x30, b"\0\x09abc"), Truncated),
        ("publish whose topic length is 65535", packet(0x30, b"\xff\xffabc"), Truncated),
        ("publish to #", packet(0x30, b"\0\x01#"), WildcardTopic),
        ("publish to a/+/b", packet(0x30, b"\0\x05a/+/b"), WildcardTopic),
        ("publish to a topic with a plus inside a word", packet(0x30, b"\0\x03a+b"), WildcardTopic),
        ("publish to a topic with NUL", packet(0x30, b"\0\x03a\0b"), Nul),
        ("publish to a lone continuation byte", packet(0x30, b"\0\x01\x80"), NotUtf8),
        ("publish to an overlong NUL", packet(0x30, b"\0\x02\xc0\x80"), NotUtf8),
        ("publish to a surrogate half", packet(0x30, b"\0\x03\xed\xa0\x80"), NotUtf8),
        ("publish to a code point above the last", packet(0x30, b"\0\x04\xf4\x90\x80\x80"), NotUtf8),
        ("publish to a cut character", packet(0x30, b"\0\x02a\xc3"), NotUtf8),
    ]
}

fn subscriptions_and_answers() -> Vec<Case> {
    vec![
        ("subscribe to nothing", packet(0x82, b"\0\x01"), NoFilters),
        ("subscribe without packet id", packet(0x82, b""), Truncated),
        ("subscribe with packet 0", packet(0x82, b"\0\0\0\x01a\0"), PacketIdZero),
        ("subscribe without a quality", packet(0x82, b"\0\x01\0\x01a"), Truncated),
        ("subscribe of quality 3", packet(0x82, b"\0\x01\0\x01a\x03"), QoS(3)),
        ("subscribe with options of version 5", packet(0x82, b"\0\x01\0\x01a\x2c"), QoS(0x2c)),
        ("subscribe with reserved bits", packet(0x82, b"\0\x01\0\x01a\x80"), QoS(0x80)),
        ("subscribe to an empty filter", packet(0x82, b"\0\x01\0\0\0"), EmptyFilter),
        ("subscribe to a filter with NUL", packet(0x82, b"\0\x01\0\x01\0\0"), Nul),
        ("subscribe to a filter that is not text", packet(0x82, b"\0\x01\0\x01\xff\0"), NotUtf8),
        ("subscribe whose second filter is cut", packet(0x82, b"\0\x01\0\x01a\0\0\x05b"), Truncated),
        ("unsubscribe from nothing", packet(0xa2, b"\0\x01"), NoFilters),
        ("unsubscribe with packet 0", packet(0xa2, b"\0\0\0\x01a"), PacketIdZero),
        ("unsubscribe from an empty filter", packet(0xa2, b"\0\x01\0\0"), EmptyFilter),
        ("unsubscribe from a cut filter", packet(0xa2, b"\0\x01\0\x02a"), Truncated),
        ("unsubscribe with one byte left over", packet(0xa2, b"\0\x01\0\x01a\0"), Truncated),
        ("suback about nothing", packet(0x90, b"\0\x01"), NoFilters),
        ("suback of quality 3", packet(0x90, b"\0\x01\x03"), ReturnCode(3)),
        ("suback of code 0x81", packet(0x90, b"\0\x01\x81"), ReturnCode(0x81)),
        ("connack with reserved flags", packet(0x20, b"\x02\0"), ConnAckFlags(2)),
        ("connack of a session and a refusal", packet(0x20, b"\x01\x05"), ConnAckFlags(1)),
        ("connack of code 6", packet(0x20, b"\0\x06"), ReturnCode(6)),
        ("connack of one byte", packet(0x20, b"\0"), Truncated),
        ("connack with properties of version 5", packet(0x20, b"\0\0\0"), TrailingBytes),
    ]
}

fn connects() -> Vec<Case> {
    vec![
        ("connect of nothing", packet(0x10, b""), Truncated),
        ("connect of another protocol", packet(0x10, b"\0\x04HTTP\x04\x02\0\x3c\0\x01d"), ProtocolName),
        ("connect in lower case", packet(0x10, b"\0\x04mqtt\x04\x02\0\x3c\0\x01d"), ProtocolName),
        (
            "connect with the old name and the new level",
            packet(0x10, b"\0\x06MQIsdp\x04\x02\0\x3c\0\x01d"),
            ProtocolName,
        ),
        ("connect with an empty name", packet(0x10, b"\0\0\x04\x02\0\x3c\0\x01d"), ProtocolName),
        ("connect with the reserved bit", connect(0x03, b""), ConnectFlags(0x03)),
        ("connect with a will's quality but no will", connect(0x0a, b""), ConnectFlags(0x0a)),
        ("connect with a will's retain but no will", connect(0x22, b""), ConnectFlags(0x22)),
        ("connect with a will of quality 3", connect(0x1e, b"\0\x01t\0\x01m"), ConnectFlags(0x1e)),
        ("connect with a password but no user", connect(0x42, b"\0\x01p"), ConnectFlags(0x42)),
        ("connect with a user that is missing", connect(0x82, b""), Truncated),
        ("connect with a user that is cut", connect(0x82, b"\0\x05ab"), Truncated),
        ("connect with a password that is missing", connect(0xc2, b"\0\x01u"), Truncated),
        ("connect with a user with NUL", connect(0x82, b"\0\x01\0"), Nul),
        ("connect with a user that is not text", connect(0x82, b"\0\x01\xff"), NotUtf8),
        ("connect with a password that is not text", connect(0xc2, b"\0\x01u\0\x01\xff"), NotUtf8),
        ("connect with a will to a wildcard", connect(0x06, b"\0\x01#\0\0"), WildcardTopic),
        ("connect with a will to nowhere", connect(0x06, b"\0\0\0\0"), EmptyTopic),
        ("connect with a will without message", connect(0x06, b"\0\x01t"), Truncated),
        ("connect with bytes left over", connect(0x02, b"x"), TrailingBytes),
        ("connect with a clientId that is cut", packet(0x10, b"\0\x04MQTT\x04\x02\0\x3c\0\x09d"), Truncated),
        ("connect without a clientId field", packet(0x10, b"\0\x04MQTT\x04\x02\0\x3c"), Truncated),
        ("connect without keep-alive", packet(0x10, b"\0\x04MQTT\x04\x02"), Truncated),
        ("connect with a clientId with NUL", packet(0x10, b"\0\x04MQTT\x04\x02\0\x3c\0\x01\0"), Nul),
    ]
}

#[tokio::test]
async fn what_the_standard_forbids_is_refused_by_its_name() {
    let cases = [headers_and_acknowledgements(), publishes(), subscriptions_and_answers(), connects()].concat();
    assert!(cases.len() >= 90, "the table shrank to {}", cases.len());
    for (name, bytes, wanted) in cases {
        match verdict(&bytes).await {
            Err(MqttError::Protocol(found)) => assert_eq!(found, wanted, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn another_version_is_told_apart_so_that_it_can_be_answered() {
    for (name, bytes, level) in [
        ("version 5", packet(0x10, b"\0\x04MQTT\x05\x02\0\x3c\0\0\x01d"), 5),
        ("version 3.1", packet(0x10, b"\0\x06MQIsdp\x03\x02\0\x3c\0\x01d"), 3),
        ("level 0", packet(0x10, b"\0\x04MQTT\0\x02\0\x3c\0\x01d"), 0),
        ("a bridge's level 0x84", packet(0x10, b"\0\x04MQTT\x84\x02\0\x3c\0\x01d"), 0x84),
    ] {
        assert!(matches!(verdict(&bytes).await, Err(MqttError::Level(found)) if found == level), "{name}");
    }
}

#[tokio::test]
async fn too_large_and_cut_off_packets_end_the_connection() {
    let large = verdict(&[0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, b'a']).await;
    assert!(matches!(large, Err(MqttError::TooLarge { limit: MAX_PACKET, .. })), "{large:?}");
    for cut in [&[0x30][..], &[0x30, 5], &[0x30, 0x80], &[0x30, 5, 0, 1], &[0xc0]] {
        let ended = verdict(cut).await;
        assert!(
            matches!(&ended, Err(MqttError::Io(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof),
            "{ended:?}"
        );
    }
}

#[tokio::test]
async fn near_misses_pass() {
    for (name, bytes) in [
        ("publish without payload", packet(0x30, b"\0\x01a")),
        ("publish to a topic of one slash", packet(0x30, b"\0\x01/")),
        ("publish to a topic with a space", packet(0x30, b"\0\x03a b")),
        ("publish to a topic with $", packet(0x30, b"\0\x02$a")),
        ("publish retained", packet(0x31, b"\0\x01a")),
        ("publish of quality 1, duplicate", packet(0x3a, b"\0\x01a\0\x01")),
        ("publish of quality 2 (the session refuses it, not the codec)", packet(0x34, b"\0\x01a\0\x01")),
        ("length in more bytes than needed", vec![0xc0, 0x80, 0x00]),
        ("subscribe to many", packet(0x82, b"\0\x01\0\x01a\0\0\x01b\x01\0\x01c\x02")),
        ("subscribe to a misplaced wildcard (the session answers 0x80)", packet(0x82, b"\0\x01\0\x03a#b\0")),
        ("connect with an empty clientId", packet(0x10, b"\0\x04MQTT\x04\x02\0\x3c\0\0")),
        ("connect with an empty user and an empty password", connect(0xc2, b"\0\0\0\0")),
        ("connect with an empty will message", connect(0x06, b"\0\x01t\0\0")),
        ("connect with keep-alive 0", packet(0x10, b"\0\x04MQTT\x04\0\0\0\0\x01d")),
        ("suback of a failure", packet(0x90, b"\0\x01\x80")),
        ("connack of a session", packet(0x20, b"\x01\0")),
    ] {
        assert!(verdict(&bytes).await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn a_connect_tells_absent_fields_from_empty_ones() {
    for (bytes, user, password) in [
        (connect(0x02, b""), false, false),
        (connect(0x82, b"\0\0"), true, false),
        (connect(0xc2, b"\0\x01u\0\0"), true, true),
    ] {
        let (mut peer, end) = tokio::io::duplex(1024);
        tokio::io::AsyncWriteExt::write_all(&mut peer, &bytes).await.unwrap();
        let incoming = Connection::new(end, Limits { max_packet: 1024 }).read().await.unwrap().unwrap();
        assert_eq!((incoming.flags.has_user, incoming.flags.has_password), (user, password));
    }
}
