//! A client's certificate. The handshake asks for one, takes any and only has the client prove that it holds the key; whose it
//! is, and whether that counts, is for whoever judges the login: by thumbprint, or by a chain to authorities.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use tokio_rustls::server::TlsStream;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::TlsError;
use super::client::certificates;
use super::provider::provider;

/// A chain longer than this is not looked at: real ones have two or three certificates.
const LONGEST_CHAIN: usize = 8;

/// Asks for a certificate and judges none.
#[derive(Debug)]
pub(super) struct AnyClient(WebPkiSupportedAlgorithms);

impl AnyClient {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(provider().signature_verification_algorithms))
    }
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// What a client showed, and proved to hold the key of.
#[derive(Clone, Debug)]
pub struct PeerCertificate {
    leaf: CertificateDer<'static>,
    intermediates: Vec<CertificateDer<'static>>,
}

impl PeerCertificate {
    /// The certificate of the client at the other end, if it showed one.
    pub fn of<S>(stream: &TlsStream<S>) -> Option<Self> {
        let (leaf, rest) = stream.get_ref().1.peer_certificates()?.split_first()?;
        let intermediates = rest.iter().take(LONGEST_CHAIN).map(|one| one.clone().into_owned()).collect();
        Some(Self { leaf: leaf.clone().into_owned(), intermediates })
    }

    /// One from a text: leaf first.
    ///
    /// # Errors
    /// A text without certificates.
    pub fn from_pem(text: &str) -> Result<Self, TlsError> {
        let mut chain = certificates(text, "the certificate")?.into_iter();
        let leaf = chain.next().ok_or_else(|| TlsError::NoCertificate("the text".to_owned()))?;
        Ok(Self { leaf, intermediates: chain.take(LONGEST_CHAIN).collect() })
    }

    /// The SHA-256 of the certificate, as 64 capital hexadecimal digits.
    pub fn sha256(&self) -> String {
        hex(&SHA256, &self.leaf)
    }

    /// The SHA-1 of the certificate, as 40 capital hexadecimal digits.
    pub fn sha1(&self) -> String {
        hex(&SHA1_FOR_LEGACY_USE_ONLY, &self.leaf)
    }

    /// Whether a thumbprint, of either kind and in either case, is this certificate's.
    pub fn has_thumbprint(&self, thumbprint: &str) -> bool {
        match thumbprint.len() {
            40 => self.sha1().eq_ignore_ascii_case(thumbprint),
            64 => self.sha256().eq_ignore_ascii_case(thumbprint),
            _ => false,
        }
    }

    /// The name that it is for; `None` when it has none, or several.
    pub fn common_name(&self) -> Option<String> {
        let (_, certificate) = X509Certificate::from_der(&self.leaf).ok()?;
        let mut names = certificate.subject().iter_common_name();
        let name = names.next()?.as_str().ok()?.to_owned();
        names.next().is_none().then_some(name)
    }

    /// Its whole subject and the end of its life, for people and documents; `None` when it cannot be read.
    pub fn described(&self) -> Option<(String, SystemTime)> {
        let (_, certificate) = X509Certificate::from_der(&self.leaf).ok()?;
        let seconds = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
        Some((certificate.subject().to_string(), UNIX_EPOCH + Duration::from_secs(seconds)))
    }

    /// Whether it may sign others.
    pub fn is_authority(&self) -> bool {
        X509Certificate::from_der(&self.leaf).is_ok_and(|(_, certificate)| certificate.is_ca())
    }

    /// Whether its time has come and is not over.
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        let Ok((_, certificate)) = X509Certificate::from_der(&self.leaf) else { return false };
        let now = i64::try_from(unix(now).as_secs()).unwrap_or(i64::MAX);
        let validity = certificate.validity();
        (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now)
    }
}

/// Authorities whose clients are believed.
#[derive(Clone, Debug)]
pub struct ClientAuthorities(Arc<dyn ClientCertVerifier>);

impl ClientAuthorities {
    /// From PEM texts; the first certificate of each is an authority.
    ///
    /// # Errors
    /// A text that is no certificate, or a certificate that cannot be trusted as an authority; none at all.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for text in texts {
            let certificate = PeerCertificate::from_pem(text)?.leaf;
            roots.add(certificate).map_err(|source| TlsError::Refused { what: "the authority".to_owned(), source })?;
        }
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map(Self)
            .map_err(|_| TlsError::NoCertificate("the list of authorities".to_owned()))
    }

    /// Whether a client's chain leads to one of them, is whole and in its time.
    ///
    /// # Errors
    /// What is wrong with the chain, as a fragment.
    pub fn judge(&self, client: &PeerCertificate, now: SystemTime) -> Result<(), String> {
        let judged = self.0.verify_client_cert(&client.leaf, &client.intermediates, unix(now));
        judged.map(|_| ()).map_err(|error| match error {
            rustls::Error::InvalidCertificate(why) => format!("{why:?}"),
            other => other.to_string(),
        })
    }
}

fn unix(now: SystemTime) -> UnixTime {
    UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn hex(algorithm: &'static Algorithm, bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in digest(algorithm, bytes).as_ref() {
        write!(text, "{byte:02X}").expect("writing to a string cannot fail");
    }
    text
}
