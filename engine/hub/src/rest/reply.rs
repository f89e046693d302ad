//! Answers: JSON, nothing, or an error in one of IoT Hub's shapes, each with the headers that clients look at.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use wire::{ErrorCode, HubError, headers};

pub(super) type Reply = Response<Full<Bytes>>;

/// Which of the two live shapes an error takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Registry, twins, query, jobs: `ErrorCode:Name;text`.
    Classic,
    /// Direct methods: a JSON document inside the message.
    Nested,
}

/// 200 with a JSON body.
pub(super) fn json(body: impl Into<Bytes>) -> Reply {
    with_body(StatusCode::OK, body.into())
}

/// 204.
pub(super) fn no_content() -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply
}

pub(super) fn with_body(status: StatusCode, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(headers::JSON));
    reply
}

/// Adds a header whose value is text made here: anything that cannot be one is left out.
pub(super) fn header(mut reply: Reply, name: &'static str, value: &str) -> Reply {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(HeaderName::from_static(name), value);
    }
    reply
}

/// With the quoted `ETag` of a resource.
pub(super) fn etag(reply: Reply, etag: &str) -> Reply {
    header(reply, headers::ETAG, &format!("\"{etag}\""))
}

/// An error with its name in `iothub-errorcode`.
pub(super) fn error(error: &HubError, shape: Shape, tracking: &Tracking) -> Reply {
    let tracking = tracking.to_string();
    let body = match shape {
        Shape::Classic => error.body_a(&tracking),
        Shape::Nested => error.body_b(&tracking),
    };
    let status = StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    header(with_body(status, body.into()), headers::IOTHUB_ERRORCODE, error.code.name())
}

/// An answer of the web framework in front of IoT Hub: no code, only a message.
pub(super) fn framework(status: StatusCode, message: &str) -> Reply {
    with_body(status, serde_json::json!({ "Message": message }).to_string().into())
}

/// 501: IoT Hub has it, this hub has not.
pub(super) fn not_supported(what: &str) -> Reply {
    framework(
        StatusCode::NOT_IMPLEMENTED,
        &format!("{what} is not supported by this local hub (iotplay). Its document docs/hub.md lists what is."),
    )
}

/// Shorthand for a refusal.
pub(super) fn refused(code: ErrorCode, message: impl Into<String>) -> HubError {
    HubError { code, message: message.into(), info: None }
}

/// A call's name in errors and logs: `<32 hex digits>-G:0-TimeStamp:10/18/2022 20:50:39`.
#[derive(Clone, Debug)]
pub(super) struct Tracking {
    pub(super) id: u128,
    pub(super) at: SystemTime,
}

impl std::fmt::Display for Tracking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // `2022-10-18T20:50:39.000Z` cut into the order that the service writes.
        let at = base::rfc3339_millis(self.at);
        let part = |range: std::ops::Range<usize>| at.get(range).unwrap_or_default();
        write!(f, "{:032x}-G:0-TimeStamp:", self.id)?;
        write!(f, "{}/{}/{} {}", part(5..7), part(8..10), part(0..4), part(11..19))
    }
}

impl Tracking {
    /// The id in the form of `x-ms-request-id`: groups of 8-4-4-4-12.
    pub(super) fn request_id(&self) -> String {
        let digits = format!("{:032x}", self.id);
        let mut text = String::with_capacity(36);
        for (index, digit) in digits.chars().enumerate() {
            if matches!(index, 8 | 12 | 16 | 20) {
                text.push('-');
            }
            text.push(digit);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn tracking_reads_as_the_service_writes_it() {
        let tracking = Tracking { id: 0xaeec, at: UNIX_EPOCH + Duration::from_secs(1_666_126_239) };
        assert_eq!(tracking.to_string(), format!("{:032x}-G:0-TimeStamp:10/18/2022 20:50:39", 0xaeec));
        assert_eq!(tracking.request_id(), "00000000-0000-0000-0000-00000000aeec");
    }
}
