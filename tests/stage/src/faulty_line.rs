//! A network line that misbehaves as told: a TCP relay between a client and a server, on tokio, loopback only. What it
//! carries it does not understand. [`Line`](crate::Line) is the plain one for stories without a runtime.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

/// How long a connection to the server may take; it is on this machine.
const DIAL: Duration = Duration::from_secs(5);

/// Bytes of a TLS ClientHello's first record that are let through before the line closes: enough to have begun.
const OF_A_HANDSHAKE: usize = 64;

/// What the line does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weather {
    /// Carries everything.
    #[default]
    Fair,
    /// Open connections end with RST, new ones too, as soon as they are there.
    Refuse,
    /// Open connections end with RST when this begins; new ones are carried.
    Reset,
    /// Open connections end with FIN when this begins; new ones are carried.
    Close,
    /// Takes bytes and gives none, either way. Connections stay.
    BlackHole,
    /// Carries what the client says, and nothing of what the server says.
    HalfOpen,
    /// Each piece arrives this much later.
    Latency(Duration),
    /// So many bytes a second, each way.
    Slow(u32),
    /// Everything in pieces of one byte.
    Slices,
    /// New connections close after the first bytes of the client's handshake; open ones end.
    CloseInHandshake,
}

impl Weather {
    /// How a connection that is open ends when this begins.
    fn ends_open(self) -> Option<End> {
        match self {
            Self::Refuse | Self::Reset | Self::CloseInHandshake => Some(End::Reset),
            Self::Close => Some(End::Close),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Reset,
    Close,
}

/// What every flow watches.
#[derive(Clone, Copy)]
struct Told {
    weather: Weather,
    /// Grows with each change: a flow that is older than it ends if the weather says so.
    change: u64,
    server: SocketAddr,
}

/// A relay in front of a server. Dropping it ends everything.
#[derive(Debug)]
pub struct FaultyLine {
    at: SocketAddr,
    told: watch::Sender<Told>,
    taken: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.weather)
    }
}

impl FaultyLine {
    /// Listens on a free port of 127.0.0.1 and carries every connection to `server`.
    ///
    /// # Errors
    /// No port is free.
    pub async fn to(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let at = listener.local_addr()?;
        let (told, seen) = watch::channel(Told { weather: Weather::Fair, change: 0, server });
        let taken = Arc::new(AtomicU64::new(0));
        let accepting = tokio::spawn(accept(listener, seen, Arc::clone(&taken)));
        Ok(Self { at, told, taken, accepting })
    }

    /// Where it listens.
    pub fn at(&self) -> SocketAddr {
        self.at
    }

    /// Changes the weather, now.
    pub fn set(&self, weather: Weather) {
        self.told.send_modify(|told| (told.weather, told.change) = (weather, told.change + 1));
    }

    /// Carries new connections to another server; open ones end with RST.
    pub fn lead_to(&self, server: SocketAddr) {
        self.told.send_modify(|told| {
            (told.weather, told.change, told.server) = (Weather::Reset, told.change + 1, server);
        });
    }

    /// Connections that came, ever.
    pub fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }
}

impl Drop for FaultyLine {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, seen: watch::Receiver<Told>, taken: Arc<AtomicU64>) {
    // Dropped with this task, and with it every flow.
    let mut flows = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((client, _)) = accepted {
                taken.fetch_add(1, Relaxed);
                flows.spawn(flow(client, seen.clone()));
            },
            Some(_) = flows.join_next() => {}
        }
    }
}

/// One connection, from its first byte to its end.
async fn flow(client: TcpStream, mut seen: watch::Receiver<Told>) {
    let now = *seen.borrow_and_update();
    match now.weather {
        Weather::Refuse => return reset(client),
        Weather::CloseInHandshake => return close_in_handshake(client).await,
        _ => {}
    }
    let Ok(Ok(server)) = tokio::time::timeout(DIAL, TcpStream::connect(now.server)).await else { return reset(client) };
    // Small pieces are the point of some weather.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut client, mut server) = (client, server);
    let end = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            () = carry(from_client, to_server, seen.clone(), true) => End::Close,
            () = carry(from_server, to_client, seen.clone(), false) => End::Close,
            end = ends(&mut seen, now.change) => end,
        }
    };
    if end == End::Reset {
        reset(client);
        reset(server);
    } else {
        // Bytes that are left unread would make a RST of it.
        let _ = tokio::join!(client.shutdown(), server.shutdown());
    }
}

/// Until the weather ends what is open.
async fn ends(seen: &mut watch::Receiver<Told>, born: u64) -> End {
    loop {
        let told = *seen.borrow_and_update();
        if told.change > born
            && let Some(end) = told.weather.ends_open()
        {
            return end;
        }
        if seen.changed().await.is_err() {
            return End::Close;
        }
    }
}

