//! One round: which of the waiting devices are read, which are looked for in the hub's index, in the time of one round. A row of
//! the index is a hint; one that is older than what this process has seen of the twin is nothing.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use runner::{Ask, Facts, InventoryError, Round};
use serde_json::Value;
use tokio::time::Instant;
use wire::limits::QUERY_PAGE;
use wire::{Identity, QuotaKind};

use super::question::{Question, changes, pages};
use crate::client::{ClientError, HubClient};
use crate::failure::{inventory_error, is_query_fault};
use crate::twin::{twin_value, twin_version};

/// Reads in flight. The governor bounds the rate; this bounds sockets and memory.
const READS: usize = 32;
/// Queries in flight.
const QUERIES: usize = 4;
/// What does not get its turn within this is for the next round: those in front must not wait for those behind.
const LASTS: Duration = Duration::from_secs(1);
/// Behind a long queue of other calls a round still has so many reads, and this long for them: waits must not stand still.
const READS_LEAST: usize = 8;
const LASTS_MOST: Duration = Duration::from_secs(5);
/// Hints must be so many times sooner than the truth, and by so much: they lag, and what they promise is read all the same.
const WORTH: (u32, Duration) = (2, Duration::from_millis(250));
/// Of the devices that wait, about one in so many has changed since it was seen last: how many pages a question for changes has.
const ONE_IN: usize = 4;

/// How the devices that need no certainty are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    /// Each twin by itself.
    Reads,
    /// The rows of all of them.
    Pages,
    /// The rows of those that changed.
    Changes,
}

/// What is known of the hub's index after a few rounds.
#[derive(Debug)]
pub(crate) struct Rounds {
    /// It did not understand a query for these: not asked again.
    no_pages: Cell<bool>,
    no_changes: Cell<bool>,
    /// How many rows a question for changes brought last, of a hundred devices.
    changed: Cell<usize>,
}

impl Default for Rounds {
    fn default() -> Self {
        Self { no_pages: Cell::new(false), no_changes: Cell::new(false), changed: Cell::new(100 / ONE_IN) }
    }
}

/// What one question or reading came to, by index of the ask.
type Found = Result<Vec<(usize, Option<Facts>)>, ClientError>;

impl Rounds {
    /// One round over these, those in front first.
    pub(crate) async fn round(&self, client: &HubClient, asks: &[Ask]) -> Result<Round, InventoryError> {
        let all: Vec<(usize, &Ask)> = asks.iter().enumerate().collect();
        let direct = asks.iter().filter(|ask| must_be_read(ask)).count();
        let hinted: Vec<_> = all.iter().copied().filter(|(_, ask)| !must_be_read(ask)).collect();
        let (means, questions) = self.means(client, direct, &hinted);
        let mut reads: Vec<_> = all;
        if means != Means::Reads {
            reads.retain(|(_, ask)| must_be_read(ask));
        }
        reads.truncate(client.within(QuotaKind::TwinReads, LASTS, READS).max(READS_LEAST));
        let queue = client.soonest(QuotaKind::TwinReads, READS_LEAST, READS);
        let by = Instant::now() + queue.clamp(LASTS, LASTS_MOST);
        let mut read = stream::iter(reads).map(|(index, ask)| read(client, index, ask, by)).buffer_unordered(READS);
        let mut asked = stream::iter(&questions)
            .map(|question| self.ask(client, means, question, asks, by))
            .buffer_unordered(QUERIES);
        let mut round = BTreeMap::new();
        loop {
            let found = tokio::select! {
                Some(found) = read.next() => found,
                Some(found) = asked.next() => found,
                else => return Ok(round),
            };
            match found {
                Ok(found) => round.extend(found.into_iter().map(|(index, row)| (Arc::clone(&asks[index].device), row))),
                // Not within this round.
                Err(error) if error.code().is_some_and(|code| code.http_status() == 429) => {}
                Err(error) => return Err(inventory_error(&error, false)),
            }
        }
    }

