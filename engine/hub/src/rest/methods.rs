//! Direct methods: the body goes to the exchange, the device's answer comes back, whatever its status is.

use wire::{Identity, MethodCall};

use super::body;
use super::call::Call;
use super::reply::{Failure, Reply, json};
use super::service::Service;
use crate::seam::HubEvent;

pub(super) async fn invoke(service: &Service, identity: &Identity, call: Call) -> Result<Reply, Failure> {
    service.state.expect_enabled(identity)?;
    let body = body::read(call.body, body::METHOD).await.map_err(Failure::Nested)?;
    let call = MethodCall::from_json(&body).map_err(Failure::Nested)?;
    let payload = call.payload.as_ref().map_or(0, |payload| payload.get().len());
    service.quotas.pass_method(payload).await.map_err(|refusal| Failure::refused(refusal, Failure::Nested))?;
    let outcome = service.exchange.call(identity, &call).await;
    service.log.say(HubEvent::MethodCalled {
        identity: identity.clone(),
        name: call.name,
        outcome: outcome.as_ref().map(|reply| reply.status).map_err(|error| error.code),
    });
    Ok(json(outcome.map_err(Failure::Nested)?.to_json()))
}
