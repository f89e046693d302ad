//! File upload: what devices ask and say over HTTPS with their own credentials, and what services may see of it.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{HOST, RANGE};
use http::{Method, Request};
use hyper::body::Incoming;
use net::tls::PeerCertificate;
use wire::blob::{BlobError, BlobName, UploadNotice, UploadQuery, UploadRequest};
use wire::{DeviceId, ErrorCode, HostPort, HubError, HubPath, Identity, headers};

use super::blobs::{self, precondition};
use super::body;
use super::call::{Call, check_version};
use super::reply::{Failure, Reply, json, no_content};
use super::service::Service;
use crate::auth::Hosts;
use crate::quota::Kind;
use crate::seam::{HubEvent, Proof};

/// A name of 1,024 characters escaped as `\u0041`, or a device's words about its upload.
const REQUEST: usize = 16 * 1024;
/// The service's own names: whoever says one may have come by another way, such as a gateway's name or a forwarded port.
const CLOUD: &str = ".azure-devices.net";

/// The device side's path, if it is one; devices show proofs of their own, not a service's token.
pub(super) fn device_side(method: &Method, path: &str) -> Option<HubPath> {
    if method != Method::POST || !path.contains("/files") {
        return None;
    }
    HubPath::parse(path).filter(|path| matches!(path, HubPath::Files(_) | HubPath::FileNotifications(..)))
}

/// Answers a device.
pub(super) async fn device(
    service: &Service,
    path: HubPath,
    request: Request<Incoming>,
    peer: SocketAddr,
    certificate: Option<&PeerCertificate>,
    name: &mut &'static str,
) -> Result<Reply, Failure> {
    let (head, body) = request.into_parts();
    let identity = path.identity().ok_or_else(|| HubError::invalid("No device."))?;
    let authorization = head.headers.get(headers::AUTHORIZATION).map(|value| value.as_bytes().to_vec());
    let skew = service.faults.judging(Some(&identity)).skew;
    let proof = Proof { password: authorization.as_deref(), certificate, skew };
    if let Err(refused) = service.state.judge_identity(&identity, proof) {
        let client_id = Some(identity.to_string());
        service.log.say(HubEvent::Refused { client_id, peer: Some(peer), reason: refused.reason });
        return Err(HubError::new(ErrorCode::UNAUTHORIZED_ACCESS, "Unauthorized").into());
    }
    check_version(head.uri.query().unwrap_or(""))?;
    service.quotas.travel().await;
    match path {
        HubPath::FileNotifications(device, id) => {
            *name = "end_upload";
            end(service, &device, id, body).await
        }
        _ => {
            *name = "start_upload";
            let given = head.headers.get(HOST).and_then(|host| host.to_str().ok());
            let given = given.or_else(|| head.uri.authority().map(http::uri::Authority::as_str));
            let host = reachable(given, service.state.auth().hosts(), &service.reach.https);
            start(service, &identity, body, host).await
        }
    }
}

async fn start(service: &Service, identity: &Identity, body: Incoming, host: String) -> Result<Reply, Failure> {
    let request: UploadRequest = body::json(body, REQUEST, "a request for an upload").await?;
    let passed = service.quotas.pass(Kind::Uploads, 0).await;
    passed.map_err(|refusal| Failure::refused(refusal, Failure::Classic))?;
    let ttl = service.watched.files.limits().ttl;
    let grant = service.state.ask_upload(&identity.device, request, host, ttl).await?;
    Ok(json(serde_json::to_vec(&grant).expect("plain fields with text keys are JSON")))
}

async fn end(service: &Service, device: &DeviceId, id: Option<String>, body: Incoming) -> Result<Reply, Failure> {
    let notice: UploadNotice = body::json(body, REQUEST, "a notification of an upload").await?;
    let id = id.or_else(|| notice.correlation_id.clone()).unwrap_or_default();
    let document = service.state.end_upload(device, &id, &notice).await?;
    service.log.say(HubEvent::Uploaded(Arc::new(document)));
    Ok(no_content())
}

/// The host that a device finds this hub's files at: the one that it has just called, if it is a name of this hub's own.
fn reachable(given: Option<&str>, hosts: &Hosts, own: &HostPort) -> String {
    let given = given.filter(|given| hosts.accept(given)).and_then(|given| given.parse::<HostPort>().ok());
    match given.filter(|given| !given.host.to_ascii_lowercase().ends_with(CLOUD)) {
        Some(given) => given.to_string(),
        None => own.to_string(),
    }
}

/// Shows uploads to a service.
pub(super) async fn list(service: &Service, call: &Call) -> Result<Reply, Failure> {
    let query = UploadQuery::parse(&call.parameters).map_err(|error| HubError::invalid(format!("{error}.")))?;
    let page = service.state.uploads(&query, &service.reach.stop).await;
    Ok(json(serde_json::to_vec(&page).expect("plain fields with text keys are JSON")))
}

/// As the hub's own side says it: services read no XML.
fn plain(failure: Failure) -> Failure {
    match failure {
        Failure::Storage(error) => HubError::new(ErrorCode::of_status(error.status), error.message).into(),
        failure => failure,
    }
}

fn named(device: DeviceId, name: &str) -> Result<BlobName, Failure> {
    BlobName::new(device, name).map_err(|_| BlobError::not_found().into())
}

/// Gives a service a file's content.
pub(super) async fn get(service: &Service, device: DeviceId, name: &str, call: &Call) -> Result<Reply, Failure> {
    let name = named(device, name).map_err(plain)?;
    let mut asked = call.headers.clone();
    if service.state.blob(&name).is_some_and(|blob| blob.size == 0) {
        // A file without bytes has no part that could be given: it is given whole.
        asked.remove(RANGE);
    }
    blobs::content(service, &name, &asked).await.map_err(plain)
}

/// Removes a file for a service.
pub(super) async fn remove(service: &Service, device: DeviceId, name: &str, call: &Call) -> Result<Reply, Failure> {
    let (state, files) = (Arc::clone(&service.state), Arc::clone(&service.watched.files));
    let name = named(device, name).map_err(plain)?;
    let removed = state.remove_blob(Arc::clone(&files), name, precondition(&call.headers));
    files.finish(removed).await.map_err(|error| plain(error.into()))?;
    Ok(no_content())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_the_one_that_was_called_if_it_can_be_called_again() {
        let hosts = Hosts::new("127.0.0.1".parse().unwrap(), &["my.azure-devices.net".into(), "plant.local".into()]);
        let own: HostPort = "localhost:8443".parse().unwrap();
        for (given, host) in [
            (Some("127.0.0.1:8443"), "127.0.0.1:8443"),
            (Some("localhost"), "localhost"),
            (Some("plant.local:443"), "plant.local:443"),
            (Some("[::1]:8443"), "[::1]:8443"),
            (Some("my.azure-devices.net"), "localhost:8443"),
            (Some("evil.example"), "localhost:8443"),
            (Some("localhost/x"), "localhost:8443"),
            (None, "localhost:8443"),
        ] {
            assert_eq!(reachable(given, &hosts, &own), host, "{given:?}");
        }
    }

    #[test]
    fn only_the_posts_of_devices_are_theirs() {
        for (method, path, theirs) in [
            ("POST", "/devices/d/files", true),
            ("POST", "/devices/d/files/notifications", true),
            ("POST", "/devices/d/files/notifications/c", true),
            ("GET", "/devices/d/files", false),
            ("POST", "/devices/d/modules/m/files", false),
            ("POST", "/devices/files", false),
        ] {
            assert_eq!(device_side(&method.parse().unwrap(), path).is_some(), theirs, "{method} {path}");
        }
    }
}
