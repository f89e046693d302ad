//! Cloud-to-device messages: sending them (our own route, since the service has none over REST), emptying a queue, and reading
//! what became of them.

use base::rfc3339_ticks;
use http::StatusCode;
use serde_json::json;
use wire::limits::C2D_BYTES;
use wire::{CloudMessage, DeviceId, headers};

use super::body;
use super::call::Call;
use super::reply::{Failure, Reply, etag, header, json as json_reply, no_content, with_body};
use super::service::Service;
use crate::quota::Kind;

/// A message's body in base64, and its properties with every character escaped as `\u0041`.
const MESSAGE: usize = 7 * C2D_BYTES;

pub(super) async fn send(service: &Service, device: &DeviceId, call: Call) -> Result<Reply, Failure> {
    let message: CloudMessage = body::json(call.body, MESSAGE, "a cloud-to-device message").await?;
    let size = message.counted_bytes(device);
    let passed = service.quotas.pass(Kind::Messages, size).await;
    passed.map_err(|refusal| Failure::refused(refusal, Failure::Classic))?;
    let sent = service.state.send_message(device, message).await?;
    let body = json!({
        "messageId": sent.message_id,
        "enqueuedTimeUtc": rfc3339_ticks(sent.enqueued),
        "expiryTimeUtc": rfc3339_ticks(sent.expires),
    });
    Ok(with_body(StatusCode::CREATED, body.to_string().into()))
}

pub(super) async fn purge(service: &Service, device: &DeviceId) -> Result<Reply, Failure> {
    let purged = service.state.purge_messages(device).await?;
    let body = json!({ "totalMessagesPurged": purged, "deviceId": device, "moduleId": null });
    Ok(json_reply(body.to_string()))
}

pub(super) async fn feedback(service: &Service) -> Result<Reply, Failure> {
    let Some(batch) = service.state.read_feedback().await? else { return Ok(no_content()) };
    let body = serde_json::to_vec(&batch.records).expect("plain fields with text keys are JSON");
    let reply = header(with_body(StatusCode::OK, body.into()), headers::CONTENT_TYPE, headers::FEEDBACK);
    Ok(etag(reply, &batch.lock))
}

pub(super) async fn complete(service: &Service, lock: &str) -> Result<Reply, Failure> {
    service.state.complete_feedback(lock).await?;
    Ok(no_content())
}

pub(super) fn abandon(service: &Service, lock: &str) -> Result<Reply, Failure> {
    service.state.abandon_feedback(lock)?;
    Ok(no_content())
}
