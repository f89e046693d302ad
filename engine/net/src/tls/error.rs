//! What can be wrong with certificates, keys and TLS settings. Errors of a live connection are `std::io::Error`s instead.

use std::path::PathBuf;

/// A certificate, key or root store that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file named as a CA cannot be read.
    #[error("cannot read the CA file {}", path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text holds no certificate at all.
    #[error("no certificate found in {0}")]
    NoCertificate(String),
    /// The text is not PEM, or holds the wrong kind of section.
    #[error("{what} is not readable PEM")]
    Pem {
        /// Which text.
        what: String,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// A certificate that rustls will not take.
    #[error("{what} was refused")]
    Refused {
        /// Which certificate or key.
        what: String,
        /// Why.
        source: rustls::Error,
    },
    /// The machine offers no trusted roots.
    #[error("the system offers no trusted certificates (set SSL_CERT_FILE, or name a CA file)")]
    NoSystemRoots,
    /// The stored authority is not one of ours.
    #[error("the certificate authority cannot be used: {0}")]
    Authority(&'static str),
    /// A certificate could not be made.
    #[error("cannot issue a certificate")]
    Issue(#[from] rcgen::Error),
    /// A host that TLS cannot check a certificate against.
    #[error("`{0}` is neither a host name nor an IP address")]
    ServerName(String),
}
