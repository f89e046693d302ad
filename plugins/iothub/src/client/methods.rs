//! Direct methods.

use std::time::Duration;

use http::Method;
use wire::limits::METHOD_METER;
use wire::{HubPath, Identity, MethodCall, MethodReply};

use super::call::Call;
use super::error::ClientError;
use super::governor::Kind;
use super::hub_client::HubClient;
use super::send::unreadable;

/// On top of the method's own timeouts: the hub answers 504 itself, and only its answer tells a slow device from a lost call.
const MARGIN: Duration = Duration::from_secs(15);

impl HubClient {
    /// Calls a method and waits for the device's answer. Never sent twice once it may have arrived.
    pub async fn invoke(&self, identity: &Identity, method: &MethodCall) -> Result<MethodReply, ClientError> {
        let mut call =
            Call::new(Method::POST, HubPath::Methods(identity.clone()), Kind::Methods).body(method.to_json());
        let bytes = method.payload.as_ref().map_or(0, |payload| payload.get().len());
        call.cost = u32::try_from(bytes.div_ceil(METHOD_METER)).unwrap_or(u32::MAX).max(1);
        call.wait = method.connect_timeout + method.response_timeout + MARGIN;
        let answer = self.send(&call).await?;
        MethodReply::from_json(&answer.body).map_err(|error| unreadable(&error))
    }
}
