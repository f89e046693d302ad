//! What an enrolment must be, what the service adds to it, and what of it is shown.

use net::tls::{ClientAuthorities, PeerCertificate};
use rand::Rng;
use wire::dps::{
    AllocationPolicy, Attestation, AttestationKind, CertificateInfo, DpsError, Enrollment, X509Attestation,
    X509Certificate,
};
use wire::{SasKey, SymmetricKey, limits};

use super::EnrollmentKind;
use crate::state::certificate_pem;

/// The longest name of a group.
const LONGEST_GROUP: usize = 128;

/// Checks an enrolment, takes keys over from the one before, and makes those that are missing.
pub(crate) fn prepare(
    kind: EnrollmentKind,
    id: &str,
    mut asked: Enrollment,
    old: Option<&Enrollment>,
    rng: &mut impl Rng,
) -> Result<Enrollment, DpsError> {
    name(kind, id, &mut asked)?;
    if asked.allocation_policy == Some(AllocationPolicy::Custom) {
        return Err(DpsError::invalid("Custom allocation is not supported by this local service."));
    }
    if kind == EnrollmentKind::Group && asked.device_id.is_some() {
        return Err(DpsError::invalid("A group has no deviceId."));
    }
    asked.attestation = match asked.attestation.kind {
        AttestationKind::SymmetricKey => keys(&asked.attestation, old.map(|old| &old.attestation), rng)?,
        AttestationKind::X509 => certificates(kind, asked.attestation.x509.take().unwrap_or_default())?,
        AttestationKind::Tpm => {
            return Err(DpsError::invalid("Attestation by TPM is not supported by this local service."));
        }
    };
    Ok(asked)
}

/// The name in the body must be the path's, if it is there.
fn name(kind: EnrollmentKind, id: &str, asked: &mut Enrollment) -> Result<(), DpsError> {
    match kind {
        EnrollmentKind::Individual => {
            let parsed = id.parse().map_err(|error| DpsError::invalid(format!("{error}.")))?;
            let other = asked.registration_id.as_ref().is_some_and(|given| given.as_str() != id);
            if other || asked.enrollment_group_id.is_some() {
                return Err(DpsError::invalid("The registrationId is not the path's."));
            }
            asked.registration_id = Some(parsed);
        }
        EnrollmentKind::Group => {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
            if id.is_empty() || id.len() > LONGEST_GROUP || !id.bytes().all(fits) {
                return Err(DpsError::invalid("A group's name has 1 to 128 letters, digits and -._:"));
            }
            if asked.enrollment_group_id.as_ref().is_some_and(|given| given != id) || asked.registration_id.is_some() {
                return Err(DpsError::invalid("The enrollmentGroupId is not the path's."));
            }
            asked.enrollment_group_id = Some(id.to_owned());
        }
    }
    Ok(())
}

fn keys(asked: &Attestation, old: Option<&Attestation>, rng: &mut impl Rng) -> Result<Attestation, DpsError> {
    let given = asked.symmetric_key.clone().unwrap_or_default();
    let (least, most) = limits::KEY_BYTES;
    let both = [&given.primary_key, &given.secondary_key];
    if both.into_iter().flatten().any(|key| !(least..=most).contains(&key.size())) {
        return Err(DpsError::invalid(format!("A symmetric key has {least} to {most} bytes.")));
    }
    let kept = old.and_then(|old| old.symmetric_key.clone()).unwrap_or_default();
    let mut key =
        |given: Option<SasKey>, kept: Option<SasKey>| Some(given.or(kept).unwrap_or_else(|| SasKey::generate(rng)));
    let symmetric_key = SymmetricKey {
        primary_key: key(given.primary_key, kept.primary_key),
        secondary_key: key(given.secondary_key, kept.secondary_key),
    };
    Ok(Attestation { kind: AttestationKind::SymmetricKey, symmetric_key: Some(symmetric_key), x509: None })
}

fn certificates(kind: EnrollmentKind, mut x509: X509Attestation) -> Result<Attestation, DpsError> {
    let client = x509.client_certificates.as_mut().map(|both| [&mut both.primary, &mut both.secondary]);
    let signing = x509.signing_certificates.as_mut().map(|both| [&mut both.primary, &mut both.secondary]);
    for certificate in client.into_iter().chain(signing).flatten().flatten() {
        read(certificate)?;
    }
    for authority in x509.signing_certificates.iter().flat_map(|both| both.iter()) {
        ClientAuthorities::new([authority.certificate.as_str()])
            .map_err(|error| DpsError::invalid(format!("A signing certificate cannot be used: {error}.")))?;
    }
    let has_client = x509.client_certificates.as_ref().is_some_and(|both| both.primary.is_some());
    let has_signing = x509.signing_certificates.as_ref().is_some_and(|both| both.primary.is_some());
    let has_reference = x509.ca_references.as_ref().is_some_and(|both| both.primary.is_some());
    let good = match kind {
        EnrollmentKind::Individual => has_client && !has_signing,
        EnrollmentKind::Group => (has_signing || has_reference) && !has_client,
    };
    if !good {
        return Err(DpsError::invalid(
            "A device is enrolled with clientCertificates, a group with signingCertificates or caReferences.",
        ));
    }
    Ok(Attestation { kind: AttestationKind::X509, symmetric_key: None, x509: Some(x509) })
}

/// Reads a certificate, whichever way it came, and writes down what it says.
fn read(certificate: &mut X509Certificate) -> Result<(), DpsError> {
    let cannot = |why: String| DpsError::invalid(format!("A certificate cannot be used: {why}"));
    let pem = certificate_pem(&certificate.certificate).map_err(|error| cannot(error.message))?;
    let parsed = PeerCertificate::from_pem(&pem).map_err(|error| cannot(format!("{error}.")))?;
    let (subject, end) = parsed.described().ok_or_else(|| cannot("it is not X.509.".into()))?;
    certificate.info = Some(CertificateInfo {
        subject_name: subject,
        sha1_thumbprint: parsed.sha1(),
        sha256_thumbprint: parsed.sha256(),
        not_after_utc: base::rfc3339_millis(end),
    });
    certificate.certificate = pem;
    Ok(())
}

/// As the service shows it: without keys, which are asked for by a call of their own.
pub(crate) fn shown(enrollment: &Enrollment) -> Enrollment {
    let mut shown = enrollment.clone();
    shown.attestation.symmetric_key = None;
    shown
}
