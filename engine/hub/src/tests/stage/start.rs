//! Starts the hub of a test.

use super::Service;
use crate::{Hub, HubConfig, RunningHub};

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
