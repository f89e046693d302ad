//! The registry's devices: one by one, and the short list.

use wire::{DeviceDocument, DeviceId, HubError, Identity, headers};

use super::body;
use super::call::Call;
use super::reply::{Failure, Reply, etag, json, no_content};
use super::service::Service;
use crate::state::Document;

pub(super) fn list(service: &Service, call: &Call) -> Reply {
    let top = call.parameter(headers::TOP_PARAMETER).and_then(|top| top.parse().ok());
    documents(&service.state.devices(top))
}

pub(super) fn get(service: &Service, id: DeviceId) -> Result<Reply, Failure> {
    Ok(shown(&service.state.identity(&Identity::device(id))?))
}

pub(super) async fn put(service: &Service, id: DeviceId, call: Call) -> Result<Reply, Failure> {
    let if_match = call.if_match();
    let document: DeviceDocument = body::json(call.body, body::IDENTITY, "a device").await?;
    if document.device_id != id {
        let text = format!("deviceId '{}' in the body is not the '{id}' of the path.", document.device_id);
        return Err(HubError::invalid(text).into());
    }
    Ok(shown(&service.state.put_identity(Document::Device(document), if_match).await?))
}

pub(super) async fn delete(service: &Service, id: DeviceId, call: &Call) -> Result<Reply, Failure> {
    service.state.delete_identity(&Identity::device(id), call.if_match()).await?;
    Ok(no_content())
}

/// One identity with its `ETag`.
pub(super) fn shown(document: &Document) -> Reply {
    etag(json(document.to_json()), document.etag())
}

/// An array of identities.
pub(super) fn documents(documents: &[Document]) -> Reply {
    let mut body = Vec::with_capacity(2 + documents.len() * 700);
    body.push(b'[');
    for (index, document) in documents.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend(document.to_json());
    }
    body.push(b']');
    json(body)
}
