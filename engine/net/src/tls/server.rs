//! The server's side of TLS: one configuration from a chain and a key. Clients are asked for a certificate and need
//! none.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::Ticketer;
use rustls::server::NoServerSessionStorage;

use super::TlsError;
use super::client::{certificates, private_key};
use super::peer::AnyClient;
use super::provider::{VERSIONS, provider};

/// Tickets per TLS 1.3 handshake: one, because a device keeps one connection and each ticket costs a write.
const TICKETS: usize = 1;

/// A server configuration from a certificate chain and its key, both PEM: TLS 1.2 and 1.3, no ALPN demanded.
/// What a client shows is in [`PeerCertificate`](super::PeerCertificate), not judged.
///
/// Sessions resume through sealed tickets, so the server stores nothing per client; the sealing key lives as long as
/// the configuration.
///
/// # Errors
/// PEM that cannot be read, or a key that does not belong to the certificate.
pub fn server_config(chain_pem: &str, key_pem: &str) -> Result<Arc<ServerConfig>, TlsError> {
    let refused = |source| TlsError::Refused { what: "the server certificate".to_owned(), source };
    let chain = certificates(chain_pem, "the server certificate")?;
    let key = private_key(key_pem, "the server key")?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)
        .map_err(refused)?
        .with_client_cert_verifier(AnyClient::new())
        .with_single_cert(chain, key)
        .map_err(refused)?;
    config.ticketer = Ticketer::new().map_err(refused)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = TICKETS;
    Ok(Arc::new(config))
}
