//! The registry's modules.

use wire::{DeviceId, HubError, Identity, ModuleDocument};

use super::body;
use super::call::Call;
use super::devices::{documents, shown};
use super::reply::{Failure, Reply, no_content};
use super::service::Service;
use crate::state::Document;

pub(super) fn list(service: &Service, device: &DeviceId) -> Result<Reply, Failure> {
    Ok(documents(&service.state.modules(device)?))
}

pub(super) fn get(service: &Service, identity: &Identity) -> Result<Reply, Failure> {
    Ok(shown(&service.state.identity(identity)?))
}

pub(super) async fn put(service: &Service, identity: Identity, call: Call) -> Result<Reply, Failure> {
    let if_match = call.if_match();
    let document: ModuleDocument = body::json(call.body, body::IDENTITY, "a module").await?;
    if document.identity() != identity {
        let text = format!("'{}' in the body is not the '{identity}' of the path.", document.identity());
        return Err(HubError::invalid(text).into());
    }
    Ok(shown(&service.state.put_identity(Document::Module(document), if_match).await?))
}

pub(super) async fn delete(service: &Service, identity: Identity, call: &Call) -> Result<Reply, Failure> {
    service.state.delete_identity(&identity, call.if_match()).await?;
    Ok(no_content())
}
