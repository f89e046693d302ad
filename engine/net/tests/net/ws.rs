//! The WebSocket layer against another implementation of it (tungstenite), against bytes cut anywhere, and against peers that
//! break the rules.

use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use iotplay_net::mqtt::{Connection, Limits, Packet, Publish, QoS};
use iotplay_net::ws::{HandshakeError, MAX_FRAME, Proxy, Side, WsStream, WsViolation, accept_key, open};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

const DEADLINE: Duration = Duration::from_secs(30);
const LIMITS: Limits = Limits { max_packet: 400_000 };

fn client_side() -> Side {
    Side::Client(Box::new(StdRng::seed_from_u64(1)))
}

/// Our server and their client.
async fn their_client() -> (WsStream<DuplexStream>, WebSocketStream<DuplexStream>) {
    let (near, far) = duplex(4096);
    let theirs = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
    (WsStream::new(near, Side::Server, Bytes::new()), theirs)
}

/// Our client and their server.
async fn their_server() -> (WsStream<DuplexStream>, WebSocketStream<DuplexStream>) {
    let (near, far) = duplex(4096);
    let theirs = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
    (WsStream::new(near, client_side(), Bytes::new()), theirs)
}

fn publish(size: usize) -> Packet {
    let body: Vec<u8> = (0..size).map(|index| (index % 253) as u8).collect();
    Packet::Publish(Publish::new("a/b", QoS::AtMostOnce, body))
}

