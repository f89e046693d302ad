//! Certificate authorities of devices: list, get, put, delete. The real service has these on its management side, under the
//! same last part of the path.

use wire::{AuthorityDocument, AuthorityList, AuthorityRequest};

use super::body;
use super::call::Call;
use super::reply::{Failure, Reply, json, no_content};
use super::service::Service;

pub(super) fn list(service: &Service) -> Reply {
    let list = AuthorityList { value: service.state.authorities() };
    json(serde_json::to_vec(&list).expect("plain fields with text keys are JSON"))
}

pub(super) fn get(service: &Service, name: &str) -> Result<Reply, Failure> {
    Ok(shown(&service.state.authority(name)?))
}

pub(super) async fn put(service: &Service, name: &str, call: Call) -> Result<Reply, Failure> {
    let asked: AuthorityRequest = body::json(call.body, body::IDENTITY, "a certificate").await?;
    Ok(shown(&service.state.put_authority(name, &asked.properties.certificate).await?))
}

pub(super) async fn delete(service: &Service, name: &str) -> Result<Reply, Failure> {
    service.state.remove_authority(name).await?;
    Ok(no_content())
}

fn shown(document: &AuthorityDocument) -> Reply {
    json(serde_json::to_vec(document).expect("plain fields with text keys are JSON"))
}
