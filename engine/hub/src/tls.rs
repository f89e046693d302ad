//! The hub's certificates: a CA kept in the data folder, and a server certificate issued anew at every start for all
//! names the hub has then. Clients trust the CA, so a fresh server certificate costs them nothing.

use std::path::PathBuf;
use std::sync::Arc;

use base::{Clock, Secret};
use net::tls::{Authority, TlsError, server_config};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

use crate::data_dir::{DataDir, DataDirError};

/// Why there are no certificates.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// The folder does not give or take them.
    #[error(transparent)]
    Folder(#[from] DataDirError),
    /// The kept CA cannot be used.
    #[error(
        "the CA in {path} cannot be used: remove ca.pem and ca-key.pem there to get a new one, which clients must then trust"
    )]
    Kept {
        /// The CA's certificate.
        path: PathBuf,
        /// What is wrong with it.
        source: TlsError,
    },
    /// The CA of the snapshot cannot be used.
    #[error(
        "the CA in the snapshot cannot be used: leave `ca` out of it to get a new one, which clients must then trust"
    )]
    Given {
        /// What is wrong with it.
        source: TlsError,
    },
    /// A certificate could not be made; mostly a name that cannot stand in one.
    #[error("cannot make a certificate for {names}")]
    Issue {
        /// All names of the hub.
        names: String,
        /// What is wrong.
        source: TlsError,
    },
}

/// The protocols that the HTTPS listener offers, best first (RFC 7301). Our own client takes HTTP/2, so that a fleet's pending
/// calls share one connection; the service speaks HTTP/1.1 only, and so do the SDKs, which never ask for more.
const HTTPS_PROTOCOLS: [&[u8]; 2] = [HTTP_2, b"http/1.1"];
/// HTTP/2 in the TLS handshake.
pub(crate) const HTTP_2: &[u8] = b"h2";

/// The CA to trust, and what the listeners accept TLS with.
pub(crate) struct Certificates {
    pub(crate) ca_pem: String,
    pub(crate) mqtt: TlsAcceptor,
    pub(crate) https: TlsAcceptor,
}

impl Certificates {
    /// For `names`, with the CA of the folder (made and kept if there is none); without a folder, with the CA that is given or
    /// a passing one.
    pub(crate) fn for_names(
        names: &[String],
        data_dir: Option<&DataDir>,
        given: Option<(String, Secret)>,
        clock: &Clock,
    ) -> Result<Self, CertificateError> {
        let issue = |source| CertificateError::Issue { names: names.join(", "), source };
        let authority = authority(data_dir, given, clock).map_err(|error| match error {
            Failed::Kept(error) => error,
            Failed::Made(source) => issue(source),
        })?;
        let leaf = authority.issue(names, clock).map_err(issue)?;
        let config = server_config(&leaf.chain_pem, leaf.key_pem.expose()).map_err(issue)?;
        let mut https = (*config).clone();
        https.alpn_protocols = HTTPS_PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self { ca_pem: authority.ca_pem, mqtt: config.into(), https: TlsAcceptor::from(Arc::new(https)) })
    }
}

enum Failed {
    Kept(CertificateError),
    Made(TlsError),
}

fn authority(data_dir: Option<&DataDir>, given: Option<(String, Secret)>, clock: &Clock) -> Result<Authority, Failed> {
    let Some(data_dir) = data_dir else {
        return match given {
            None => Authority::generate(clock).map_err(Failed::Made),
            Some((certificate, key)) => Authority::from_pem(&certificate, key.expose())
                .map_err(|source| Failed::Kept(CertificateError::Given { source })),
        };
    };
    let folder = |error: DataDirError| Failed::Kept(error.into());
    if let Some((certificate, key)) = data_dir.read_ca().map_err(folder)? {
        return Authority::from_pem(&certificate, key.expose())
            .map_err(|source| Failed::Kept(CertificateError::Kept { path: data_dir.ca(), source }));
    }
    let authority = Authority::generate(clock).map_err(Failed::Made)?;
    data_dir.write_ca(&authority.ca_pem, &authority.ca_key_pem).map_err(folder)?;
    Ok(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ca_is_kept_and_a_damaged_one_is_refused_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let start = || {
            let data_dir = DataDir::open(folder.path()).unwrap();
            Certificates::for_names(&names, Some(&data_dir), None, &Clock::system())
        };
        let first = start().unwrap().ca_pem;
        assert_eq!(start().unwrap().ca_pem, first);
        std::fs::write(folder.path().join("ca-key.pem"), "nonsense").unwrap();
        let error = start().err().unwrap().to_string();
        assert!(error.contains("ca.pem") && error.contains("remove"), "{error}");
        let passing = Certificates::for_names(&names, None, None, &Clock::system()).unwrap().ca_pem;
        assert_ne!(passing, first);
    }

    #[test]
    fn a_name_that_no_certificate_can_hold_is_named() {
        let error =
            Certificates::for_names(&["hüb".to_owned()], None, None, &Clock::system()).err().unwrap().to_string();
        assert!(error.contains("hüb"), "{error}");
    }
}
