//! `query: "SELECT .."` asks the hub's index. Rows may lag behind the twins.

use futures_util::future::LocalBoxFuture;
use runner::book::{Check, Filled, Node};
use runner::{Class, Effect, Failure, Outcome, Progress, Ready, StepContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::verb::Parameters;
use crate::client::ClientError;
use crate::door::Door;
use crate::failure::{failure, is_query_fault};
use crate::twin::twin_value;

/// Rows when nothing else is said: what fits into a variable without thinking about it.
const ROWS: usize = 1000;
/// More rows than this belong into `targets`.
const MOST_ROWS: usize = 100_000;

/// A query of the hub.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// The whole query, `SELECT .. FROM devices ..`, or only a WHERE condition of twins.
    text: Filled<String>,
    /// The most rows to fetch, default 1000.
    limit: Option<Filled<usize>>,
}

impl Parameters for Query {
    const NAME: &'static str = "query";
    const ABOUT: &'static str = "asks the hub's index of twins; the value is the list of rows";
    const EFFECT: Effect = Effect::Reads;
    const MAIN: Option<&'static str> = Some("text");
    const POSITIONAL: &'static [&'static str] = &["text"];
    const ON_DEVICE: bool = false;

    fn ready(self, door: Door, node: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        if let Some(Err(message)) = self.limit.as_ref().and_then(Filled::constant).map(|it| limit(*it)) {
            check.error(node.get("limit").unwrap_or(node).span, message);
            return None;
        }
        Some(Box::new(Ask { door, parameters: self }))
    }
}

fn limit(rows: usize) -> Result<usize, String> {
    if (1..=MOST_ROWS).contains(&rows) { Ok(rows) } else { Err(format!("`limit` is 1 to {MOST_ROWS}")) }
}

fn is_whole(text: &str) -> bool {
    text.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("select"))
}

/// A row that is a whole twin looks like the twin of `get_twin`.
fn row(row: Value) -> Value {
    if row.get("deviceId").is_some() && row.get("properties").is_some() { twin_value(&row) } else { row }
}

struct Ask {
    door: Door,
    parameters: Query,
}

impl Ask {
    async fn ask(&self, step: &StepContext<'_>) -> Result<Outcome, Failure> {
        let text = step.fill(&self.parameters.text)?;
        let most = match &self.parameters.limit {
            None => ROWS,
            Some(rows) => limit(step.fill(rows)?).map_err(|message| Failure::new(Class::Failed, message))?,
        };
        let client = self.door.client()?;
        let pages = if is_whole(&text) { client.query(text) } else { client.query_twins(Some(&text)) };
        let rows = pages.collect(most).await.map_err(|error| refused(&error))?;
        (step.progress)(Progress::Says(format!("{} row{}", rows.len(), if rows.len() == 1 { "" } else { "s" })));
        Ok(Outcome::read(rows.into_iter().map(row).collect()))
    }
}

fn refused(error: &ClientError) -> Failure {
    match error {
        ClientError::Refused { error: refused, .. } if is_query_fault(refused.code) => {
            Failure::new(Class::Failed, format!("the hub does not understand the query: {}", refused.message))
        }
        _ => failure(error),
    }
}

impl Ready for Ask {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(async move { self.ask(step).await.unwrap_or_else(Outcome::Failed) })
    }
}
