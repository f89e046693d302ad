//! Twins of devices and modules.

use serde_json::Value;
use wire::Identity;

use super::body;
use super::call::Call;
use super::reply::{Failure, Reply, etag, json};
use super::service::Service;
use crate::state::{TwinDocument, TwinWrite};

pub(super) fn get(service: &Service, identity: &Identity) -> Result<Reply, Failure> {
    Ok(shown(&service.state.twin(identity)?))
}

pub(super) async fn patch(service: &Service, identity: &Identity, call: Call) -> Result<Reply, Failure> {
    write(service, identity, call, TwinWrite::Patch).await
}

pub(super) async fn replace(service: &Service, identity: &Identity, call: Call) -> Result<Reply, Failure> {
    write(service, identity, call, TwinWrite::Replace).await
}

async fn write(service: &Service, identity: &Identity, call: Call, how: TwinWrite) -> Result<Reply, Failure> {
    let if_match = call.if_match();
    let body: Value = body::json(call.body, body::TWIN, "a twin").await?;
    Ok(shown(&service.state.write_twin(identity, if_match, &body, how).await?))
}

fn shown(twin: &TwinDocument) -> Reply {
    etag(json(twin.document.to_string()), &twin.etag)
}
