//! What `iotplay hub` says of each event on stderr: a line for people, or an object for programs that gather logs.

use std::net::SocketAddr;

use base::{Clock, rfc3339_millis};
use hub::{HubEvent, HubLog};
use serde_json::{Map, Value, json};

use crate::args::LogFormat;
use crate::process::err;

/// Longest body of a message that a log line shows.
const SHOWN: usize = 200;

/// `13:27:42.118  press-7  connected`, or `{"time":"2026-11-23T13:27:42.118Z","event":"connected","device":"press-7",..}`.
pub(super) fn log(clock: Clock, format: LogFormat) -> HubLog {
    HubLog::new(move |event| {
        let now = rfc3339_millis(clock.now());
        match format {
            LogFormat::Text => err(&format!("{}  {}", now.get(11..23).unwrap_or(&now), line(&event))),
            LogFormat::Json => err(&object(&now, &event).to_string()),
        }
    })
}

/// Names are contracts, as flags are.
fn object(now: &str, event: &HubEvent) -> Value {
    let mut object = Map::new();
    object.insert("time".to_owned(), now.into());
    let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
    let address = |peer: &Option<SocketAddr>| peer.map_or(Value::Null, |peer| peer.to_string().into());
    match event {
        HubEvent::Connected { identity, peer, session_present } => {
            put("event", "connected".into());
            put("device", identity.to_string().into());
            put("peer", address(peer));
            put("sessionPresent", (*session_present).into());
        }
        HubEvent::Disconnected { identity, why } => {
            put("event", "disconnected".into());
            put("device", identity.to_string().into());
            put("reason", why.as_str().into());
        }
        HubEvent::Refused { client_id, peer, reason } => {
            put("event", "refused".into());
            put("device", client_id.as_deref().map_or(Value::Null, Into::into));
            put("peer", address(peer));
            put("reason", reason.as_str().into());
        }
        HubEvent::Throttled { identity, reason } => {
            put("event", "throttled".into());
            put("device", identity.as_ref().map_or(Value::Null, |identity| identity.to_string().into()));
            put("reason", reason.as_str().into());
        }
        HubEvent::ServiceRefused { peer, reason } => {
            put("event", "serviceRefused".into());
            put("peer", address(&Some(*peer)));
            put("reason", reason.as_str().into());
        }
        HubEvent::Telemetry(message) => {
            put("event", "telemetry".into());
            put("device", message.identity.to_string().into());
            put("bytes", message.body.len().into());
        }
        HubEvent::MethodCalled { identity, name, outcome } => {
            put("event", "method".into());
            put("device", identity.to_string().into());
            put("method", name.as_str().into());
            match outcome {
                Ok(status) => put("status", (*status).into()),
                Err(code) => put("error", json!({ "code": code.0, "name": code.name() })),
            }
        }
        HubEvent::FaultShown { .. } | HubEvent::FaultAsked { .. } | HubEvent::Uploaded(_) => put_own(&mut put, event),
    }
    Value::Object(object)
}

/// What happens at no other hub: faults that were asked for, files that came here.
fn put_own(put: &mut impl FnMut(&str, Value), event: &HubEvent) {
    match event {
        HubEvent::FaultShown { id, kind, identity, what } => {
            put("event", "fault".into());
            put("device", identity.as_ref().map_or(Value::Null, |identity| identity.to_string().into()));
            put("fault", (*kind).into());
            put("id", id.to_string().into());
            put("what", what.as_str().into());
        }
        HubEvent::FaultAsked { identity, said } => {
            put("event", "faultAsked".into());
            put("device", identity.to_string().into());
            put("what", said.as_str().into());
        }
        HubEvent::Uploaded(upload) => {
            put("event", "upload".into());
            put("device", upload.device_id.as_str().into());
            put("file", upload.blob_name.name().into());
            put("status", upload.status.to_string().into());
            put("bytes", upload.blob_size_in_bytes.map_or(Value::Null, Into::into));
        }
        _ => {}
    }
}

fn line(event: &HubEvent) -> String {
    let from = |peer: &Option<SocketAddr>| peer.map_or_else(String::new, |peer| format!(" from {peer}"));
    match event {
        HubEvent::Connected { identity, peer, session_present } => {
            let again = if *session_present { ", subscriptions kept" } else { "" };
            format!("{identity}  connected{}{again}", from(peer))
        }
        HubEvent::Disconnected { identity, why } => format!("{identity}  disconnected: {why}"),
        HubEvent::Refused { client_id, peer, reason } => {
            format!("{}  refused{}: {reason}", client_id.as_deref().unwrap_or("?"), from(peer))
        }
        HubEvent::Throttled { identity, reason } => {
            let who = identity.as_ref().map_or_else(|| "service".to_owned(), ToString::to_string);
            format!("{who}  throttled: {reason}")
        }
        HubEvent::FaultShown { id, identity, what, .. } => {
            let who = identity.as_ref().map_or_else(|| "service".to_owned(), ToString::to_string);
            format!("{who}  fault {id}: {what}")
        }
        HubEvent::FaultAsked { identity, said } => format!("{identity}  fault: {said}"),
        HubEvent::ServiceRefused { peer, reason } => format!("service  refused from {peer}: {reason}"),
        HubEvent::Telemetry(message) => {
            let bytes = &message.body[..message.body.len().min(SHOWN)];
            // Control characters could draw on the terminal of whoever watches.
            let text: String =
                String::from_utf8_lossy(bytes).chars().map(|c| if c.is_control() { '.' } else { c }).collect();
            let more = if message.body.len() > SHOWN { " .." } else { "" };
            format!("{}  telemetry {text}{more}", message.identity)
        }
        HubEvent::Uploaded(upload) => {
            let size = upload.blob_size_in_bytes.map_or_else(String::new, |bytes| format!(", {bytes} bytes"));
            format!("{}  upload of {} {}{size}", upload.device_id, upload.blob_name.name(), upload.status)
        }
        HubEvent::MethodCalled { identity, name, outcome: Ok(status) } => format!("{identity}  {name} -> {status}"),
        HubEvent::MethodCalled { identity, name, outcome: Err(code) } => format!("{identity}  {name} -> {code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_in_either_form() {
        let identity = || "press-7".parse().unwrap();
        let name = "two\nlines".to_owned();
        let event =
            HubEvent::MethodCalled { identity: identity(), name, outcome: Err(wire::ErrorCode::DEVICE_NOT_ONLINE) };
        assert_eq!(
            object("now", &event).to_string(),
            r#"{"time":"now","event":"method","device":"press-7","method":"two\nlines","error":{"code":404103,"name":"DeviceNotOnline"}}"#
        );
        let event = HubEvent::Disconnected { identity: identity(), why: "it disconnected".into() };
        assert_eq!(line(&event), "press-7  disconnected: it disconnected");
        assert_eq!(
            object("now", &event).to_string(),
            r#"{"time":"now","event":"disconnected","device":"press-7","reason":"it disconnected"}"#
        );
    }
}
