//! Reads a request's body, up to a cap and within a deadline.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use serde::de::DeserializeOwned;
use wire::{ErrorCode, HubError};

/// An identity: two keys, thumbprints, scopes.
pub(super) const IDENTITY: usize = 64 * 1024;
/// A twin: 8 KiB of tags and 32 KiB of properties as counted, six bytes for one at worst (`\u0041`), fetched metadata sent back.
pub(super) const TWIN: usize = 512 * 1024;
/// A method call: 128 KiB of payload, and the rest. The exact limit of the payload is checked where the call is parsed.
pub(super) const METHOD: usize = 160 * 1024;
/// A job: a twin or a method call, and a condition as long as a query.
pub(super) const JOB: usize = TWIN + QUERY;
/// A query: 8,192 characters of at most six bytes each, in JSON.
pub(super) const QUERY: usize = 64 * 1024;
/// A hundred devices with their twins.
pub(super) const BULK: usize = 8 * 1024 * 1024;
/// From the request's head to the body's end: 8 MiB on a slow line, and no place for those who send nothing.
const ARRIVAL: Duration = Duration::from_secs(30);

/// The whole body; longer than `cap` is refused without reading on.
pub(super) async fn read(body: Incoming, cap: usize) -> Result<Bytes, HubError> {
    let too_large =
        || HubError::new(ErrorCode::MESSAGE_TOO_LARGE, format!("The body of this request is at most {cap} bytes."));
    if body.size_hint().lower() > cap as u64 {
        return Err(too_large());
    }
    match tokio::time::timeout(ARRIVAL, Limited::new(body, cap).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(HubError::new(ErrorCode::GENERIC_BAD_REQUEST, format!("The body broke off: {error}"))),
        Err(_) => Err(HubError::new(ErrorCode::GENERIC_BAD_REQUEST, "The body took too long to arrive.")),
    }
}

/// The body as JSON of a known form.
pub(super) async fn json<T: DeserializeOwned>(body: Incoming, cap: usize, what: &str) -> Result<T, HubError> {
    let bytes = read(body, cap).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| HubError::new(ErrorCode::FORMAT_ERROR, format!("The body is not {what}: {error}")))
}
