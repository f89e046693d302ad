//! What only a local hub of iotplay offers over REST: sending cloud-to-device messages, which the service takes over AMQP alone,
//! and reading device-to-cloud messages, which it keeps in an Event Hub.

use http::Method;
use serde::Deserialize;
use serde_json::Value;
use wire::{CloudMessage, DeviceId, HubPath, TelemetryPage, TelemetryQuery};

use super::call::Call;
use super::error::ClientError;
use super::governor::Kind;
use super::hub_client::HubClient;
use super::send::unreadable;

/// A message that the hub has taken.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// By which feedback names it; made by the hub when the sender gave none.
    pub message_id: String,
    /// When it ceases to matter, RFC 3339.
    pub expiry_time_utc: String,
}

/// What every other hub answers on paths that it does not know, or to callers that it does not look at more closely.
const UNKNOWN_PATH: [u16; 4] = [400, 404, 405, 501];

impl HubClient {
    /// Sends a cloud-to-device message through a local hub of iotplay. Never sent twice once it may have arrived.
    ///
    /// # Errors
    /// [`ClientError::Unusable`] when the hub is another one: nothing was sent then.
    pub async fn send_message(&self, device: &DeviceId, message: &CloudMessage) -> Result<Taken, ClientError> {
        let body = serde_json::to_vec(message).map_err(|error| ClientError::Unusable(error.to_string()))?;
        let call = Call::new(Method::POST, HubPath::OwnSend(device.clone()), Kind::Messages).body(body);
        match self.send(&call).await {
            Ok(answer) => serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error)),
            Err(error) => {
                Err(self
                    .unless_ours(error, "takes cloud-to-device messages over AMQP only, which iotplay does not speak"))
            }
        }
    }

    /// Device-to-cloud messages that a local hub of iotplay keeps; waits for the first one as long as the query says.
    ///
    /// # Errors
    /// [`ClientError::Unusable`] when the hub is another one.
    pub async fn telemetry(&self, query: &TelemetryQuery) -> Result<TelemetryPage, ClientError> {
        let mut call = Call::new(Method::GET, HubPath::OwnTelemetry, Kind::Telemetry);
        call.parameters = query.to_string();
        call.wait += query.wait;
        match self.send(&call).await {
            Ok(answer) => serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error)),
            Err(error) => {
                Err(self
                    .unless_ours(error, "keeps device-to-cloud messages in an Event Hub, which iotplay does not read"))
            }
        }
    }

    /// What a local hub of iotplay counts of itself.
    ///
    /// # Errors
    /// [`ClientError::Unusable`] when the hub is another one.
    pub async fn status(&self) -> Result<Value, ClientError> {
        match self.send(&Call::new(Method::GET, HubPath::OwnStatus, Kind::Identities)).await {
            Ok(answer) => serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error)),
            Err(error) => Err(self.unless_ours(error, "tells its numbers to Azure Monitor only")),
        }
    }

    /// A refusal by a hub that does not say where its devices connect is one by a hub that has no such path.
    pub(super) fn unless_ours(&self, error: ClientError, why: &str) -> ClientError {
        let unknown = error.code().is_some_and(|code| UNKNOWN_PATH.contains(&code.http_status()));
        if !unknown || self.device_endpoint().is_some() {
            return error;
        }
        ClientError::Unusable(format!("{} is not an `iotplay hub`: Azure IoT Hub {why}", self.connection().host))
    }
}
