//! Twins: read whole, patched.

use http::Method;
use serde_json::Value;
use tokio::time::Instant;
use wire::{HubPath, Identity, IfMatch};

use super::call::{Again, Call};
use super::error::ClientError;
use super::governor::Kind;
use super::hub_client::HubClient;
use super::send::unreadable;

impl HubClient {
    /// The whole twin, as the service shows it.
    pub async fn twin(&self, identity: &Identity) -> Result<Value, ClientError> {
        self.twin_by(identity, None).await
    }

    /// The same, when its turn comes by then and the hub takes it at once; else it is refused as throttled.
    pub(crate) async fn twin_by(&self, identity: &Identity, turn_by: Option<Instant>) -> Result<Value, ClientError> {
        let call = Call::new(Method::GET, HubPath::Twin(identity.clone()), Kind::TwinReads).turn_by(turn_by);
        self.read_twin(identity, &call).await
    }

    async fn read_twin(&self, identity: &Identity, call: &Call) -> Result<Value, ClientError> {
        let answer = self.send(call).await?;
        let twin = serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error))?;
        self.0.newest.read(identity, &twin);
        Ok(twin)
    }

    /// Merges `tags` and `properties.desired` and returns the whole twin. Without a certain version a patch does no harm when it
    /// is sent twice; with one, the second would be refused for what the first one did.
    pub async fn patch_twin(&self, identity: &Identity, patch: &Value, on: &IfMatch) -> Result<Value, ClientError> {
        let again = if *on == IfMatch::Any { Again::Safe } else { Again::Unsent };
        let call = Call::new(Method::PATCH, HubPath::Twin(identity.clone()), Kind::TwinWrites)
            .body(patch.to_string())
            .if_match(Some(on.clone()))
            .again(again);
        self.read_twin(identity, &call).await
    }
}
