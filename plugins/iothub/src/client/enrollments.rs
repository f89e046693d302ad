//! Enrolments of a local hub's provisioning service. The real one is another service with a connection string of its own,
//! and the same paths.

use http::Method;
use wire::dps::{Attestation, DpsPath, Enrollment};
use wire::{HubPath, headers};

use super::call::{Again, Call};
use super::error::ClientError;
use super::governor::Kind;
use super::hub_client::HubClient;
use super::send::unreadable;

/// One device's enrolment, or a group's.
#[derive(Clone, Debug)]
pub enum Enrolled {
    /// By registration id.
    Device(String),
    /// By name.
    Group(String),
}

impl Enrolled {
    fn path(&self) -> HubPath {
        HubPath::Dps(match self {
            Self::Device(id) => DpsPath::Enrollment(id.clone()),
            Self::Group(name) => DpsPath::Group(name.clone()),
        })
    }

    fn attestation(&self) -> HubPath {
        HubPath::Dps(match self {
            Self::Device(id) => DpsPath::EnrollmentAttestation(id.clone()),
            Self::Group(name) => DpsPath::GroupAttestation(name.clone()),
        })
    }
}

impl HubClient {
    /// Makes an enrolment; there must be none of this name.
    pub async fn create_enrollment(&self, who: &Enrolled, asked: &Enrollment) -> Result<Enrollment, ClientError> {
        let body = serde_json::to_vec(asked).map_err(|error| ClientError::Unusable(error.to_string()))?;
        let answer = self.send(&Call::new(Method::PUT, who.path(), Kind::Identities).body(body)).await?;
        serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error))
    }

    /// How its devices prove who they are, with the keys.
    pub async fn attestation(&self, who: &Enrolled) -> Result<Attestation, ClientError> {
        let call = Call::new(Method::POST, who.attestation(), Kind::Identities).again(Again::Safe);
        let answer = self.send(&call).await?;
        serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error))
    }

    /// Removes an enrolment.
    pub async fn delete_enrollment(&self, who: &Enrolled) -> Result<(), ClientError> {
        self.send(&Call::new(Method::DELETE, who.path(), Kind::Identities)).await.map(drop)
    }

    /// All enrolments of devices, then of groups; without keys.
    pub async fn enrollments(&self) -> Result<Vec<Enrollment>, ClientError> {
        let mut all = Vec::new();
        for path in [DpsPath::EnrollmentQuery, DpsPath::GroupQuery] {
            let mut next = None;
            loop {
                let mut call = Call::new(Method::POST, HubPath::Dps(path.clone()), Kind::Identities);
                call = call.again(Again::Safe).body(r#"{"query":"*"}"#);
                call.headers.extend(next.take().map(|token| (headers::CONTINUATION, token)));
                let answer = self.send(&call).await?;
                let page: Vec<Enrollment> = serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error))?;
                all.extend(page);
                let token = answer.headers.get(headers::CONTINUATION).and_then(|token| token.to_str().ok());
                let Some(token) = token.filter(|token| !token.is_empty()) else { break };
                next = Some(token.to_owned());
            }
        }
        Ok(all)
    }
}
