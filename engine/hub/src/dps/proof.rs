//! Whether a device may register: by the keys or certificates of its own enrolment, else of a group.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use net::tls::{ClientAuthorities, PeerCertificate};
use wire::dps::{AttestationKind, Enrollment, RegistrationId};
use wire::limits::CLOCK_SKEW;
use wire::{SasKey, SasToken, SymmetricKey};

use super::{EnrollmentKind, Provisioning};
use crate::seam::Proof;

/// What a device logs in to its hub with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    Keys(SymmetricKey),
    /// SHA-256 of its certificate: also for those that an authority signed, as the real service does it.
    Thumbprint(String),
}

/// A device that may register.
#[derive(Clone, Debug)]
pub(crate) struct Proven {
    pub(crate) enrollment: Enrollment,
    /// The group that it came through.
    pub(crate) group: Option<String>,
    pub(crate) credential: Credential,
}

/// Finds the enrolment that a proof fits. The reason is for the log only.
pub(crate) fn prove(
    known: &Provisioning,
    id_scope: &str,
    registration: &RegistrationId,
    proof: Proof<'_>,
    authority: impl Fn(&str) -> Option<String>,
    now: SystemTime,
) -> Result<Proven, String> {
    if !known.id_scope.eq_ignore_ascii_case(id_scope) {
        return Err(format!("the id scope `{id_scope}` is not this service's"));
    }
    match (proof.password.filter(|password| !password.is_empty()), proof.certificate) {
        (Some(password), _) => by_token(known, registration, password, now),
        (None, Some(certificate)) => by_certificate(known, registration, certificate, authority, now),
        (None, None) => Err("neither a password nor a certificate".into()),
    }
}

fn by_token(
    known: &Provisioning,
    registration: &RegistrationId,
    password: &[u8],
    now: SystemTime,
) -> Result<Proven, String> {
    let text = std::str::from_utf8(password).map_err(|_| "the password is not text".to_owned())?;
    let token = SasToken::parse(text).map_err(|error| format!("the password: {error}"))?;
    let resource = token.resource().map_err(|error| format!("the password: {error}"))?;
    let is_own = matches!(resource.segments(), [word, id] if word == "registrations" && id.eq_ignore_ascii_case(registration.as_str()));
    if !resource.host().eq_ignore_ascii_case(&known.id_scope) || !is_own {
        return Err("the token is for something else than this registration".into());
    }
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    if token.expired(seconds, CLOCK_SKEW) {
        return Err(format!("the token expired at {} (seconds since 1970)", token.expiry));
    }
    let fits = |keys: &SymmetricKey| {
        [&keys.primary_key, &keys.secondary_key].into_iter().flatten().any(|key| token.verify(key))
    };
    if let Some(own) = known.enrollment(EnrollmentKind::Individual, registration.as_str()) {
        return match own.attestation.symmetric_key.as_ref().filter(|keys| fits(keys)) {
            Some(keys) => {
                Ok(Proven { enrollment: own.clone(), group: None, credential: Credential::Keys(keys.clone()) })
            }
            None => Err("the signature fits no key of its enrolment".into()),
        };
    }
    let derived = |key: &Option<SasKey>| key.as_ref().map(|key| key.derived(registration.as_str()));
    for (name, group) in known.enrollments(EnrollmentKind::Group) {
        let Some(keys) = &group.attestation.symmetric_key else { continue };
        let keys =
            SymmetricKey { primary_key: derived(&keys.primary_key), secondary_key: derived(&keys.secondary_key) };
        if fits(&keys) {
            let (enrollment, group) = (group.clone(), Some(name.clone()));
            return Ok(Proven { enrollment, group, credential: Credential::Keys(keys) });
        }
    }
    Err("it is not enrolled, and the signature fits no group".into())
}

fn by_certificate(
    known: &Provisioning,
    registration: &RegistrationId,
    certificate: &PeerCertificate,
    authority: impl Fn(&str) -> Option<String>,
    now: SystemTime,
) -> Result<Proven, String> {
    if !certificate.is_valid_at(now) {
        return Err("its certificate is not valid now".into());
    }
    let name = certificate.common_name().unwrap_or_default();
    if !name.eq_ignore_ascii_case(registration.as_str()) {
        return Err(format!("its certificate is for `{name}`, not for `{registration}`"));
    }
    let credential = Credential::Thumbprint(certificate.sha256());
    if let Some(own) = known.enrollment(EnrollmentKind::Individual, registration.as_str()) {
        let x509 = own.attestation.x509.as_ref().and_then(|x509| x509.client_certificates.as_ref());
        let mut prints = x509.iter().flat_map(|both| both.iter()).filter_map(|one| one.info.as_ref());
        return if prints.any(|info| certificate.has_thumbprint(&info.sha256_thumbprint)) {
            Ok(Proven { enrollment: own.clone(), group: None, credential })
        } else {
            Err("its certificate is not the one of its enrolment".into())
        };
    }
    let groups = known.enrollments(EnrollmentKind::Group).iter();
    for (name, group) in groups.filter(|(_, group)| group.attestation.kind == AttestationKind::X509) {
        let Some(x509) = &group.attestation.x509 else { continue };
        let signing = x509.signing_certificates.iter().flat_map(|both| both.iter()).map(|one| one.certificate.clone());
        let referenced = x509.ca_references.iter().flat_map(|both| both.iter()).filter_map(|name| authority(name));
        let texts: Vec<String> = signing.chain(referenced).collect();
        let judged =
            ClientAuthorities::new(texts.iter().map(String::as_str)).map(|judge| judge.judge(certificate, now));
        if matches!(judged, Ok(Ok(()))) {
            return Ok(Proven { enrollment: group.clone(), group: Some(name.clone()), credential });
        }
    }
    Err("it is not enrolled, and its certificate leads to no group's authority".into())
}