fn written(packets: &[Packet]) -> Vec<u8> {
    let mut bytes = bytes::BytesMut::new();
    for packet in packets {
        match packet {
            Packet::Publish(publish) => {
                iotplay_net::mqtt::write_publish(&publish.topic, &publish.payload, LIMITS, &mut bytes).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
    bytes.to_vec()
}

async fn packets_both_ways(ours: WsStream<DuplexStream>, mut theirs: WebSocketStream<DuplexStream>) {
    let packets: Vec<Packet> = [0, 3, 125, 126, 127, 65_530, 70_000, 300_000].map(publish).into();
    let bytes = written(&packets);
    let echo = tokio::spawn(async move {
        let mut received = Vec::new();
        while received.len() < bytes.len() {
            received.extend_from_slice(&theirs.next().await.unwrap().unwrap().into_data());
        }
        assert_eq!(received, bytes);
        theirs.send(Message::Ping(Bytes::from_static(b"there?"))).await.unwrap();
        // Two packets in one frame, one packet in many frames.
        for chunk in received.chunks(50_021) {
            theirs.send(Message::Binary(Bytes::copy_from_slice(chunk))).await.unwrap();
        }
        let pong = theirs.next().await.unwrap().unwrap();
        assert_eq!(pong, Message::Pong(Bytes::from_static(b"there?")));
        theirs.close(None).await.unwrap();
        while let Some(Ok(_)) = theirs.next().await {}
    });
    let mut connection = Connection::new(ours, LIMITS);
    for packet in &packets {
        connection.queue(packet).unwrap();
    }
    for packet in &packets {
        let read = timeout(DEADLINE, connection.read()).await.unwrap().unwrap().unwrap();
        assert_eq!(&read.packet, packet);
    }
    assert!(matches!(timeout(DEADLINE, connection.read()).await.unwrap(), Ok(None)), "their Close is the end");
    connection.close().await.unwrap();
    timeout(DEADLINE, echo).await.unwrap().unwrap();
}

#[tokio::test]
async fn packets_of_any_size_pass_both_ways_with_their_client_and_their_server() {
    let (ours, theirs) = their_client().await;
    packets_both_ways(ours, theirs).await;
    let (ours, theirs) = their_server().await;
    packets_both_ways(ours, theirs).await;
}

#[tokio::test]
async fn our_close_is_understood() {
    let (mut ours, mut theirs) = their_client().await;
    let closing = tokio::spawn(async move { ours.shutdown().await });
    let close = timeout(DEADLINE, theirs.next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(&close, Message::Close(Some(frame)) if u16::from(frame.code) == 1000), "{close:?}");
    closing.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_flood_of_pings_costs_one_answer_at_a_time() {
    let (near, mut far) = duplex(1 << 20);
    let mut ours = WsStream::new(near, client_side(), Bytes::new());
    let ping = [&[0x89, 4][..], b"ping"].concat();
    far.write_all(&ping.repeat(10_000)).await.unwrap();
    far.write_all(&[0x82, 1, 7]).await.unwrap();
    assert_eq!(timeout(DEADLINE, ours.read_u8()).await.unwrap().unwrap(), 7);
    // Nobody took the answers of a peer that does not read; they did not pile up either.
    let (narrow, mut deaf) = duplex(64);
    let mut ours = WsStream::new(narrow, client_side(), Bytes::new());
    let flood = tokio::spawn(async move {
        for _ in 0..10_000 {
            deaf.write_all(&ping).await.unwrap();
        }
        deaf.write_all(&[0x82, 1, 9]).await.unwrap();
        deaf
    });
    assert_eq!(timeout(DEADLINE, ours.read_u8()).await.unwrap().unwrap(), 9);
    drop(flood);
}

/// What a server says to these bytes of a client: the violation, and the code of its Close frame.
async fn verdict(bytes: &[u8]) -> (WsViolation, u16) {
    let (near, mut far) = duplex(64 * 1024);
    far.write_all(bytes).await.unwrap();
    let mut ours = WsStream::new(near, Side::Server, Bytes::new());
    let mut read = Vec::new();
    let error = timeout(DEADLINE, ours.read_to_end(&mut read)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let violation = *error.get_ref().unwrap().downcast_ref::<WsViolation>().unwrap();
    let mut close = [0; 4];
    far.read_exact(&mut close).await.unwrap();
    assert_eq!(close[..2], [0x88, 2]);
    (violation, u16::from_be_bytes([close[2], close[3]]))
}

#[tokio::test]
async fn who_breaks_the_rules_is_told_and_dropped() {
    let mask = [0, 0, 0, 0];
    let head = |first: u8, second: u8| [&[first, 0x80 | second][..], &mask].concat();
    let huge = [&[0x82, 0xff][..], &(MAX_FRAME + 1).to_be_bytes(), &mask].concat();
    for (bytes, violation, code) in [
        (vec![0x82, 0], WsViolation::Masking, 1002),
        (head(0x81, 0), WsViolation::Text, 1003),
        (head(0xc2, 0), WsViolation::ReservedBits, 1002),
        (head(0x87, 0), WsViolation::Opcode(7), 1002),
        (head(0x80, 0), WsViolation::Parts, 1002),
        ([head(0x02, 0), head(0x82, 0)].concat(), WsViolation::Parts, 1002),
        (head(0x09, 0), WsViolation::Control, 1002),
        ([head(0x88, 1), vec![3]].concat(), WsViolation::Close, 1002),
        (huge, WsViolation::TooLarge(MAX_FRAME + 1), 1009),
    ] {
        assert_eq!(verdict(&bytes).await, (violation, code), "{bytes:x?}");
    }
}

#[tokio::test]
async fn a_stream_that_ends_inside_a_frame_is_cut_short() {
    for bytes in [&[0x82][..], &[0x82, 5, 1, 2], &[0x02, 1, 1], &[0x89, 3, 1]] {
        let (near, mut far) = duplex(64);
        far.write_all(bytes).await.unwrap();
        drop(far);
        let mut read = Vec::new();
        let error = WsStream::new(near, client_side(), Bytes::new()).read_to_end(&mut read).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe), "{bytes:x?} {error}");
    }
}

/// What a client gets for this answer of a server, whose proof may be asked for by `{proof}`.
async fn handshake(answer: &'static str) -> Result<u8, HandshakeError> {
    let (near, mut far) = duplex(64 * 1024);
    let server = tokio::spawn(async move {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(far.read_u8().await.unwrap());
        }
        let request = String::from_utf8(request).unwrap();
        assert!(request.starts_with("GET /p?q=1 HTTP/1.1\r\nHost: h:1\r\n"), "{request}");
        let key = request.split("Sec-WebSocket-Key: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let answer = answer.replace("{proof}", &accept_key(key));
        // In two parts, and with the first frame behind it.
        let (first, second) = answer.split_at(answer.len() / 2);
        far.write_all(first.as_bytes()).await.unwrap();
        far.write_all(&[second.as_bytes(), &[0x82, 1, 42]].concat()).await.unwrap();
        far
    });
    let opened = timeout(DEADLINE, open(near, "h:1", "/p?q=1", "mqtt", &mut StdRng::seed_from_u64(5))).await.unwrap();
    let far = server.await.unwrap();
    let byte = opened?.read_u8().await.unwrap();
    drop(far);
    Ok(byte)
}

#[tokio::test]
async fn a_handshake_is_believed_only_with_its_proof_and_sub_protocol() {
    let good = "HTTP/1.1 101 Switching Protocols\r\nConnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
                sec-websocket-accept: {proof}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
    assert_eq!(handshake(good).await.unwrap(), 42);
    for (answer, said) in [
        ("HTTP/1.1 404 Not Found\r\n\r\n", "404 Not Found"),
        ("HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", "does not change to WebSocket"),
        ("HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n", "proof"),
        (
            "HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {proof}\r\n\r\n",
            "sub-protocol",
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n", "not HTTP"),
    ] {
        let error = handshake(answer).await.unwrap_err().to_string();
        assert!(error.contains(said), "{answer}: {error}");
    }
}

#[tokio::test]
async fn a_proxy_is_asked_with_its_password_and_its_no_is_told() {
    for (answer, good) in [("200 Connection established", true), ("407 Proxy Authentication Required", false)] {
        let (mut near, mut far) = duplex(4096);
        let proxy: Proxy = "http://me:secret@proxy:3128".parse().unwrap();
        let server = tokio::spawn(async move {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(far.read_u8().await.unwrap());
            }
            far.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes()).await.unwrap();
            (String::from_utf8(request).unwrap(), far)
        });
        let passed = timeout(DEADLINE, proxy.pass(&mut near, "hub.example", 443)).await.unwrap();
        let (request, _far) = server.await.unwrap();
        assert!(request.starts_with("CONNECT hub.example:443 HTTP/1.1\r\nHost: hub.example:443\r\n"), "{request}");
        assert!(request.contains("Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"), "{request}");
        assert_eq!(passed.is_ok(), good);
        assert!(good || passed.unwrap_err().to_string().contains("407"));
    }
}

/// A frame of a client; the payload is masked here.
fn frame(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    assert!(payload.len() < 65_536);
    let mut bytes = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length @ 0..126) => bytes.push(0x80 | length),
        _ => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
    bytes
}

/// What a server reads of these bytes, which come in parts of these sizes.
fn read_in_parts(bytes: &[u8], sizes: &[usize]) -> (Vec<u8>, Option<ErrorKind>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut steps = parts_of(bytes, sizes);
        let (near, mut far) = duplex(bytes.len() + 64);
        let mut ours = WsStream::new(near, Side::Server, Bytes::new());
        let writer = async {
            for part in steps.drain(..) {
                // Who breaks the rules is not listened to any more.
                if far.write_all(&part).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let _ = far.shutdown().await;
            // Answers must find somebody.
            let mut answers = Vec::new();
            let _ = far.read_to_end(&mut answers).await;
        };
        let reader = async move {
            let mut read = Vec::new();
            let end = ours.read_to_end(&mut read).await;
            drop(ours);
            (read, end.err().map(|error| error.kind()))
        };
        let ((), read) = tokio::join!(writer, reader);
        read
    })
}

