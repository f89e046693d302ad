//! A stream that can be made to stall, crawl, stutter or end with a reset. Sits on top of TLS, so that a client's own decoder meets
//! the pieces. Sound, it hands everything on.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use net::tls::ServerStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::strain::{Pace, Silence, Strain};

/// At most so many bytes at a time while a rate is kept.
const PIECE: usize = 512;
/// A tenth of a second's worth goes at once: timers are no finer than a millisecond, and a client sees it flow.
const PARTS: u32 = 10;

/// See the module's description.
pub(crate) struct Faulty<S> {
    stream: S,
    strain: Arc<Strain>,
    /// How the stream is made to end with a reset.
    reset: fn(&S),
    /// Timers; a sound connection has none.
    ways: Option<Box<[Way; 2]>>,
}

/// One direction.
#[derive(Default)]
struct Way {
    /// When the next byte may go.
    next: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

const READING: usize = 0;
const WRITING: usize = 1;

impl<S> Faulty<S> {
    /// A stream that obeys `strain`.
    pub(crate) fn new(stream: S, strain: Arc<Strain>, reset: fn(&S)) -> Self {
        Self { stream, strain, reset, ways: None }
    }

    pub(crate) fn get_ref(&self) -> &S {
        &self.stream
    }

    pub(crate) fn strain(&self) -> &Arc<Strain> {
        &self.strain
    }

    /// How many bytes may go now in this direction, and how they go; pending while nothing may.
    fn leave(&mut self, way: usize, cx: &mut Context<'_>) -> Poll<(usize, Pace)> {
        loop {
            let until = match self.strain.silence(cx) {
                Some(Silence::ForGood) => return Poll::Pending,
                Some(Silence::Until(at)) => Some(at),
                None => None,
            };
            let way = &mut self.ways.get_or_insert_default()[way];
            let pace = self.strain.pace();
            let next = way.next.filter(|_| pace.rate.is_some());
            let Some(until) = until.max(next).filter(|at| *at > Instant::now()) else {
                let most = pace.rate.map_or(usize::MAX, |rate| (rate / PARTS).clamp(1, PIECE as u32) as usize);
                return Poll::Ready((if pace.slices { 1 } else { most }, pace));
            };
            let timer = way.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if timer.deadline() != until {
                timer.as_mut().reset(until);
            }
            ready!(timer.as_mut().poll(cx));
        }
    }

    /// So many bytes have gone.
    fn gone(&mut self, way: usize, bytes: usize, pace: Pace) {
        let (Some(rate), Some(ways)) = (pace.rate, &mut self.ways) else { return };
        let (now, took) = (Instant::now(), Duration::from_secs_f64(bytes as f64 / f64::from(rate)));
        let way = &mut ways[way];
        way.next = Some(way.next.unwrap_or(now).max(now) + took);
    }
}

impl Faulty<ServerStream<TcpStream>> {
    /// A connection of a listener.
    pub(crate) fn tcp(stream: ServerStream<TcpStream>, strain: Arc<Strain>) -> Self {
        // Closing with unsent bytes forgotten is what makes TCP say RST.
        Self::new(stream, strain, |stream| drop(stream.get_ref().0.set_zero_linger()))
    }
}

impl<S> Drop for Faulty<S> {
    fn drop(&mut self) {
        if self.strain.ends_with_reset() {
            (self.reset)(&self.stream);
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Faulty<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Faulty<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.strain.is_sound() {
            return Pin::new(&mut this.stream).poll_read(cx, into);
        }
        let (most, pace) = ready!(this.leave(READING, cx));
        let mut piece = [0; PIECE];
        let most = most.min(into.remaining()).min(PIECE);
        let mut part = ReadBuf::new(&mut piece[..most]);
        ready!(Pin::new(&mut this.stream).poll_read(cx, &mut part))?;
        into.put_slice(part.filled());
        let bytes = part.filled().len();
        this.gone(READING, bytes, pace);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Faulty<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.strain.is_sound() {
            return Pin::new(&mut this.stream).poll_write(cx, bytes);
        }
        let (most, pace) = ready!(this.leave(WRITING, cx));
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, &bytes[..most.min(bytes.len())]))?;
        this.gone(WRITING, written, pace);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.strain.is_sound() && self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.strain.is_sound() {
            return Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices);
        }
        let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| &**slice);
        self.poll_write(cx, first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    fn pair() -> (Faulty<DuplexStream>, DuplexStream, Arc<Strain>) {
        let (near, far) = duplex(64 * 1024);
        let strain = Arc::<Strain>::default();
        (Faulty::new(near, Arc::clone(&strain), |_| {}), far, strain)
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept_both_ways() {
        let (mut faulty, mut far, strain) = pair();
        strain.go(Pace { rate: Some(1_000), slices: false });
        let start = Instant::now();
        faulty.write_all(&[7; 5_000]).await.unwrap();
        assert!(start.elapsed().abs_diff(Duration::from_secs(5)) < Duration::from_millis(200), "{:?}", start.elapsed());
        far.write_all(&[7; 3_000]).await.unwrap();
        let start = Instant::now();
        faulty.read_exact(&mut [0; 3_000]).await.unwrap();
        assert!(start.elapsed().abs_diff(Duration::from_secs(3)) < Duration::from_millis(200), "{:?}", start.elapsed());
        strain.go(Pace::default());
        let start = Instant::now();
        faulty.write_all(&[7; 50_000]).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn slices_are_one_byte_each() {
        let (mut faulty, mut far, strain) = pair();
        strain.go(Pace { rate: None, slices: true });
        assert_eq!(faulty.write(b"abc").await.unwrap(), 1);
        far.write_all(b"xyz").await.unwrap();
        assert_eq!(faulty.read(&mut [0; 8]).await.unwrap(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_ends_when_it_should_and_a_silence_when_it_is_told() {
        let (mut faulty, mut far, strain) = pair();
        far.write_all(b"abc").await.unwrap();
        let start = Instant::now();
        strain.stall(start + Duration::from_secs(20));
        faulty.read_exact(&mut [0; 1]).await.unwrap();
        assert!(start.elapsed().abs_diff(Duration::from_secs(20)) < Duration::from_millis(5));
        strain.fall_silent();
        assert!(tokio::time::timeout(Duration::from_secs(9_999), faulty.read_u8()).await.is_err());
        let reading = tokio::spawn(async move { faulty.read_u8().await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        strain.speak();
        assert_eq!(reading.await.unwrap().unwrap(), b'b');
    }
}
