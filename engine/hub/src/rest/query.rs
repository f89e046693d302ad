//! Queries, page by page. The continuation is ours to read: where the page before ended, tied to the query's text.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use wire::limits::QUERY_PAGE;
use wire::{ErrorCode, HubError, Identity, headers};

use super::body;
use super::call::Call;
use super::reply::{Failure, Reply, header, json};
use super::service::Service;
use crate::query::{Query, QueryError};
use crate::state::PageStart;

#[derive(Deserialize)]
struct QueryBody {
    query: String,
}

/// Inside the opaque token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Continuation {
    after: String,
    sent: u64,
    /// Of the query: a token goes with the query that it came from.
    query: u64,
}

pub(super) async fn query(service: &Service, call: Call) -> Result<Reply, Failure> {
    let size = page_size(call.header(headers::MAX_ITEM_COUNT))?;
    let continuation = call.header(headers::CONTINUATION).filter(|token| !token.is_empty()).map(str::to_owned);
    let QueryBody { query: text } = body::json(call.body, body::QUERY, "a query").await?;
    let query = Query::parse(&text).map_err(|error| refuse(&error))?;
    let start = continuation.map_or(Ok(PageStart::default()), |token| read(&token, &text))?;
    let page = service.state.query(&query, start, size).await;
    let rows = serde_json::to_vec(&page.rows).expect("a JSON tree always serialises");
    let reply = header(json(rows), headers::ITEM_TYPE, headers::ITEM_TWIN);
    Ok(match page.next {
        Some(next) => header(reply, headers::CONTINUATION, &written(&next, &text)),
        None => reply,
    })
}

/// Larger than the largest page is the largest page.
pub(super) fn page_size(given: Option<&str>) -> Result<usize, HubError> {
    let Some(given) = given.filter(|given| !given.is_empty()) else { return Ok(QUERY_PAGE) };
    match given.trim().parse::<i64>() {
        Ok(size) if size > 0 => Ok(usize::try_from(size).unwrap_or(QUERY_PAGE).min(QUERY_PAGE)),
        // -1 is how some SDKs say "as many as you like".
        Ok(-1) => Ok(QUERY_PAGE),
        _ => Err(HubError::invalid(format!("{} must be a whole number from 1.", headers::MAX_ITEM_COUNT))),
    }
}

fn refuse(error: &QueryError) -> HubError {
    match error {
        QueryError::Syntax { .. } => HubError::invalid(error.to_string()),
        QueryError::Unsupported(_) => HubError::new(ErrorCode::NOT_IMPLEMENTED, error.to_string()),
    }
}

/// FNV-1a: tells queries apart by accident, which is all that is asked of it.
fn fingerprint(query: &str) -> u64 {
    query.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn written(start: &PageStart, query: &str) -> String {
    let after = start.after.as_ref().map(Identity::to_string).unwrap_or_default();
    let token = Continuation { after, sent: start.sent, query: fingerprint(query) };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).expect("plain fields with text keys are JSON"))
}

fn read(token: &str, query: &str) -> Result<PageStart, HubError> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let token = bytes.and_then(|bytes| serde_json::from_slice::<Continuation>(&bytes).ok());
    let start = token.filter(|token| token.query == fingerprint(query)).and_then(|token| {
        let after = Some(token.after.parse().ok()?);
        Some(PageStart { after, sent: token.sent })
    });
    start.ok_or_else(|| HubError::invalid("The continuation token is not of this query."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_with_its_query() {
        for after in ["d", "d/m"] {
            let start = PageStart { after: Some(after.parse().unwrap()), sent: 7 };
            let token = written(&start, "SELECT * FROM devices");
            assert_eq!(read(&token, "SELECT * FROM devices").unwrap(), start);
            assert!(read(&token, "SELECT * FROM devices.modules").is_err());
        }
        assert!(read("nonsense", "q").is_err());
        assert!(read("", "q").is_err());
    }

    #[test]
    fn page_sizes_are_clamped() {
        for (given, size) in [(None, 100), (Some(""), 100), (Some("7"), 7), (Some("1000"), 100), (Some("-1"), 100)] {
            assert_eq!(page_size(given).unwrap(), size);
        }
        assert!(page_size(Some("0")).is_err());
        assert!(page_size(Some("many")).is_err());
    }
}