fn parts_of(bytes: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |size| (*size).clamp(1, rest.len()));
        let (part, after) = rest.split_at(size);
        parts.push(part.to_vec());
        rest = after;
    }
    parts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn frames_split_and_joined_anywhere_carry_the_same_bytes(
        messages in proptest::collection::vec(proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 1..4), 0..6),
        sizes in proptest::collection::vec(1..300_usize, 1..8),
        mask: [u8; 4],
        pings: bool,
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for parts in &messages {
            for (index, part) in parts.iter().enumerate() {
                let opcode = if index == 0 { 2 } else { 0 };
                let last = if index + 1 == parts.len() { 0x80 } else { 0 };
                bytes.extend(frame(last | opcode, part, mask));
                expected.extend_from_slice(part);
                if pings {
                    bytes.extend(frame(0x89, b"x", mask));
                }
            }
        }
        bytes.extend(frame(0x88, &[], mask));
        prop_assert_eq!(read_in_parts(&bytes, &sizes), (expected, None));
    }

    #[test]
    fn no_bytes_panic_or_hang(bytes in proptest::collection::vec(any::<u8>(), 0..200), sizes in proptest::collection::vec(1..40_usize, 1..4)) {
        let _ = read_in_parts(&bytes, &sizes);
    }

    #[test]
    fn what_is_written_in_pieces_arrives(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40_000), 0..5), room in 1..5000_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let expected = pieces.concat();
        let read = runtime.block_on(async {
            let (near, far) = duplex(room);
            let mut client = WsStream::new(near, client_side(), Bytes::new());
            let mut server = WsStream::new(far, Side::Server, Bytes::new());
            let writer = async {
                for piece in &pieces {
                    client.write_all(piece).await.unwrap();
                }
                client.shutdown().await.unwrap();
                let mut rest = Vec::new();
                let _ = client.read_to_end(&mut rest).await;
            };
            let reader = async move {
                let mut read = Vec::new();
                server.read_to_end(&mut read).await.unwrap();
                read
            };
            tokio::join!(writer, reader).1
        });
        prop_assert_eq!(read, expected);
    }
}
