//! Device-to-cloud messages, for whoever wants to see them: our own route.

use wire::{HubError, TelemetryQuery};

use super::call::Call;
use super::reply::{Failure, Reply, json};
use super::service::Service;

pub(super) async fn read(service: &Service, call: &Call) -> Result<Reply, Failure> {
    let query = TelemetryQuery::parse(&call.parameters).map_err(|error| HubError::invalid(format!("{error}.")))?;
    let page = service.watched.telemetry.read(query).await;
    Ok(json(serde_json::to_vec(&page).expect("plain fields with text keys are JSON")))
}
