//! Identities of simulated devices, made over REST like any client would, and errors of the hub in words for people.

use base::{Diagnostic, Mask, did_you_mean};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use iothub::{ClientError, Created, HubClient};
use wire::{AuthKind, DeviceConnection, DeviceCredential, DeviceDocument, DeviceId, ErrorCode, HostPort, Identity};

use crate::process::{Exit, Trouble};

/// Identities that are made at the same time: enough to hide the round trips, few enough for a hub with quotas.
const AT_ONCE: usize = 16;

/// The port that devices dial when a connection string names none.
const MQTT: u16 = 8883;

/// Connection strings of these devices; those that the hub does not know are made.
pub(crate) async fn identities(client: &HubClient, ids: &[DeviceId]) -> Result<Vec<DeviceConnection>, Trouble> {
    stream::iter(ids).map(|id| identity(client, id)).buffered(AT_ONCE).try_collect().await
}

async fn identity(client: &HubClient, id: &DeviceId) -> Result<DeviceConnection, Trouble> {
    let made = client.create_device(&DeviceDocument::new(id.clone())).await;
    let device = match made {
        Ok(Created { device, .. }) => device,
        Err(error) if error.code() == Some(ErrorCode::DEVICE_ALREADY_EXISTS) => {
            client.device(id).await.map_err(|error| trouble(&error, Some(id.as_str())))?
        }
        Err(error) => return Err(trouble(&error, Some(id.as_str()))),
    };
    connection(client, &device)
}

/// The connection string of a device of this hub.
pub(crate) fn connection(client: &HubClient, device: &DeviceDocument) -> Result<DeviceConnection, Trouble> {
    let credential = match (device.authentication.kind, device.authentication.symmetric_key.primary_key.clone()) {
        (AuthKind::SelfSigned | AuthKind::CertificateAuthority, _) => DeviceCredential::X509,
        (_, Some(key)) => {
            Mask::process().add_one_of_many(key.expose());
            DeviceCredential::Key(key)
        }
        (_, None) => {
            return Err(Trouble::new(
                Exit::FAILED,
                Diagnostic::error(format!("{} has no key that this policy may see", device.device_id))
                    .help("use a policy with the right to write the registry, such as iothubowner"),
            ));
        }
    };
    let host = client.device_endpoint().unwrap_or_else(|| HostPort::new(client.connection().host.host.clone()));
    // SDKs dial 8883 by themselves, and the Python one cannot read a port.
    let host = if host.port == Some(MQTT) { HostPort::new(host.host) } else { host };
    Ok(DeviceConnection { host, gateway: None, identity: Identity::device(device.device_id.clone()), credential })
}

/// What a hub's refusal means for the command: its words, what to do, and the exit code.
pub(crate) fn trouble(error: &ClientError, device: Option<&str>) -> Trouble {
    let code = error.code();
    let status = code.map(ErrorCode::http_status);
    let unreachable = matches!(code, Some(ErrorCode::DEVICE_NOT_ONLINE | ErrorCode::CONNECTION_CLOSED_REMOTELY));
    let (exit, label) = match error {
        _ if unreachable => (Exit::UNREACHABLE, "unreachable"),
        _ if error.is_hub() || matches!(status, Some(401 | 403)) => (Exit::HUB, "error"),
        ClientError::Unusable(_) => (Exit::USAGE, "error"),
        _ => (Exit::FAILED, "failed"),
    };
    let mut diagnostic = Diagnostic::error(sentence(error, device)).labelled(label);
    for help in error.help() {
        diagnostic = diagnostic.help(help.as_str());
    }
    Trouble::new(exit, diagnostic)
}

/// What happened, about whom. The commonest refusals get a sentence of their own: the hub's texts for them are the bare id, or speak of timers.
fn sentence(error: &ClientError, device: Option<&str>) -> String {
    match (device, error.code()) {
        (None, _) => error.to_string(),
        (Some(device), Some(code @ ErrorCode::DEVICE_NOT_FOUND)) => {
            format!("the hub knows no device `{device}` ({code})")
        }
        (Some(device), Some(code @ ErrorCode::DEVICE_NOT_ONLINE)) => {
            format!("{device} is not connected, or listens to no methods ({code}). Nothing was sent to it.")
        }
        (Some(device), Some(code @ (ErrorCode::GATEWAY_TIMEOUT | ErrorCode::GENERIC_TIMEOUT))) => {
            format!("{device} did not answer in time ({code}). It may have carried the call out.")
        }
        (Some(device), _) => format!("{device}: {error}"),
    }
}

/// The same, with the closest known id when the hub does not know this one.
pub(crate) async fn device_trouble(client: &HubClient, error: &ClientError, device: &DeviceId) -> Trouble {
    let trouble = trouble(error, Some(device.as_str()));
    if error.code() != Some(ErrorCode::DEVICE_NOT_FOUND) {
        return trouble;
    }
    let known = client.some_devices().await.unwrap_or_default();
    match did_you_mean(device.as_str(), known.iter().map(|known| known.device_id.as_str())) {
        Some(near) => trouble.help(format!("did you mean `{near}`?")),
        None => trouble.help("iotplay devices list shows the devices that the hub knows"),
    }
}
