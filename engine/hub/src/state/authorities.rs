//! Certificate authorities whose devices are believed, and the judgement of a device that comes with a certificate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::rfc3339_millis;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use net::tls::{ClientAuthorities, PeerCertificate};
use wire::{AuthKind, AuthorityDocument, AuthorityProperties, ErrorCode, HubError, Identity, client_id};

use super::HubState;
use super::hub_state::Change;
use super::record::Record;
use crate::seam::Refused;
use crate::store::{Table, Write};

/// As many as a real hub takes.
const MOST: usize = 25;
/// The longest name.
const LONGEST_NAME: usize = 64;
/// The longest certificate, as text.
const LONGEST: usize = 16 * 1024;

/// See the module's description.
#[derive(Debug, Default)]
pub(crate) struct Authorities {
    by_name: BTreeMap<String, AuthorityDocument>,
    /// All of them, ready to judge; made when it is needed first after a change.
    judge: Option<Arc<ClientAuthorities>>,
}

impl Authorities {
    /// Takes one from the disk.
    pub(super) fn load(&mut self, key: &str, value: &[u8]) -> Result<(), String> {
        let document: AuthorityDocument = serde_json::from_slice(value).map_err(|error| error.to_string())?;
        if document.name != key {
            return Err("an authority of another name".into());
        }
        ClientAuthorities::new([document.properties.certificate.as_str()]).map_err(|error| error.to_string())?;
        self.by_name.insert(document.name.clone(), document);
        Ok(())
    }

    /// The certificate of one, PEM.
    pub(super) fn certificate(&self, name: &str) -> Option<String> {
        self.by_name.get(name).map(|known| known.properties.certificate.clone())
    }

    fn judge(&mut self) -> Option<Arc<ClientAuthorities>> {
        if self.judge.is_none() && !self.by_name.is_empty() {
            let texts = self.by_name.values().map(|known| known.properties.certificate.as_str());
            self.judge = ClientAuthorities::new(texts).ok().map(Arc::new);
        }
        self.judge.clone()
    }
}

/// The certificate as PEM, whichever way it came.
pub(crate) fn certificate_pem(given: &str) -> Result<String, HubError> {
    if given.len() > LONGEST {
        return Err(HubError::invalid(format!("A certificate has at most {LONGEST} characters.")));
    }
    if given.contains("-----BEGIN") {
        return Ok(given.to_owned());
    }
    let compact: String = given.split_whitespace().collect();
    let bytes = STANDARD.decode(&compact).map_err(|_| not_readable("it is neither PEM nor base64"))?;
    match String::from_utf8(bytes) {
        Ok(text) if text.contains("-----BEGIN") => Ok(text),
        _ => Ok(format!("-----BEGIN CERTIFICATE-----\n{compact}\n-----END CERTIFICATE-----\n")),
    }
}

fn not_readable(why: &str) -> HubError {
    HubError::invalid(format!("The certificate cannot be used: {why}."))
}

fn no_authority(name: &str) -> HubError {
    let shown: String = name.chars().take(LONGEST_NAME).collect();
    HubError::new(ErrorCode::of_status(404), format!("There is no certificate '{shown}'."))
}

fn check_name(name: &str) -> Result<(), HubError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(fits) {
        return Ok(());
    }
    Err(HubError::invalid(format!("A certificate's name has 1 to {LONGEST_NAME} letters, digits, '-', '.' and '_'.")))
}

