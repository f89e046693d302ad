//! Mosquitto as a peer: the same certificates, TLS on its only listener, request and response over two topics.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use rustls::ClientConfig;
use tempfile::TempDir;

use crate::bare_mqtt::BareMqtt;
use crate::error::{Result, other};
use crate::process::Running;
use crate::tls;

/// A running Mosquitto.
pub(crate) struct Mosquitto {
    pub(crate) process: Running,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Arc<ClientConfig>,
    _folder: TempDir,
}

impl Mosquitto {
    /// Starts one on a free port.
    pub(crate) fn start(program: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(path(name), text).map(|()| path(name));
        let clock = base::Clock::system();
        let authority = net::tls::Authority::generate(&clock).map_err(other)?;
        let leaf = authority.issue(&["localhost".to_owned()], &clock).map_err(other)?;
        let ca = write("ca.pem", &authority.ca_pem)?;
        let chain = write("leaf.pem", &leaf.chain_pem)?;
        let key = write("leaf.key", leaf.key_pem.expose())?;
        let port = free_port()?;
        let mut config = String::from(
            "user root\nallow_anonymous true\npersistence false\nmax_inflight_messages 0\nset_tcp_nodelay true\n",
        );
        for line in [format!("listener {port} 127.0.0.1"), entry("certfile", &chain), entry("keyfile", &key)] {
            writeln!(config, "{line}").map_err(other)?;
        }
        let log = path("log");
        let config = write("mosquitto.conf", &config)?;
        let mut process = Running::start(Command::new(program).arg("-c").arg(config), &log)?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        process.until("mosquitto", &log, || std::net::TcpStream::connect(address).ok())?;
        Ok(Self { process, address, tls: tls::client(&ca)?, _folder: folder })
    }

    /// A client.
    pub(crate) async fn client(&self, id: &str) -> Result<BareMqtt> {
        BareMqtt::connect(self.address, &self.tls, id, None).await
    }
}

fn entry(key: &str, path: &std::path::Path) -> String {
    format!("{key} {}", path.display())
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Answers every request on `req/{name}` at `res/{requester}`, the requester's name being the payload, until the connection ends.
pub(crate) async fn respond(mut client: BareMqtt) -> Result<()> {
    loop {
        let request = client.message().await?;
        let requester = std::str::from_utf8(&request.payload).map_err(other)?.trim_end_matches('.');
        client.queue(&format!("res/{requester}"), Bytes::from_static(crate::calls::REPLY.as_bytes()))?;
        client.flush().await?;
    }
}

/// The program's path, by environment or by name.
pub(crate) fn program(variable: &str, name: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| PathBuf::from(name), PathBuf::from)
}
