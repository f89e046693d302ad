//! Faults that a local hub of iotplay is asked for, over its own route.

use http::Method;
use serde::Deserialize;
use wire::HubPath;

use super::call::Call;
use super::error::ClientError;
use super::governor::Kind;
use super::hub_client::HubClient;
use super::send::unreadable;

/// What every other hub is refused with.
const HONEST: &str = "does not go wrong on purpose";

/// A fault that is in place.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HubFault {
    /// Its number, to clear it by.
    pub id: String,
    /// What it does, as a sentence.
    pub told: String,
    /// How often it has shown.
    #[serde(default)]
    pub shown: u64,
    /// Until it begins; 0 when it has.
    #[serde(default)]
    pub begins_in_seconds: f64,
    /// Until it ends; none when it has no end.
    #[serde(default)]
    pub ends_in_seconds: Option<f64>,
}

#[derive(Deserialize)]
struct Listed {
    faults: Vec<HubFault>,
}

impl HubClient {
    /// The faults in place.
    ///
    /// # Errors
    /// [`ClientError::Unusable`] when the hub is another one.
    pub async fn faults(&self) -> Result<Vec<HubFault>, ClientError> {
        self.fault_call(Call::new(Method::GET, HubPath::OwnFaults, Kind::Identities)).await
    }

    /// Puts the faults of a profile (YAML or JSON) in place, all or none.
    ///
    /// # Errors
    /// [`ClientError::Unusable`] when the hub is another one; a refusal with the profile's mistakes.
    pub async fn add_faults(&self, profile: &str) -> Result<Vec<HubFault>, ClientError> {
        let call = Call::new(Method::POST, HubPath::OwnFaults, Kind::Identities);
        self.fault_call(call.body(profile.as_bytes().to_vec())).await
    }

    /// Clears one fault, or all.
    ///
    /// # Errors
    /// [`ClientError::Unusable`] when the hub is another one; a refusal when there is no such fault.
    pub async fn clear_faults(&self, id: Option<&str>) -> Result<(), ClientError> {
        let path = id.map_or(HubPath::OwnFaults, |id| HubPath::OwnFault(id.to_owned()));
        let sent = self.send(&Call::new(Method::DELETE, path, Kind::Identities)).await;
        sent.map(drop).map_err(|error| self.unless_ours(error, HONEST))
    }

    async fn fault_call(&self, call: Call) -> Result<Vec<HubFault>, ClientError> {
        let answer = self.send(&call).await.map_err(|error| self.unless_ours(error, HONEST))?;
        let listed: Listed = serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error))?;
        Ok(listed.faults)
    }
}
