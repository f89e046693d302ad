//! A hub on free ports and the two ends that talk to it: a bare HTTPS client and a bare MQTT device, both over real TLS.

mod device;
mod service;

use crate::{Hub, HubConfig, RunningHub};

pub(crate) use device::Device;
pub(crate) use service::{Answer, Service};

/// A hub in memory and its owner.
pub(crate) async fn hub() -> (RunningHub, Service) {
    started(HubConfig::embedded()).await
}

/// A hub as configured and its owner.
pub(crate) async fn started(config: HubConfig) -> (RunningHub, Service) {
    let hub = Hub::start(config).await.unwrap();
    let service = Service::of(&hub);
    (hub, service)
}
