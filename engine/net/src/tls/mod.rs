//! TLS for both sides, on rustls with the ring provider named explicitly (a process-wide default is never relied upon).
//! TLS 1.2 and 1.3, sessions resume by ticket, no ALPN. Certificates come from [`Authority`] or from the user's files.

mod authority;
mod client;
mod error;
mod issue;
mod peer;
mod provider;
mod server;

pub use authority::{Authority, Leaf};
pub use client::{Roots, client_config, server_name};
pub use error::TlsError;
pub use issue::{Signer, client_authority, issue_client};
pub use peer::{ClientAuthorities, PeerCertificate};
pub use server::server_config;
pub use tokio_rustls::{
    TlsAcceptor, TlsConnector, client::TlsStream as ClientStream, server::TlsStream as ServerStream,
};