fn reset(stream: TcpStream) {
    // Without it the peer sees FIN: a fault of its own kind.
    let _ = stream.set_zero_linger();
}

async fn close_in_handshake(mut client: TcpStream) {
    let mut bytes = [0; OF_A_HANDSHAKE];
    // A client that says nothing is closed as well.
    let _ = tokio::time::timeout(DIAL, client.read_exact(&mut bytes)).await;
}

async fn carry(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut seen: watch::Receiver<Told>, upwards: bool) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if pass(&bytes[..read], &mut to, &mut seen, upwards).await.is_err() {
            return;
        }
    }
}

/// One piece, as the weather is. A piece that was swallowed never comes: TCP would, but then the line would only be slow.
async fn pass(bytes: &[u8], to: &mut WriteHalf<'_>, seen: &mut watch::Receiver<Told>, up: bool) -> io::Result<()> {
    let weather = seen.borrow_and_update().weather;
    match weather {
        Weather::BlackHole => Ok(()),
        Weather::HalfOpen if !up => Ok(()),
        Weather::Latency(time) => {
            sleep(time).await;
            to.write_all(bytes).await
        }
        Weather::Slow(rate) => {
            for piece in bytes.chunks(PIECE) {
                let time = Duration::from_secs(1).mul_f64(piece.len() as f64 / f64::from(rate.max(1)));
                // Better weather ends the wait.
                let _ = tokio::time::timeout(time, seen.changed()).await;
                to.write_all(piece).await?;
            }
            Ok(())
        }
        Weather::Slices => {
            for byte in bytes {
                to.write_all(std::slice::from_ref(byte)).await?;
                tokio::task::yield_now().await;
            }
            Ok(())
        }
        _ => to.write_all(bytes).await,
    }
}

/// Bytes at once on a slow line.
const PIECE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// A line, a client on it and the server's end.
    async fn open() -> (FaultyLine, TcpListener, TcpStream, TcpStream) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = FaultyLine::to(server.local_addr().unwrap()).await.unwrap();
        let client = TcpStream::connect(line.at()).await.unwrap();
        let (carried, _) = server.accept().await.unwrap();
        (line, server, client, carried)
    }

    async fn five(stream: &mut TcpStream) -> io::Result<[u8; 5]> {
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).await.map(|_| bytes)
    }

    #[tokio::test]
    async fn fair_slow_sliced_and_late_lines_carry_everything() {
        let (line, _server, mut client, mut carried) = open().await;
        let late = Weather::Latency(Duration::from_millis(5));
        for weather in [Weather::Fair, Weather::Slow(2_000), Weather::Slices, late] {
            line.set(weather);
            client.write_all(b"hello").await.unwrap();
            assert_eq!(&five(&mut carried).await.unwrap(), b"hello", "{weather:?}");
            carried.write_all(b"again").await.unwrap();
            assert_eq!(&five(&mut client).await.unwrap(), b"again", "{weather:?}");
        }
        assert_eq!(line.taken(), 1);
    }

    #[tokio::test]
    async fn ends_are_told_apart_and_new_connections_are_carried() {
        for (weather, kind) in
            [(Weather::Reset, io::ErrorKind::ConnectionReset), (Weather::Close, io::ErrorKind::UnexpectedEof)]
        {
            let (line, server, mut client, _carried) = open().await;
            line.set(weather);
            assert_eq!(five(&mut client).await.unwrap_err().kind(), kind);
            let mut client = TcpStream::connect(line.at()).await.unwrap();
            let (mut carried, _) = server.accept().await.unwrap();
            client.write_all(b"hello").await.unwrap();
            assert_eq!(&five(&mut carried).await.unwrap(), b"hello", "{weather:?}");
        }
    }

    #[tokio::test]
    async fn refused_and_closed_in_the_handshake() {
        let (line, _server, _client, _carried) = open().await;
        line.set(Weather::Refuse);
        let mut refused = TcpStream::connect(line.at()).await.unwrap();
        assert!(five(&mut refused).await.is_err());
        line.set(Weather::CloseInHandshake);
        let mut closed = TcpStream::connect(line.at()).await.unwrap();
        closed.write_all(&[7; OF_A_HANDSHAKE]).await.unwrap();
        assert!(five(&mut closed).await.is_err());
    }

    #[tokio::test]
    async fn what_is_swallowed_never_comes() {
        let (line, _server, mut client, mut carried) = open().await;
        line.set(Weather::HalfOpen);
        client.write_all(b"there").await.unwrap();
        assert_eq!(&five(&mut carried).await.unwrap(), b"there");
        carried.write_all(b"never").await.unwrap();
        // The line takes it before the weather changes: it reads at once, and this is one thread.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        line.set(Weather::Fair);
        carried.write_all(b"after").await.unwrap();
        assert_eq!(&five(&mut client).await.unwrap(), b"after");
    }
}
