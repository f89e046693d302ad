//! A certificate authority of our own, and the server certificates it issues.
//! OpenSSL (Python, Node) is stricter than rustls here: CA and leaf need different names, the leaf must name its
//! issuer's key, and the CA must be one in every extension. It stores nothing; the caller keeps the PEM texts.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use base::{Clock, Secret};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use time::OffsetDateTime;

use super::TlsError;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The CA is trusted by hand, so it must outlive every project folder.
pub(super) const AUTHORITY_LIFE: Duration = DAY.saturating_mul(3650);
/// Apple's and some browsers' limit for a server certificate under a private CA is 825 days.
pub(super) const LEAF_LIFE: Duration = DAY.saturating_mul(800);
/// Certificates start a day early: a device's clock may be behind.
const EARLY: Duration = DAY;
/// Every name of our authorities starts so; a few digits of the key follow, because two authorities with one name
/// and different keys in one trust file confuse OpenSSL.
const NAME: &str = "iotplay local CA";
const DIGITS: usize = 4;

/// A CA certificate and its key.
#[derive(Clone)]
pub struct Authority {
    /// The certificate to trust.
    pub ca_pem: String,
    /// Its private key (PKCS#8).
    pub ca_key_pem: Secret,
}

/// A certificate and its key: a server's by an [`Authority`], or a client's.
#[derive(Clone)]
pub struct Leaf {
    /// The certificate; the CA itself is left out, clients hold it already.
    pub chain_pem: String,
    /// Its private key (PKCS#8).
    pub key_pem: Secret,
}

impl Authority {
    /// A fresh authority (ECDSA P-256), valid from a day ago for ten years.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub fn generate(clock: &Clock) -> Result<Self, TlsError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = authority_params(&key);
        (params.not_before, params.not_after) = validity(clock, AUTHORITY_LIFE);
        let certificate = params.self_signed(&key)?;
        Ok(Self { ca_pem: certificate.pem(), ca_key_pem: Secret::new(key.serialize_pem()) })
    }

    /// An authority kept from an earlier run.
    ///
    /// # Errors
    /// When a text is damaged, the key belongs to another certificate, or the certificate is not an iotplay CA.
    pub fn from_pem(ca_pem: &str, ca_key_pem: &str) -> Result<Self, TlsError> {
        let key = KeyPair::from_pem(ca_key_pem)?;
        let (_, pem) = x509_parser::pem::parse_x509_pem(ca_pem.as_bytes())
            .map_err(|_| TlsError::Authority("the certificate is not PEM"))?;
        let certificate = pem.parse_x509().map_err(|_| TlsError::Authority("the certificate is not readable"))?;
        if certificate.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(TlsError::Authority("the key belongs to another certificate"));
        }
        let name = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        if name != Some(authority_name(&key).as_str()) {
            return Err(TlsError::Authority("it was not made by iotplay"));
        }
        Ok(Self { ca_pem: ca_pem.to_owned(), ca_key_pem: Secret::new(ca_key_pem) })
    }

    /// A server certificate for these DNS names and IP addresses, valid from a day ago for 800 days.
    ///
    /// # Errors
    /// When a name is not ASCII, or no name is given.
    pub fn issue(&self, names: &[String], clock: &Clock) -> Result<Leaf, TlsError> {
        let first = names.first().ok_or(TlsError::Authority("a server certificate needs at least one name"))?;
        let ca_key = KeyPair::from_pem(self.ca_key_pem.expose())?;
        let ca_params = authority_params(&ca_key);
        let issuer = Issuer::from_params(&ca_params, &ca_key);

        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = named(&format!("iotplay {first}"));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = validity(clock, LEAF_LIFE);
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(Leaf { chain_pem: certificate.pem(), key_pem: Secret::new(key.serialize_pem()) })
    }
}

impl Leaf {
    /// Whether this certificate still serves: it names every one of `names` and does not end within `ahead`.
    pub fn serves(&self, names: &[String], clock: &Clock, ahead: Duration) -> bool {
        let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(self.chain_pem.as_bytes()) else { return false };
        let Ok(certificate) = pem.parse_x509() else { return false };
        let until = OffsetDateTime::from(clock.now() + ahead).unix_timestamp();
        let Ok(Some(found)) = certificate.subject_alternative_name() else { return false };
        let has = |name: &String| {
            found.value.general_names.iter().any(|general| match (general, name.parse::<IpAddr>()) {
                (x509_parser::extensions::GeneralName::DNSName(dns), Err(_)) => dns.eq_ignore_ascii_case(name),
                (x509_parser::extensions::GeneralName::IPAddress(bytes), Ok(IpAddr::V4(ip))) => *bytes == ip.octets(),
                (x509_parser::extensions::GeneralName::IPAddress(bytes), Ok(IpAddr::V6(ip))) => *bytes == ip.octets(),
                _ => false,
            })
        };
        certificate.validity().not_after.timestamp() > until && names.iter().all(has)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaf")
    }
}

/// What is fixed about an authority: only its key distinguishes it, so a stored one is rebuilt from the key alone.
fn authority_params(key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(&authority_name(key));
    // Length 0: it signs servers, never another authority.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn authority_name(key: &KeyPair) -> String {
    let tail = key.public_key_raw().iter().rev().take(DIGITS);
    tail.fold(format!("{NAME} "), |name, byte| format!("{name}{byte:02x}"))
}

pub(super) fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

pub(super) fn validity(clock: &Clock, life: Duration) -> (OffsetDateTime, OffsetDateTime) {
    let now = clock.now();
    (OffsetDateTime::from(now - EARLY), OffsetDateTime::from(now + life))
}
