//! The one provider of cryptography and the versions of TLS: said once, for client and server.

use std::sync::Arc;

/// The ring provider, handed to every configuration.
pub(super) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// TLS 1.3 for those who can, 1.2 because the Python device SDK pins it.
pub(super) static VERSIONS: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
