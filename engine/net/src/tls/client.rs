//! The client's side of TLS: which roots are trusted, and the one configuration that all connections of a process share
//! (so that they also share its resumption tickets).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::TlsError;
use super::provider::{VERSIONS, provider};

/// How many servers' sessions one client remembers: a fleet talks to one hub, a runner to a handful.
const REMEMBERED_SERVERS: usize = 64;

/// Whom a client trusts.
#[derive(Clone, Debug)]
pub enum Roots {
    /// The machine's own roots; `SSL_CERT_FILE` and `SSL_CERT_DIR` replace them, as everywhere.
    System,
    /// The machine's own roots and the certificates in this PEM file.
    File(PathBuf),
    /// Only the certificates in this PEM text: for a hub in the same process, whose CA is known.
    Pem(String),
}

/// A shared client configuration: TLS 1.2 and 1.3, resumption on, optional client certificate (chain PEM, key PEM).
///
/// # Errors
/// Unreadable files, PEM without certificates, a key that does not fit.
pub fn client_config(roots: &Roots, client_cert: Option<(&str, &str)>) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)
        .map_err(|source| TlsError::Refused { what: "the TLS set-up".to_owned(), source })?
        .with_root_certificates(root_store(roots)?);
    let mut config = match client_cert {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let what = "the client certificate";
            builder
                .with_client_auth_cert(certificates(chain, what)?, private_key(key, "the client key")?)
                .map_err(|source| TlsError::Refused { what: what.to_owned(), source })?
        }
    };
    config.resumption = Resumption::in_memory_sessions(REMEMBERED_SERVERS);
    Ok(Arc::new(config))
}

/// The name a server's certificate is checked against: a DNS name or an IP address without brackets or port.
///
/// # Errors
/// When the text is neither.
pub fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::ServerName(host.to_owned()))
}

fn root_store(roots: &Roots) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::System => add_system(&mut store),
        Roots::File(path) => {
            add_system(&mut store);
            add_file(&mut store, path)?;
        }
        Roots::Pem(text) => add_pem(&mut store, text, "the given CA")?,
    }
    if store.is_empty() { Err(TlsError::NoSystemRoots) } else { Ok(store) }
}

/// A machine's store may hold certificates that webpki cannot read; one bad root must not take the others down.
fn add_system(store: &mut RootCertStore) {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some system certificates cannot be read");
    }
    store.add_parsable_certificates(found.certs);
}

fn add_file(store: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let text = std::fs::read_to_string(path).map_err(|source| TlsError::ReadFile { path: path.to_owned(), source })?;
    add_pem(store, &text, &path.display().to_string())
}

/// Certificates that the user named must all be good: a silent skip would surface as an unexplained refusal later.
fn add_pem(store: &mut RootCertStore, text: &str, what: &str) -> Result<(), TlsError> {
    for certificate in certificates(text, what)? {
        store.add(certificate).map_err(|source| TlsError::Refused { what: what.to_owned(), source })?;
    }
    Ok(())
}

/// All certificates of a PEM text; at least one.
pub(super) fn certificates(text: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::Pem { what: what.to_owned(), source })?;
    if found.is_empty() { Err(TlsError::NoCertificate(what.to_owned())) } else { Ok(found) }
}

/// The first private key of a PEM text.
pub(super) fn private_key(text: &str, what: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|source| TlsError::Pem { what: what.to_owned(), source })
}
