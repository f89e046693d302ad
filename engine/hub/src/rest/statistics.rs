//! How many devices there are, and how many are connected.

use serde_json::json;

use super::reply::{self, Reply};
use super::service::Service;

pub(super) fn devices(service: &Service) -> Reply {
    let counts = service.state.counts();
    let body = json!({
        "totalDeviceCount": counts.total,
        "enabledDeviceCount": counts.total - counts.disabled,
        "disabledDeviceCount": counts.disabled,
    });
    reply::json(body.to_string())
}

pub(super) fn service(service: &Service) -> Reply {
    reply::json(json!({ "connectedDeviceCount": service.exchange.connected() }).to_string())
}
