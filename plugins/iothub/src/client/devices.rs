//! The registry: devices one by one, the first of them, and their number. The whole fleet is listed by a query.

use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use wire::{DeviceDocument, DeviceId, HostPort, HubPath, IfMatch, headers, limits};

use super::call::{Again, Call};
use super::error::ClientError;
use super::governor::Kind;
use super::hub_client::HubClient;
use super::send::unreadable;

/// A device that was made.
#[derive(Clone, Debug)]
pub struct Created {
    /// With its keys.
    pub device: DeviceDocument,
    /// Where it connects, if a local hub says so; else to the hub's own name.
    pub endpoint: Option<HostPort>,
}

/// How many devices there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// All.
    #[serde(rename = "totalDeviceCount")]
    pub total: u64,
    /// Those that may connect.
    #[serde(rename = "enabledDeviceCount")]
    pub enabled: u64,
    /// Those that may not.
    #[serde(rename = "disabledDeviceCount")]
    pub disabled: u64,
}

#[derive(Deserialize)]
struct Connected {
    #[serde(rename = "connectedDeviceCount")]
    connected: u64,
}

fn device_path(device: &DeviceId) -> HubPath {
    HubPath::Device(device.clone())
}

impl HubClient {
    async fn read<T: DeserializeOwned>(&self, call: &Call) -> Result<T, ClientError> {
        let answer = self.send(call).await?;
        serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error))
    }

    /// A device, with its keys if the policy may see them.
    pub async fn device(&self, device: &DeviceId) -> Result<DeviceDocument, ClientError> {
        self.read(&Call::new(Method::GET, device_path(device), Kind::Identities)).await
    }

    /// Makes a device; keys that are not given are made by the hub.
    pub async fn create_device(&self, device: &DeviceDocument) -> Result<Created, ClientError> {
        let device = self.put_device(device, None).await?;
        Ok(Created { device, endpoint: self.device_endpoint() })
    }

    /// Replaces a device's document, if it is still at that version.
    pub async fn update_device(&self, device: &DeviceDocument, on: IfMatch) -> Result<DeviceDocument, ClientError> {
        self.put_device(device, Some(on)).await
    }

    async fn put_device(&self, device: &DeviceDocument, on: Option<IfMatch>) -> Result<DeviceDocument, ClientError> {
        let body = serde_json::to_vec(device).map_err(|error| ClientError::Unusable(error.to_string()))?;
        self.read(&Call::new(Method::PUT, device_path(&device.device_id), Kind::Identities).body(body).if_match(on))
            .await
    }

    /// Removes a device, if it is still at that version.
    pub async fn delete_device(&self, device: &DeviceId, on: IfMatch) -> Result<(), ClientError> {
        let call = Call::new(Method::DELETE, device_path(device), Kind::Identities).if_match(Some(on));
        self.send(&call).await.map(drop)
    }

    /// Up to a thousand devices, in no certain order; enough to find the one that was meant.
    pub async fn some_devices(&self) -> Result<Vec<DeviceDocument>, ClientError> {
        let mut call = Call::new(Method::GET, HubPath::Devices, Kind::Identities);
        call.parameters = format!("&{}={}", headers::TOP_PARAMETER, limits::LIST_DEVICES);
        self.read(&call).await
    }

    /// How many devices are registered.
    pub async fn statistics(&self) -> Result<Statistics, ClientError> {
        self.read(&Call::new(Method::GET, HubPath::StatisticsDevices, Kind::Identities).again(Again::Safe)).await
    }

    /// How many devices are connected.
    pub async fn connected(&self) -> Result<u64, ClientError> {
        let call = Call::new(Method::GET, HubPath::StatisticsService, Kind::Identities);
        Ok(self.read::<Connected>(&call).await?.connected)
    }
}
