//! Answers: JSON, nothing, or an error in one of IoT Hub's shapes, each with the headers that clients look at.

use super::content::ReplyBody;
use super::faults::Severed;
use crate::faults::How;
use crate::quota::Refusal;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use wire::blob::{BlobError, words};
use wire::dps::DpsError;
use wire::{ErrorCode, HubError, Tracking, framework_body, headers, quoted_etag};

pub(super) type Reply = Response<ReplyBody>;

/// Why there is no good answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// As the registry, twins, queries and jobs say it: `ErrorCode:Name;text`.
    Classic(HubError),
    /// As direct methods say it: a JSON document inside the message.
    Nested(HubError),
    /// As the web framework in front of IoT Hub says it: no code, only a message.
    Framework(StatusCode, String),
    /// As the provisioning service says it: a document with a number.
    Provisioning(DpsError),
    /// As Blob Storage says it: XML, and a name in a header.
    Storage(BlobError),
    /// Any of them, with the seconds after which to ask again.
    Later(Box<Failure>, u64),
    /// No answer at all: a fault that was asked for.
    Severed(How),
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        Self::Classic(error)
    }
}

impl From<BlobError> for Failure {
    fn from(error: BlobError) -> Self {
        Self::Storage(error)
    }
}

impl Failure {
    /// 501: IoT Hub has it, this hub has not.
    pub(super) fn not_supported(what: &str) -> Self {
        let text =
            format!("{what} is not supported by this local hub (iotplay). Its document docs/hub.md lists what is.");
        Self::Classic(HubError::new(ErrorCode::NOT_IMPLEMENTED, text))
    }

    /// A refusal by quota in the shape that the call's other errors have.
    pub(super) fn refused(refusal: Refusal, shape: fn(HubError) -> Self) -> Self {
        let failure = shape(refusal.error);
        match refusal.retry_after {
            None => failure,
            // Whole seconds are all that the header can say; half a second early would be refused again.
            Some(wait) => Self::Later(Box::new(failure), wait.as_millis().div_ceil(1_000).max(1) as u64),
        }
    }

    /// The error, if it is the hub's quota that refuses.
    pub(super) fn too_much(&self) -> Option<&HubError> {
        match self {
            Self::Classic(error) | Self::Nested(error) => {
                matches!(error.code, ErrorCode::THROTTLED | ErrorCode::QUOTA_EXCEEDED).then_some(error)
            }
            Self::Framework(..) | Self::Provisioning(_) | Self::Storage(_) | Self::Severed(_) => None,
            Self::Later(failure, _) => failure.too_much(),
        }
    }

    /// Errors carry their name in `iothub-errorcode`.
    pub(super) fn reply(&self, tracking: &Tracking) -> Result<Reply, Severed> {
        let (error, body) = match self {
            Self::Severed(how) => return Err(Severed(*how)),
            Self::Classic(error) => (error, error.body_a(tracking)),
            Self::Nested(error) => (error, error.body_b(tracking)),
            Self::Provisioning(error) => {
                let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return Ok(with_body(status, error.body(tracking).into()));
            }
            Self::Storage(error) => {
                let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let reply = header(with_body(status, error.body().into()), headers::CONTENT_TYPE, words::XML);
                return Ok(header(reply, words::ERROR_CODE, error.code));
            }
            Self::Framework(status, message) => return Ok(with_body(*status, framework_body(message).into())),
            Self::Later(failure, seconds) => {
                return Ok(header(failure.reply(tracking)?, headers::RETRY_AFTER, &seconds.to_string()));
            }
        };
        let status = StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Ok(header(with_body(status, body.into()), headers::IOTHUB_ERRORCODE, error.code.name()))
    }
}

/// 200 with a JSON body.
pub(super) fn json(body: impl Into<Bytes>) -> Reply {
    with_body(StatusCode::OK, body.into())
}

/// 204.
pub(super) fn no_content() -> Reply {
    let mut reply = Response::new(ReplyBody::empty());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply
}

pub(super) fn with_body(status: StatusCode, body: Bytes) -> Reply {
    let mut reply = Response::new(ReplyBody::whole(body));
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
    header(reply, headers::ETAG, &quoted_etag(etag))
}
