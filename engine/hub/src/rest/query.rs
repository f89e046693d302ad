//! Queries, page by page. The continuation is ours to read: where the page before ended, tied to the query's text.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use wire::limits::QUERY_PAGE;
use wire::{HubError, headers};

use super::body;
use super::call::Call;
use super::reply::{Failure, Reply, header, json};
use super::service::Service;
use crate::fingerprint::Fingerprint;
use crate::query::{Collection, Columns, PageStart, Position, Query, QueryError};

#[derive(Deserialize)]
struct QueryBody {
    query: String,
}

/// Inside the opaque token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Continuation {
    after: Position,
    sent: u64,
    /// Of all this and of the query: a token goes, unchanged, with the query that it came from. Against mistakes only:
    /// whoever may query may read everything, so there is nothing to be gained by a forged token.
    check: u64,
}

pub(super) async fn query(service: &Service, call: Call) -> Result<Reply, Failure> {
    let size = page_size(call.header(headers::MAX_ITEM_COUNT))?;
    let continuation = call.header(headers::CONTINUATION).filter(|token| !token.is_empty()).map(str::to_owned);
    let QueryBody { query: text } = body::json(call.body, body::QUERY, "a query").await?;
    let query = Query::parse(&text).map_err(|error| refuse(&error))?;
    let start = continuation.map_or(Ok(PageStart::default()), |token| read(&token, &text))?;
    let page = service.state.query(&query, &start, size).await;
    let reply = header(json(page.rows), headers::ITEM_TYPE, item_type(&query));
    Ok(match page.next {
        Some(next) => header(reply, headers::CONTINUATION, &written(next, &text)),
        None => reply,
    })
}

fn refuse(error: &QueryError) -> HubError {
    HubError::invalid(error.to_string())
}

fn item_type(query: &Query) -> &'static str {
    match (&query.columns, query.collection) {
        (Columns::Chosen(_), _) => headers::ITEM_RAW,
        (Columns::All, Collection::Jobs) => headers::ITEM_DEVICE_JOB,
        (Columns::All, _) => headers::ITEM_TWIN,
    }
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

fn check(after: &Position, sent: u64, query: &str) -> u64 {
    let after = serde_json::to_vec(after).expect("plain fields with text keys are JSON");
    Fingerprint::new().with(&after).with(&sent.to_le_bytes()).with(query.as_bytes()).value()
}

fn written(start: PageStart, query: &str) -> String {
    let Some(after) = start.after else { return String::new() };
    let check = check(&after, start.sent, query);
    let token = Continuation { after, sent: start.sent, check };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).expect("plain fields with text keys are JSON"))
}

fn read(token: &str, query: &str) -> Result<PageStart, HubError> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let token = bytes.and_then(|bytes| serde_json::from_slice::<Continuation>(&bytes).ok());
    let token = token.filter(|token| token.check == check(&token.after, token.sent, query));
    let start = token.map(|token| PageStart { after: Some(token.after), sent: token.sent });
    start.ok_or_else(|| HubError::invalid("The continuation token is not of this query."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_with_its_query() {
        for after in ["d", "d/m", "d'\u{1f600}"] {
            let start = PageStart { after: Some(Position::Row(after.into())), sent: 7 };
            let token = written(start.clone(), "SELECT * FROM devices");
            assert_eq!(read(&token, "SELECT * FROM devices").unwrap(), start);
            assert!(read(&token, "SELECT * FROM devices.modules").is_err());
            for at in 0..token.len() {
                let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
                let bent = [&token[..at], other, &token[at + 1..]].concat();
                assert!(read(&bent, "SELECT * FROM devices").is_err(), "{bent}");
                assert!(read(&token[..at], "SELECT * FROM devices").is_err());
            }
        }
        assert!(read("nonsense", "q").is_err());
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