    /// The means that the quota answers soonest, and its questions as far as they fit into a round.
    fn means(&self, client: &HubClient, direct: usize, hinted: &[(usize, &Ask)]) -> (Means, Vec<Question>) {
        let reads = |count| client.soonest(QuotaKind::TwinReads, count, READS);
        let queries = |count| client.soonest(QuotaKind::Queries, count, QUERIES).max(reads(direct));
        let most = reads(direct + hinted.len());
        // Not even one query could be soon enough.
        if queries(1) * WORTH.0 + WORTH.1 >= most {
            return (Means::Reads, Vec::new());
        }
        let mut best = (most, Means::Reads, Vec::new());
        if !self.no_pages.get() {
            let questions = pages(hinted);
            best = sooner(best, queries(questions.len()), Means::Pages, questions);
        }
        if !self.no_changes.get() {
            let questions = changes(hinted);
            let rows = hinted.len() * self.changed.get() / 100;
            let expected = queries(questions.len().max(rows.div_ceil(QUERY_PAGE)));
            best = sooner(best, expected, Means::Changes, questions);
        }
        let (_, means, mut questions) = best;
        questions.truncate(client.within(QuotaKind::Queries, LASTS, QUERIES));
        (means, questions)
    }

    /// One question, all of its pages.
    async fn ask(&self, client: &HubClient, means: Means, question: &Question, asks: &[Ask], by: Instant) -> Found {
        let mut pages = client.query(question.text.as_str()).turn_by(by);
        let mut rows: BTreeMap<String, Value> = BTreeMap::new();
        loop {
            match pages.next().await {
                Ok(None) => break,
                Ok(Some(page)) => rows.extend(page.into_iter().filter_map(|row| Some((id(&row)?, row)))),
                Err(error) if error.code().is_some_and(is_query_fault) => {
                    tracing::debug!(?means, %error, "the index does not understand");
                    self.not_understood(means);
                    return Ok(Vec::new());
                }
                Err(error) if error.is_hub() => return Err(error),
                // This one question is lost: its devices are asked for again.
                Err(_) => return Ok(Vec::new()),
            }
        }
        if means == Means::Changes {
            self.changed.set((rows.len() * 100).div_ceil(question.asks.len().max(1)).min(100));
        }
        let row = |index: &usize| {
            let ask = &asks[*index];
            (*index, rows.get(&*ask.device).and_then(|row| hint(client, ask, row)))
        };
        Ok(question.asks.iter().map(row).collect())
    }

    fn not_understood(&self, means: Means) {
        match means {
            Means::Reads => {}
            Means::Pages => self.no_pages.set(true),
            Means::Changes => self.no_changes.set(true),
        }
    }
}

type Choice = (Duration, Means, Vec<Question>);

/// The better one of two; the truth when hints are not worth it.
fn sooner(best: Choice, takes: Duration, means: Means, questions: Vec<Question>) -> Choice {
    let (worth, margin) = if best.1 == Means::Reads { WORTH } else { (1, Duration::ZERO) };
    if takes * worth + margin < best.0 { (takes, means, questions) } else { best }
}

/// Whether no row of the index of devices can serve it: asked for, or a module.
fn must_be_read(ask: &Ask) -> bool {
    ask.direct || ask.device.contains('/')
}

fn id(row: &Value) -> Option<String> {
    row.get("deviceId")?.as_str().map(str::to_owned)
}

/// A row as a hint, when it is news.
fn hint(client: &HubClient, ask: &Ask, row: &Value) -> Option<Facts> {
    let version = twin_version(row);
    let news = ask.seen.is_none_or(|seen| version > seen);
    (news && client.is_new(&ask.device, version)).then(|| Facts { value: twin_value(row), version, direct: false })
}

/// One twin from its source. A device that is gone or busy was looked at in vain; only the hub's own trouble ends the round.
async fn read(client: &HubClient, index: usize, ask: &Ask, by: Instant) -> Found {
    let Ok(identity) = ask.device.parse::<Identity>() else { return Ok(vec![(index, None)]) };
    match client.twin_by(&identity, Some(by)).await {
        Ok(twin) => {
            let facts = Facts { value: twin_value(&twin), version: twin_version(&twin), direct: true };
            Ok(vec![(index, Some(facts))])
        }
        Err(error) if error.is_hub() => Err(error),
        Err(_) => Ok(vec![(index, None)]),
    }
}
