//! The codec over arbitrary packets and arbitrary bytes: nothing panics, slices do not matter, what is written is read.
//! `PROPTEST_CASES=1000000` makes a fuzzer of it.

use iotplay_net::mqtt::{
    ConnAck, Connect, ConnectReturnCode, Connection, LastWill, Limits, Login, Packet, PubAck, Publish, QoS, SubAck,
    Subscribe, SubscribeFilter, SubscribeReasonCode, UnsubAck, Unsubscribe,
};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const LIMITS: Limits = Limits { max_packet: 64 * 1024 };

fn quality() -> impl Strategy<Value = QoS> {
    prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)]
}

fn topic() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9/$%=&?é€ _.-]{1,60}"
}

fn filter() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9/$+#é]{1,40}"
}

fn publish() -> impl Strategy<Value = Publish> {
    (quality(), any::<bool>(), any::<bool>(), topic(), 1..=u16::MAX, vec(any::<u8>(), 0..300)).prop_map(
        |(qos, dup, retain, topic, pkid, payload)| {
            let counted = qos != QoS::AtMostOnce;
            let pkid = if counted { pkid } else { 0 };
            Publish { dup: dup && counted, qos, retain, topic, pkid, payload: payload.into() }
        },
    )
}

fn connect() -> impl Strategy<Value = Connect> {
    let login = ("[a-z/?=&-]{1,50}", "[A-Za-z0-9%=&]{0,80}").prop_map(|(user, password)| Login::new(user, password));
    let will = (topic(), vec(any::<u8>(), 0..50), quality(), any::<bool>())
        .prop_map(|(topic, message, qos, retain)| LastWill { topic, message: message.into(), qos, retain });
    ("[a-zA-Z0-9/]{0,40}", any::<u16>(), any::<bool>(), proptest::option::of(login), proptest::option::of(will))
        .prop_map(|(id, keep_alive, clean_session, login, last_will)| {
            let mut connect = Connect::new(id);
            (connect.keep_alive, connect.clean_session) = (keep_alive, clean_session);
            (connect.login, connect.last_will) = (login, last_will);
            connect
        })
}

fn packet() -> impl Strategy<Value = Packet> {
    let subscribe = (1..=u16::MAX, vec((filter(), quality()), 1..6)).prop_map(|(pkid, filters)| {
        let filters = filters.into_iter().map(|(path, qos)| SubscribeFilter { path, qos }).collect();
        Packet::Subscribe(Subscribe { pkid, filters })
    });
    let code = prop_oneof![quality().prop_map(SubscribeReasonCode::Success), Just(SubscribeReasonCode::Failure)];
    prop_oneof![
        4 => publish().prop_map(Packet::Publish),
        2 => connect().prop_map(Packet::Connect),
        2 => subscribe,
        1 => (1..=u16::MAX, vec(code, 1..6))
            .prop_map(|(pkid, return_codes)| Packet::SubAck(SubAck { pkid, return_codes })),
        1 => (1..=u16::MAX, vec(filter(), 1..6)).prop_map(|(pkid, topics)| Packet::Unsubscribe(Unsubscribe { pkid, topics })),
        1 => (1..=u16::MAX).prop_map(|pkid| Packet::PubAck(PubAck { pkid })),
        1 => (1..=u16::MAX).prop_map(|pkid| Packet::UnsubAck(UnsubAck { pkid })),
        1 => any::<bool>().prop_map(|session_present| Packet::ConnAck(ConnAck { session_present, code: ConnectReturnCode::Success })),
        1 => Just(Packet::ConnAck(ConnAck { session_present: false, code: ConnectReturnCode::NotAuthorized })),
        1 => Just(Packet::PingReq),
        1 => Just(Packet::PingResp),
        1 => Just(Packet::Disconnect),
    ]
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Everything that is read from these bytes, cut into slices of the given sizes (repeated).
async fn read_sliced(bytes: Vec<u8>, sizes: Vec<usize>) -> Result<Vec<Packet>, String> {
    let (mut peer, end) = tokio::io::duplex(16);
    let write = async move {
        let mut rest = bytes.as_slice();
        let mut sizes = sizes.iter().copied().cycle();
        while !rest.is_empty() {
            let (slice, after) = rest.split_at(sizes.next().unwrap_or(1).clamp(1, rest.len()));
            if peer.write_all(slice).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
            rest = after;
        }
    };
    let read = async move {
        let mut connection = Connection::new(end, LIMITS);
        let mut packets = Vec::new();
        while let Some(incoming) = connection.read().await.map_err(|error| error.to_string())? {
            packets.push(incoming.packet);
        }
        Ok(packets)
    };
    tokio::join!(write, read).1
}

/// The bytes that a connection sends for these packets, queued together.
async fn written(packets: &[Packet]) -> Vec<u8> {
    let (mut peer, end) = tokio::io::duplex(1024 * 1024);
    let mut connection = Connection::new(end, LIMITS);
    for packet in packets {
        connection.queue(packet).unwrap();
    }
    connection.close().await.unwrap();
    drop(connection);
    let mut bytes = Vec::new();
    peer.read_to_end(&mut bytes).await.unwrap();
    bytes
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_it_is_sliced(packets in vec(packet(), 1..8), sizes in vec(1usize..40, 1..6)) {
        block_on(async {
            let bytes = written(&packets).await;
            prop_assert_eq!(read_sliced(bytes.clone(), sizes).await, Ok(packets.clone()));
            prop_assert_eq!(read_sliced(bytes, vec![1]).await, Ok(packets));
            Ok(())
        })?;
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        let whole = block_on(read_sliced(bytes.clone(), vec![300]));
        prop_assert_eq!(block_on(read_sliced(bytes, vec![1])), whole);
    }

    #[test]
    fn a_damaged_packet_never_panics_and_slices_do_not_matter(packet in packet(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        block_on(async {
            let mut bytes = written(&[packet]).await;
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let whole = read_sliced(bytes.clone(), vec![usize::MAX]).await;
            prop_assert_eq!(read_sliced(bytes, vec![1]).await, whole);
            Ok(())
        })?;
    }

    #[test]
    fn a_publish_from_parts_is_the_publish_as_a_packet(topic in topic(), payload in vec(any::<u8>(), 0..300)) {
        block_on(async {
            let whole = written(&[Packet::Publish(Publish::new(topic.clone(), QoS::AtMostOnce, payload.clone()))]).await;
            let (mut peer, end) = tokio::io::duplex(1024);
            let mut connection = Connection::new(end, LIMITS);
            connection.queue_publish(&topic, &payload).unwrap();
            connection.flush().await.unwrap();
            drop(connection);
            let mut parts = Vec::new();
            peer.read_to_end(&mut parts).await.unwrap();
            prop_assert_eq!(parts, whole);
            Ok(())
        })?;
    }
}
