//! Queries, page by page. Rows are whatever the query selects; on the real service they may lag behind the twins.

use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;
use wire::{HubPath, headers, limits};

use super::call::{Again, Call};
use super::error::ClientError;
use super::governor::Kind;
use super::hub_client::HubClient;
use super::send::unreadable;

/// The selection of whole twins.
const ALL_TWINS: &str = "SELECT * FROM devices";

/// The pages of a query's answer.
#[derive(Debug)]
pub struct Pages<'a> {
    client: &'a HubClient,
    query: String,
    /// Where the next page begins; `None` at first and at the end.
    continuation: Option<String>,
    ended: bool,
    turn_by: Option<Instant>,
}

impl HubClient {
    /// The rows of a query.
    pub fn query(&self, query: impl Into<String>) -> Pages<'_> {
        Pages { client: self, query: query.into(), continuation: None, ended: false, turn_by: None }
    }

    /// The twins that satisfy a WHERE condition, or all.
    pub fn query_twins(&self, condition: Option<&str>) -> Pages<'_> {
        self.query(condition.map_or_else(|| ALL_TWINS.to_owned(), |condition| format!("{ALL_TWINS} WHERE {condition}")))
    }
}

impl Pages<'_> {
    /// Refused as throttled when a page's turn does not come by then, or the hub does not take it at once.
    #[must_use]
    pub(crate) fn turn_by(self, turn_by: Instant) -> Self {
        Self { turn_by: Some(turn_by), ..self }
    }

    /// The next page, which may be empty; `None` after the last one.
    pub async fn next(&mut self) -> Result<Option<Vec<Value>>, ClientError> {
        if self.ended {
            return Ok(None);
        }
        let mut call = Call::new(Method::POST, HubPath::Query, Kind::Queries)
            .body(json!({ "query": self.query }).to_string())
            .again(Again::Safe)
            .turn_by(self.turn_by);
        call.headers.push((headers::MAX_ITEM_COUNT, limits::QUERY_PAGE.to_string()));
        call.headers.extend(self.continuation.take().map(|token| (headers::CONTINUATION, token)));
        let answer = self.client.send(&call).await?;
        let token = answer.headers.get(headers::CONTINUATION).and_then(|token| token.to_str().ok());
        self.continuation = token.filter(|token| !token.is_empty()).map(str::to_owned);
        self.ended = self.continuation.is_none();
        serde_json::from_slice(&answer.body).map(Some).map_err(|error| unreadable(&error))
    }

    /// All rows, or the first `most`.
    pub async fn collect(mut self, most: usize) -> Result<Vec<Value>, ClientError> {
        let mut rows = Vec::new();
        while rows.len() < most
            && let Some(page) = self.next().await?
        {
            rows.extend(page);
        }
        rows.truncate(most);
        Ok(rows)
    }
}
