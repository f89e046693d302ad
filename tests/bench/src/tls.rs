//! One TLS set-up for the load generator, towards the subject and its peers alike.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::{Result, other};

/// A client configuration that trusts the given CA beside the system's roots.
pub(crate) fn client(ca: &Path) -> Result<Arc<ClientConfig>> {
    net::tls::client_config(&net::tls::Roots::File(ca.to_owned()), None).map_err(other)
}

/// A TLS connection to a loopback address, under the name `localhost`.
pub(crate) async fn connect(to: SocketAddr, config: &Arc<ClientConfig>) -> Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(to).await?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").map_err(other)?;
    Ok(TlsConnector::from(Arc::clone(config)).connect(name, tcp).await?)
}
