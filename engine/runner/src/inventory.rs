//! Where devices and their facts come from. The runner's only door to a cloud it has never heard of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use serde_json::Value;
use thiserror::Error;

/// A device that a play runs on.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its id.
    pub id: Arc<str>,
    /// What `device` offers beside `id`: `tags`, `status` and so on; a JSON object.
    pub attributes: Arc<Value>,
}

/// Which devices are meant.
#[derive(Clone, Debug, PartialEq)]
pub enum Selection {
    /// Every device of the hub.
    All,
    /// These, in this order; an unknown one is an error with a suggestion.
    Ids(Vec<String>),
    /// Those that satisfy a condition in the inventory's own words (iothub: a WHERE condition).
    Query(String),
}

/// One reading of one device's fact.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The fact's value (iothub's `twin`: `{ id, tags, desired, reported, status, connection_state, version, etag, properties }`).
    pub value: Value,
    /// Grows with every change of the fact; rows older than the newest one seen are stale.
    pub version: u64,
    /// Read directly (`true`), or from an index that may lag (`false`): a hint to be confirmed.
    pub direct: bool,
}

/// A device in a round of those that wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Its id.
    pub device: Arc<str>,
    /// The version of the fact that its waiter has seen; older rows and that one again are no news.
    pub seen: Option<u64>,
    /// No hint will do: it is to be read from its source.
    pub direct: bool,
}

/// What a round came to, of the devices that it came to.
pub type Round = BTreeMap<Arc<str>, Option<Facts>>;

/// Runs of a verb, or readings of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The verb or the fact.
    pub name: Arc<str>,
    /// One call serves the devices of a wave.
    pub gathered: bool,
    /// How many.
    pub count: usize,
}

/// What the first line of a run says about the hub, and what safety needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubInfo {
    /// "local, in this process (no hub configured)", or a host and where it was configured.
    pub title: String,
    /// Only local hubs run without asking.
    pub local: bool,
}

/// Why the inventory could not answer.
#[derive(Debug, Error)]
pub enum InventoryError {
    /// The ids that the hub does not know, each with the closest known one.
    #[error("no such device: {}", .0.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(", "))]
    Unknown(Vec<(String, Option<String>)>),
    /// The condition is not understood by the hub.
    #[error("the hub does not understand the query: {0}")]
    Query(String),
    /// The hub refused or is away: the run ends with exit code 7.
    #[error("{message}")]
    Hub {
        /// One sentence for people.
        message: String,
        /// What to do.
        help: Vec<String>,
    },
}

/// How long work takes at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// So long.
    pub least: Duration,
    /// By which limit, as people read it behind "at": `40 direct methods/s, the hub's quota (S1, 1 unit)`.
    pub by: Arc<str>,
}

/// Devices and their facts.
pub trait Inventory {
    /// Whom the run talks to.
    fn hub(&self) -> HubInfo;

    /// The names of the facts that an expression may name (iothub: `twin`).
    fn fact_names(&self) -> &'static [&'static str];

    /// The devices meant, ordered by id unless the selection has an order.
    fn select<'a>(&'a self, selection: &'a Selection) -> LocalBoxFuture<'a, Result<Vec<Target>, InventoryError>>;

    /// The number of devices of the hub.
    fn count(&self) -> LocalBoxFuture<'_, Result<usize, InventoryError>>;

    /// One round over devices that wait, the cheapest way that the quota allows, in about a second: those in front first. Of a
    /// device that was looked at: what was seen, which may be a hint (`direct: false`), or nothing that is newer than what its
    /// waiter has seen. Devices that the round did not come to are absent, and are asked for again.
    fn facts<'a>(&'a self, devices: &'a [Ask], fact: &'a str) -> LocalBoxFuture<'a, Result<Round, InventoryError>>;

    /// A fact of one device, read directly from its source.
    fn fact<'a>(&'a self, device: &'a str, fact: &'a str) -> LocalBoxFuture<'a, Result<Facts, InventoryError>>;

    /// Whether a device says what it offers, and this ([`Ready::needs`](crate::Ready::needs)) is not of it.
    fn lacks(&self, _device: &Target, _need: &str) -> bool {
        false
    }

    /// The least time that this takes under the limits that are known of the hub; none when nothing is known of them.
    fn estimate(&self, _work: &[Work]) -> Option<Estimate> {
        None
    }
}
