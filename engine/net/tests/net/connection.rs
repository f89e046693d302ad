//! The connection's manners: one write per batch, both directions at once, nothing lost on cancel, refusals leave no trace.

use std::pin::Pin;
use std::task::{Context, Poll};

use iotplay_net::mqtt::{Connect, Connection, Limits, MqttError, Packet, PubAck, Publish, QoS};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

const LIMITS: Limits = Limits { max_packet: 1024 };

/// Counts writes and flushes on their way to the stream.
struct Counted {
    inner: DuplexStream,
    writes: usize,
    flushes: usize,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        self.writes += 1;
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.flushes += 1;
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

fn counted() -> (Connection<DuplexStream>, Connection<Counted>) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    (Connection::new(theirs, LIMITS), Connection::new(Counted { inner: ours, writes: 0, flushes: 0 }, LIMITS))
}

fn ping(pkid: u16) -> Packet {
    Packet::PubAck(PubAck { pkid })
}

#[tokio::test]
async fn a_batch_is_one_write_and_one_flush() {
    let (mut peer, mut connection) = counted();
    for pkid in 1..=50 {
        connection.queue(&ping(pkid)).unwrap();
    }
    connection.flush().await.unwrap();
    connection.flush().await.unwrap();
    assert_eq!((connection.stream().writes, connection.stream().flushes), (1, 1));
    for pkid in 1..=50 {
        assert_eq!(peer.read().await.unwrap().unwrap().packet, ping(pkid));
    }
}

#[tokio::test]
async fn waiting_for_a_packet_sends_what_is_queued() {
    let (mut peer, mut connection) = counted();
    connection.queue(&Packet::PingReq).unwrap();
    let answer = async {
        assert_eq!(peer.read().await.unwrap().unwrap().packet, Packet::PingReq);
        peer.queue(&Packet::PingResp).unwrap();
        peer.flush().await.unwrap();
    };
    let (incoming, ()) = tokio::join!(connection.read(), answer);
    assert_eq!(incoming.unwrap().unwrap().packet, Packet::PingResp);
}

#[tokio::test]
async fn two_ends_that_both_send_much_do_not_block_each_other() {
    let (ours, theirs) = tokio::io::duplex(64);
    let mut ends = [Connection::new(ours, LIMITS), Connection::new(theirs, LIMITS)];
    for end in &mut ends {
        for _ in 0..100 {
            end.queue_publish("a/b", &[7; 500]).unwrap();
        }
    }
    let [mut one, mut two] = ends;
    let drain = async |end: &mut Connection<DuplexStream>| {
        for _ in 0..100 {
            end.read().await.unwrap().unwrap();
        }
        end.flush().await.unwrap();
    };
    tokio::join!(drain(&mut one), drain(&mut two));
    assert_eq!((one.queued(), two.queued()), (0, 0));
}

#[tokio::test]
async fn a_cancelled_flush_goes_on_where_it_stopped() {
    let (ours, theirs) = tokio::io::duplex(64);
    let (mut sender, mut receiver) = (Connection::new(ours, LIMITS), Connection::new(theirs, LIMITS));
    sender.queue_publish("a", &[1; 500]).unwrap();
    let poll = futures_util::poll!(Box::pin(sender.flush()));
    assert!(poll.is_pending());
    assert!(sender.queued() > 0);
    sender.queue_publish("b", &[2; 500]).unwrap();
    let receive = async {
        for topic in ["a", "b"] {
            let Packet::Publish(publish) = receiver.read().await.unwrap().unwrap().packet else { panic!("a publish") };
            assert_eq!((publish.topic.as_str(), publish.payload.len()), (topic, 500));
        }
    };
    let (sent, ()) = tokio::join!(sender.flush(), receive);
    sent.unwrap();
}

#[tokio::test]
async fn a_packet_that_cannot_be_written_leaves_the_queue_as_it_was() {
    let (mut peer, mut connection) = counted();
    connection.queue(&Packet::PingReq).unwrap();
    let mut nameless = Connect::new("d");
    nameless.set_login("", "secret");
    for refused in [
        Packet::Publish(Publish::new("a", QoS::AtLeastOnce, "no packet id")),
        Packet::Publish(Publish::new("a", QoS::AtMostOnce, vec![0; 2000])),
        Packet::Publish(Publish::new("a".repeat(70_000), QoS::AtMostOnce, "")),
        Packet::Subscribe(iotplay_net::mqtt::Subscribe::new("a", QoS::AtMostOnce)),
        Packet::Connect(Connect::new("a".repeat(70_000))),
        Packet::Connect(nameless),
    ] {
        assert!(matches!(connection.queue(&refused), Err(MqttError::Unwritable(_))), "{refused:?}");
    }
    assert_eq!(connection.queued(), 2);
    connection.queue(&Packet::Connect(Connect::new("behind"))).unwrap();
    connection.flush().await.unwrap();
    assert_eq!(peer.read().await.unwrap().unwrap().packet, Packet::PingReq);
    let Packet::Connect(connect) = peer.read().await.unwrap().unwrap().packet else { panic!("a connect") };
    assert_eq!((connect.client_id.as_str(), connect.clean_session), ("behind", true));
}

/// A TLS stream whose peer was killed: no closing alert, which rustls reports as an error.
struct Killed;

impl AsyncRead for Killed {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Err(std::io::ErrorKind::UnexpectedEof.into()))
    }
}

impl AsyncWrite for Killed {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_killed_peer_is_an_end_like_any_other() {
    assert!(matches!(Connection::new(Killed, LIMITS).read().await, Ok(None)));
}
