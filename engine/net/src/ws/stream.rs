//! A byte stream in the frames of a WebSocket whose handshake is done. Answers Ping and Close by itself; the end of the
//! stream is the peer's Close. Idle, it holds no buffers; busy, one frame's worth.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use rand::Rng;
use rand::rngs::StdRng;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::WsViolation;
use super::frame::{Head, LONGEST_HEAD, Opcode, apply_mask, head_length, read_head, turn_mask, write};

/// What one frame carries at most on its way out: a TLS record.
const PART: usize = 16 * 1024;
/// Up to this capacity the buffer of what is to be sent stays.
const KEPT: usize = 512;
/// The status of an end that nobody is to blame for.
const NORMAL: u16 = 1000;

/// Which end of the connection this is: a client masks what it sends.
#[derive(Debug)]
pub enum Side {
    /// The one that was dialled.
    Server,
    /// The one that dialled; masks come from this generator.
    Client(Box<StdRng>),
}

/// The payload of a frame that is being read.
#[derive(Debug)]
struct Payload {
    left: u64,
    mask: Option<[u8; 4]>,
}

/// See the module's description.
#[derive(Debug)]
pub struct WsStream<S> {
    stream: S,
    side: Side,
    /// What came together with the handshake.
    early: Bytes,
    head: [u8; LONGEST_HEAD],
    read: usize,
    payload: Option<Payload>,
    /// The control frame that is being read.
    control: Option<(Opcode, Vec<u8>)>,
    /// A message has begun whose last part has not come.
    open_message: bool,
    out: Vec<u8>,
    sent: usize,
    unflushed: bool,
    /// A Pong waits in `out`: one answers any number of Pings.
    pong: bool,
    close_sent: bool,
    /// The peer said Close: nothing more comes.
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WsStream<S> {
    /// Takes a stream after its handshake; `early` are bytes that were read with it already.
    pub fn new(stream: S, side: Side, early: Bytes) -> Self {
        Self {
            stream,
            side,
            early,
            head: [0; LONGEST_HEAD],
            read: 0,
            payload: None,
            control: None,
            open_message: false,
            out: Vec::new(),
            sent: 0,
            unflushed: false,
            pong: false,
            close_sent: false,
            ended: false,
        }
    }

    /// The stream below.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Reads what was early, then from the stream; 0 at the end.
    fn poll_below(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.early.has_remaining() {
            let count = self.early.len().min(into.len());
            self.early.copy_to_slice(&mut into[..count]);
            if self.early.is_empty() {
                self.early = Bytes::new();
            }
            return Poll::Ready(Ok(count));
        }
        let mut buffer = ReadBuf::new(into);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// The next frame's head; `None` when the stream ends before it.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Head>>> {
        loop {
            let wanted = head_length(&self.head[..self.read]);
            if self.read == wanted && wanted >= 2 {
                self.read = 0;
                let masked = matches!(self.side, Side::Server);
                return Poll::Ready(match read_head(&self.head[..wanted], masked) {
                    Ok(head) => Ok(Some(head)),
                    Err(violation) => Err(self.breach(violation)),
                });
            }
            let mut part = [0; LONGEST_HEAD];
            let missing = wanted - self.read;
            match ready!(self.poll_below(cx, &mut part[..missing]))? {
                0 if self.read == 0 && !self.open_message => return Poll::Ready(Ok(None)),
                0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                count => {
                    self.head[self.read..self.read + count].copy_from_slice(&part[..count]);
                    self.read += count;
                }
            }
        }
    }

    /// Opens a frame for reading.
    fn begin(&mut self, head: Head) -> io::Result<()> {
        if head.opcode.is_control() {
            self.control = Some((head.opcode, Vec::new()));
        } else {
            if (head.opcode == Opcode::Continuation) != self.open_message {
                return Err(self.breach(WsViolation::Parts));
            }
            self.open_message = !head.last;
        }
        self.payload = Some(Payload { left: head.length, mask: head.mask });
        Ok(())
    }

    /// Reads into `into` at most what is left of the frame; never 0 unless the frame is done.
    fn poll_payload(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let Some(Payload { left, mask }) = self.payload.take() else { return Poll::Ready(Ok(0)) };
        let most = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let received = match self.poll_below(cx, &mut into[..most]) {
            Poll::Ready(received) => received?,
            Poll::Pending => {
                self.payload = Some(Payload { left, mask });
                return Poll::Pending;
            }
        };
        if received == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        if let Some(mask) = mask {
            apply_mask(&mut into[..received], mask);
        }
        let left = left - received as u64;
        if left > 0 {
            self.payload = Some(Payload { left, mask: mask.map(|mask| turn_mask(mask, received)) });
        }
        Poll::Ready(Ok(received))
    }

    /// Reads a control frame to its end and does what it asks.
    fn poll_control(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.payload.as_ref().is_some_and(|payload| payload.left > 0) {
            let mut part = [0; 125];
            let count = ready!(self.poll_payload(cx, &mut part))?;
            if let Some((_, bytes)) = &mut self.control {
                bytes.extend_from_slice(&part[..count]);
            }
        }
        self.payload = None;
        match self.control.take() {
            Some((Opcode::Ping, bytes)) if !self.pong && !self.close_sent => {
                self.pong = true;
                self.put(Opcode::Pong, &bytes);
            }
            Some((Opcode::Close, bytes)) => {
                self.ended = true;
                if bytes.len() == 1 {
                    return Poll::Ready(Err(self.breach(WsViolation::Close)));
                }
                let code = bytes.first_chunk::<2>().map_or(NORMAL, |code| u16::from_be_bytes(*code));
                self.say_close(code);
            }
            _ => {}
        }
        Poll::Ready(Ok(()))
    }

    /// Reads frames until there is something in `into`, or the end.
    fn poll_frames(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            // Answers to control frames leave although nobody writes.
            if let Poll::Ready(Err(error)) = self.poll_all_out(cx) {
                return Poll::Ready(Err(error));
            }
            if self.ended || into.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            match &self.payload {
                None => match ready!(self.poll_head(cx))? {
                    None => self.ended = true,
                    Some(head) => self.begin(head)?,
                },
                Some(_) if self.control.is_some() => ready!(self.poll_control(cx))?,
                Some(Payload { left: 0, .. }) => self.payload = None,
                Some(_) => {
                    let room = into.remaining();
                    let count = ready!(self.poll_payload(cx, into.initialize_unfilled_to(room)))?;
                    into.advance(count);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    /// Queues the Close that a breach deserves; the error for whoever reads.
    fn breach(&mut self, violation: WsViolation) -> io::Error {
        self.say_close(violation.close_code());
        violation.into()
    }

    fn say_close(&mut self, code: u16) {
        if !self.close_sent {
            self.close_sent = true;
            self.put(Opcode::Close, &code.to_be_bytes());
        }
    }

    fn put(&mut self, opcode: Opcode, payload: &[u8]) {
        let mask = match &mut self.side {
            Side::Server => None,
            Side::Client(random) => Some(random.random()),
        };
        write(opcode, payload, mask, &mut self.out);
    }

    /// Hands `out` to the stream.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out[self.sent..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
            self.unflushed = true;
        }
        self.sent = 0;
        self.pong = false;
        if self.out.capacity() > KEPT {
            self.out = Vec::new();
        } else {
            self.out.clear();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_all_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WsStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = ready!(this.poll_frames(cx, into));
        if done.is_err() {
            // The Close that says what was wrong; the error stands whether or not it leaves.
            let _ = this.poll_all_out(cx);
        }
        Poll::Ready(done)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WsStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.close_sent {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(this.poll_drain(cx))?;
        let part = &bytes[..bytes.len().min(PART)];
        if !part.is_empty() {
            this.put(Opcode::Binary, part);
            // Taken in any case; what the stream does not take now goes with the next write or flush.
            if let Poll::Ready(Err(error)) = this.poll_drain(cx) {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(part.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        this.unflushed = false;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.say_close(NORMAL);
        ready!(this.poll_all_out(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}