impl HubState {
    /// Enters an authority, or replaces the one of this name. Nobody has to prove that he holds its key.
    pub(crate) async fn put_authority(&self, name: &str, given: &str) -> Result<AuthorityDocument, HubError> {
        check_name(name)?;
        let text = certificate_pem(given)?;
        let certificate = PeerCertificate::from_pem(&text).map_err(|error| not_readable(&error.to_string()))?;
        let (subject, expiry) = certificate.described().ok_or_else(|| not_readable("it is not X.509"))?;
        if !certificate.is_authority() {
            return Err(not_readable("it is not an authority's (basic constraint CA)"));
        }
        ClientAuthorities::new([text.as_str()]).map_err(|error| not_readable(&error.to_string()))?;
        let now = rfc3339_millis(self.clock.now());
        self.change(|inner| {
            let known = &mut inner.authorities.by_name;
            if known.len() >= MOST && !known.contains_key(name) {
                return Err(HubError::invalid(format!("A hub has at most {MOST} certificates.")));
            }
            let created = known.get(name).map_or_else(|| now.clone(), |old| old.properties.created.clone());
            let properties = AuthorityProperties {
                subject,
                expiry: rfc3339_millis(expiry),
                thumbprint: certificate.sha256(),
                is_verified: true,
                created,
                updated: now.clone(),
                certificate: text.clone(),
            };
            let answer = AuthorityDocument { name: name.to_owned(), properties };
            known.insert(name.to_owned(), answer.clone());
            inner.authorities.judge = None;
            let json = serde_json::to_vec(&answer).expect("plain fields with text keys are JSON");
            Ok(Change { answer, writes: vec![Write::put(Table::Authorities, name, json)], effects: Vec::new() })
        })
        .await
    }

    /// Forgets an authority. Devices that are connected stay until they come again.
    pub(crate) async fn remove_authority(&self, name: &str) -> Result<(), HubError> {
        self.change(|inner| {
            inner.authorities.by_name.remove(name).ok_or_else(|| no_authority(name))?;
            inner.authorities.judge = None;
            Ok(Change { answer: (), writes: vec![Write::remove(Table::Authorities, name)], effects: Vec::new() })
        })
        .await
    }

    /// One of them.
    pub(crate) fn authority(&self, name: &str) -> Result<AuthorityDocument, HubError> {
        self.inner().authorities.by_name.get(name).cloned().ok_or_else(|| no_authority(name))
    }

    /// All of them.
    pub(crate) fn authorities(&self) -> Vec<AuthorityDocument> {
        self.inner().authorities.by_name.values().cloned().collect()
    }

    /// All of them, to judge a chain by; `None` when there are none.
    pub(super) fn authorities_judge(&self) -> Option<Arc<ClientAuthorities>> {
        self.inner().authorities.judge()
    }

    /// Whether this certificate is the identity's: by thumbprint, or by a chain to an authority and its name.
    pub(super) fn check_certificate(
        &self,
        identity: &Identity,
        record: &Record,
        certificate: &PeerCertificate,
        skew: i64,
    ) -> Result<(), Refused> {
        let refused = |reason: String| Err(Refused { reason });
        let by = Duration::from_secs(skew.unsigned_abs());
        let now = if skew < 0 { self.clock.now() - by } else { self.clock.now() + by };
        if !certificate.is_valid_at(now) {
            return refused("its certificate is not valid now".into());
        }
        match record.authentication.kind {
            AuthKind::SelfSigned => {
                let prints = &record.authentication.x509_thumbprint;
                let mut known = [&prints.primary_thumbprint, &prints.secondary_thumbprint].into_iter().flatten();
                if known.any(|thumbprint| certificate.has_thumbprint(thumbprint)) {
                    return Ok(());
                }
                refused(format!("its certificate (SHA-256 {}) has neither of its thumbprints", certificate.sha256()))
            }
            AuthKind::CertificateAuthority => {
                let name = certificate.common_name().unwrap_or_default();
                let wanted = client_id(identity);
                if name != wanted {
                    return refused(format!("its certificate is for `{name}`, not for `{wanted}`"));
                }
                let Some(judge) = self.authorities_judge() else {
                    return refused("this hub knows no certificate authority (iotplay hub ca add)".into());
                };
                let judged = judge.judge(certificate, now);
                judged.map_err(|why| Refused { reason: format!("its certificate leads to no known authority: {why}") })
            }
            kind @ (AuthKind::Sas | AuthKind::None) => {
                refused(format!("it is registered to log in otherwise ({}), not with a certificate", kind.as_str()))
            }
        }
    }
}
