//! Certificates for clients: of an authority, signed by one, or by themselves. For tests and for people who want to try
//! what their devices will do; stores nothing.

use base::{Clock, Secret};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};

use super::authority::{AUTHORITY_LIFE, LEAF_LIFE, named, validity};
use super::{Leaf, TlsError};

/// Certificates for clients, by kind.
#[derive(Clone, Copy, Debug)]
pub enum Signer<'a> {
    /// The client itself.
    Itself,
    /// An authority: its certificate and its key, both PEM.
    Authority(&'a str, &'a Secret),
}

/// A client's certificate for this common name, valid from a day ago for 800 days.
///
/// # Errors
/// A name that no certificate can hold, an authority that cannot be read, or one whose key is another's.
pub fn issue_client(common_name: &str, signer: Signer<'_>, clock: &Clock) -> Result<Leaf, TlsError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = named(common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    (params.not_before, params.not_after) = validity(clock, LEAF_LIFE);
    let certificate = match signer {
        Signer::Itself => params.self_signed(&key)?,
        Signer::Authority(certificate, signing) => {
            let signing = KeyPair::from_pem(signing.expose())?;
            owned_by(certificate, &signing)?;
            params.use_authority_key_identifier_extension = true;
            params.signed_by(&key, &Issuer::from_ca_cert_pem(certificate, &signing)?)?
        }
    };
    Ok(Leaf { chain_pem: certificate.pem(), key_pem: Secret::new(key.serialize_pem()) })
}

/// An authority that signs clients, valid from a day ago for ten years.
///
/// # Errors
/// A name that no certificate can hold.
pub fn client_authority(common_name: &str, clock: &Clock) -> Result<Leaf, TlsError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = named(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = validity(clock, AUTHORITY_LIFE);
    Ok(Leaf { chain_pem: params.self_signed(&key)?.pem(), key_pem: Secret::new(key.serialize_pem()) })
}

/// A certificate signed with another's key would be refused by everybody, without a word why.
fn owned_by(certificate: &str, key: &KeyPair) -> Result<(), TlsError> {
    let unreadable = || TlsError::Authority("the certificate is not readable");
    let (_, pem) = x509_parser::pem::parse_x509_pem(certificate.as_bytes()).map_err(|_| unreadable())?;
    let certificate = pem.parse_x509().map_err(|_| unreadable())?;
    if certificate.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
        return Err(TlsError::Authority("the key belongs to another certificate"));
    }
    if !certificate.is_ca() {
        return Err(TlsError::Authority("the certificate is not an authority's"));
    }
    Ok(())
}
