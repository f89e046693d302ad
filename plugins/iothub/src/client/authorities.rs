//! Certificate authorities of devices, of a local hub: the real service has them on its management side.

use http::Method;
use wire::{AuthorityContent, AuthorityDocument, AuthorityList, AuthorityRequest, HubPath};

use super::call::{Again, Call};
use super::error::ClientError;
use super::governor::Kind;
use super::hub_client::HubClient;
use super::send::unreadable;

impl HubClient {
    /// Enters an authority, or replaces the one of this name.
    pub async fn put_authority(&self, name: &str, certificate: &str) -> Result<AuthorityDocument, ClientError> {
        let asked = AuthorityRequest { properties: AuthorityContent { certificate: certificate.to_owned() } };
        let body = serde_json::to_vec(&asked).map_err(|error| ClientError::Unusable(error.to_string()))?;
        let call = Call::new(Method::PUT, HubPath::Authority(name.to_owned()), Kind::Identities).body(body);
        let answer = self.send(&call.again(Again::Safe)).await?;
        serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error))
    }

    /// All of them.
    pub async fn authorities(&self) -> Result<Vec<AuthorityDocument>, ClientError> {
        let answer = self.send(&Call::new(Method::GET, HubPath::Authorities, Kind::Identities)).await?;
        let list: AuthorityList = serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error))?;
        Ok(list.value)
    }

    /// Forgets one.
    pub async fn delete_authority(&self, name: &str) -> Result<(), ClientError> {
        self.send(&Call::new(Method::DELETE, HubPath::Authority(name.to_owned()), Kind::Identities)).await.map(drop)
    }
}
