//! Twins: read whole, patched.

use http::Method;
use serde_json::Value;
use wire::{HubPath, Identity, IfMatch};

use super::call::{Again, Call};
use super::error::ClientError;
use super::hub_client::HubClient;
use super::pace::Kind;
use super::send::unreadable;

impl HubClient {
    /// The whole twin, as the service shows it.
    pub async fn twin(&self, identity: &Identity) -> Result<Value, ClientError> {
        let call = Call::new(Method::GET, HubPath::Twin(identity.clone()), Kind::TwinReads);
        let answer = self.send(&call).await?;
        serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error))
    }

    /// Merges `tags` and `properties.desired` and returns the whole twin. Without a certain version a patch does no harm when it
    /// is sent twice; with one, the second would be refused for what the first one did.
    pub async fn patch_twin(&self, identity: &Identity, patch: &Value, on: &IfMatch) -> Result<Value, ClientError> {
        let again = if *on == IfMatch::Any { Again::Safe } else { Again::Unsent };
        let call = Call::new(Method::PATCH, HubPath::Twin(identity.clone()), Kind::TwinWrites)
            .body(patch.to_string())
            .if_match(Some(on.clone()))
            .again(again);
        let answer = self.send(&call).await?;
        serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error))
    }
}
