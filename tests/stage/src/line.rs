//! A network line between a client and a server that can be cut: a small TCP relay. It carries bytes and understands none.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a connection to the server may take; it is on this machine.
const DIAL: Duration = Duration::from_secs(5);

/// A relay in front of a server.
pub struct Line {
    at: SocketAddr,
    open: Arc<Mutex<Vec<TcpStream>>>,
    closed: Arc<AtomicBool>,
}

impl Line {
    /// Listens at `at` (port 0 takes a free one) and carries every connection to `server`.
    ///
    /// # Panics
    /// When the address is taken.
    pub fn new(at: SocketAddr, server: SocketAddr) -> Self {
        let listener = TcpListener::bind(at).unwrap_or_else(|error| panic!("cannot listen at {at}: {error}"));
        let at = listener.local_addr().expect("a bound listener has an address");
        let line = Self { at, open: Arc::default(), closed: Arc::default() };
        let (open, closed) = (Arc::clone(&line.open), Arc::clone(&line.closed));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if closed.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(server) = TcpStream::connect_timeout(&server, DIAL) {
                    carry(&client, &server, &open);
                }
            }
        });
        line
    }

    /// Where it listens.
    pub fn at(&self) -> SocketAddr {
        self.at
    }

    /// Cuts all connections that are open now; new ones are carried again. Returns how many were cut.
    pub fn cut(&self) -> usize {
        let open: Vec<TcpStream> = self.open.lock().expect("streams are plain data").drain(..).collect();
        for stream in &open {
            // Gone already is as good as cut.
            let _ = stream.shutdown(Shutdown::Both);
        }
        open.len() / 2
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        self.cut();
        // Wakes the listener so that its thread ends.
        let _ = TcpStream::connect_timeout(&self.at, DIAL);
    }
}

fn carry(client: &TcpStream, server: &TcpStream, open: &Mutex<Vec<TcpStream>>) {
    let copy = |stream: &TcpStream| stream.try_clone().expect("a socket's handle can be copied");
    open.lock().expect("streams are plain data").extend([copy(client), copy(server)]);
    for (mut from, mut to) in [(copy(client), copy(server)), (copy(server), copy(client))] {
        std::thread::spawn(move || {
            let mut bytes = [0; 16 * 1024];
            while let Ok(read @ 1..) = from.read(&mut bytes) {
                if to.write_all(&bytes[..read]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_bytes_and_can_be_cut() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let line = Line::new("127.0.0.1:0".parse().unwrap(), server.local_addr().unwrap());
        let mut client = TcpStream::connect(line.at()).unwrap();
        client.set_read_timeout(Some(DIAL)).unwrap();
        client.write_all(b"hello").unwrap();
        let (mut carried, _) = server.accept().unwrap();
        let mut bytes = [0; 5];
        carried.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"hello");
        assert_eq!(line.cut(), 1);
        assert!(matches!(client.read(&mut bytes), Ok(0) | Err(_)));
    }
}
