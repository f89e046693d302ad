//! One MQTT connection over any byte stream: packets in, packets out, for a client or a server.
//! An idle connection holds no buffers: bytes are received through one scratch buffer per thread, and what is kept is
//! given back when nothing is left over. Deadlines and keep-alive belong to the caller.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::decode::RawFlags;
use super::encode::AtMostOnce;
use super::{MqttError, Packet, decode, encode, frame};

/// What one read may bring: a full TLS record.
const SCRATCH: usize = 16 * 1024;
/// Buffers up to this size stay with an idle connection; larger ones are given back.
const KEPT: usize = 512;

/// A stream that always takes only a part must not keep what it took already: from here on it is cut off.
const SENT_KEPT: usize = 64 * 1024;

thread_local! {
    static SCRATCH_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// Sizes that a connection keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest packet in either direction, header included. A larger one coming in ends the connection as soon
    /// as its header is read; a larger one going out is refused by `queue`.
    pub max_packet: usize,
}

/// A packet, and what its type cannot say.
#[derive(Debug)]
pub struct Incoming {
    /// The packet, fully checked.
    pub packet: Packet,
    /// Which fields a CONNECT had; all false for other packets.
    pub flags: RawFlags,
}

/// A stream that speaks MQTT 3.1.1.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    limits: Limits,
    inbox: Vec<u8>,
    /// How much of `inbox` was handed out already.
    taken: usize,
    outbox: BytesMut,
    /// How much of `outbox` was sent already; counted, not cut off, so that its capacity stays honest.
    sent: usize,
    /// Bytes were given to the stream that it may still hold back.
    unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Takes a stream whose next byte starts a packet.
    pub fn new(stream: S, limits: Limits) -> Self {
        Self { stream, limits, inbox: Vec::new(), taken: 0, outbox: BytesMut::new(), sent: 0, unflushed: false }
    }

    /// Other limits from now on: a server takes less from a stranger than from a client it knows.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The next packet; `None` when the peer closed between two packets. Whatever is queued is sent while waiting, so
    /// a loop of `read` and `queue` flushes once per batch by itself. Cancel-safe.
    ///
    /// # Errors
    /// Every error ends the connection; [`MqttError::Level`] may be answered first.
    pub async fn read(&mut self) -> Result<Option<Incoming>, MqttError> {
        loop {
            if let Some(incoming) = self.buffered()? {
                return Ok(Some(incoming));
            }
            if poll_fn(|cx| self.poll_exchange(cx)).await? == 0 {
                let whole = self.inbox.len() == self.taken;
                return if whole { Ok(None) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) };
            }
        }
    }

    /// The next packet if all of it is here already; never waits.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn buffered(&mut self) -> Result<Option<Incoming>, MqttError> {
        let bytes = &self.inbox[self.taken..];
        let Some(frame) = frame::first(bytes, self.limits.max_packet)? else { return Ok(None) };
        let (packet, flags) = decode::packet(frame, bytes)?;
        self.taken += frame.total;
        if self.taken == self.inbox.len() {
            self.inbox.clear();
            self.taken = 0;
        }
        Ok(Some(Incoming { packet, flags }))
    }

    /// Puts a packet behind those waiting to be sent; nothing is sent before `flush` or the next `read`.
    ///
    /// # Errors
    /// [`MqttError::Unwritable`] for a packet MQTT cannot express; the queue is unchanged then.
    pub fn queue(&mut self, packet: &Packet) -> Result<(), MqttError> {
        encode::packet(packet, self.limits.max_packet, &mut self.outbox)
    }

    /// Puts a publish of QoS 0 behind those waiting, straight from borrowed parts.
    ///
    /// # Errors
    /// As [`queue`](Self::queue).
    pub fn queue_publish(&mut self, topic: &str, payload: &[u8]) -> Result<(), MqttError> {
        encode::publish(topic, &AtMostOnce, payload, self.limits.max_packet, &mut self.outbox)
    }

    /// Bytes that wait to be sent.
    pub fn queued(&self) -> usize {
        self.outbox.len() - self.sent
    }

    /// Sends all that is queued. Cancel-safe: what was not sent stays queued.
    ///
    /// # Errors
    /// When the stream fails.
    pub async fn flush(&mut self) -> Result<(), MqttError> {
        poll_fn(|cx| self.poll_send(cx)).await.map_err(MqttError::Io)
    }

    /// Sends all that is queued and closes the sending side (for TLS: with its closing alert).
    ///
    /// # Errors
    /// When the stream fails.
    pub async fn close(&mut self) -> Result<(), MqttError> {
        self.flush().await?;
        poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await.map_err(MqttError::Io)
    }

    /// Puts packets that [`write_publish`](super::write_publish) wrote behind those waiting to be sent.
    pub fn queue_written(&mut self, packets: &[u8]) {
        self.outbox.extend_from_slice(packets);
    }

    /// Reads and forgets up to `limit` bytes, until the peer ends. For a server that closes after a refusal: closing
    /// with bytes unread resets the connection, and the peer may lose the answer it was just sent.
    ///
    /// # Errors
    /// When the stream fails.
    pub async fn discard(&mut self, limit: usize) -> Result<(), MqttError> {
        let mut left = limit;
        while left > 0 {
            self.inbox.clear();
            self.taken = 0;
            let received = poll_fn(|cx| self.poll_exchange(cx)).await?;
            if received == 0 {
                break;
            }
            left = left.saturating_sub(received);
        }
        Ok(())
    }

    /// The stream itself, for its address or its TLS state.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Sends what it can and waits for bytes; the count of bytes received, 0 at the end of the stream.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            return Poll::Ready(Err(error));
        }
        let received = self.poll_receive(cx);
        if received.is_pending() && self.inbox.is_empty() && self.inbox.capacity() > KEPT {
            self.inbox = Vec::new();
        }
        received
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        SCRATCH_BUFFER.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                // TLS without its closing alert: the peer was killed. MQTT's own lengths tell what is cut short.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Poll::Ready(Ok(0)),
                done => done?,
            }
            if self.taken > 0 {
                self.inbox.drain(..self.taken);
                self.taken = 0;
            }
            self.inbox.extend_from_slice(buffer.filled());
            Poll::Ready(Ok(buffer.filled().len()))
        })
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.outbox.len() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.outbox[self.sent..]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
            self.unflushed = true;
            if self.sent >= SENT_KEPT {
                self.outbox = BytesMut::from(&self.outbox[self.sent..]);
                self.sent = 0;
            }
        }
        self.sent = 0;
        if self.outbox.capacity() > KEPT {
            self.outbox = BytesMut::new();
        } else {
            self.outbox.clear();
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}
