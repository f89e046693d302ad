//! The least HTTP/1.1 client: one kept connection, one request at a time, bodies by `Content-Length`.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::error::{Result, other};
use crate::tls;

/// A kept connection.
pub(crate) struct BareHttp {
    stream: TlsStream<TcpStream>,
    inbox: Vec<u8>,
}

impl BareHttp {
    /// Connects.
    pub(crate) async fn connect(to: SocketAddr, config: &Arc<ClientConfig>) -> Result<Self> {
        Ok(Self { stream: tls::connect(to, config).await?, inbox: Vec::with_capacity(4096) })
    }

    /// Sends prepared bytes (head and body) and reads one response: status and body.
    pub(crate) async fn call(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>)> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        self.inbox.clear();
        let mut head_end = None;
        loop {
            if self.stream.read_buf(&mut self.inbox).await? == 0 {
                return Err(other("the server closed the connection"));
            }
            if head_end.is_none() {
                head_end = self.inbox.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
            }
            let Some(body_start) = head_end else { continue };
            let head = std::str::from_utf8(&self.inbox[..body_start]).map_err(other)?;
            let length: usize = head
                .lines()
                .find_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")))
                .map_or(Ok(0), |(_, value)| value.trim().parse())
                .map_err(other)?;
            if self.inbox.len() >= body_start + length {
                let status = head.get(9..12).and_then(|code| code.parse().ok()).ok_or_else(|| other("no status"))?;
                return Ok((status, self.inbox[body_start..body_start + length].to_vec()));
            }
        }
    }
}

/// The bytes of a JSON request.
pub(crate) fn request(method: &str, path: &str, host: &str, token: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
