//! What one waiting device has seen of its facts: rows of an index are hints and never older than what was seen before.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use runner::{Facts, Failure, Inventory};
use script::Dynamic;
use serde_json::Value;
use tokio::time::Instant;

use crate::rounds::{Rounds, Waiting, direct};
use crate::ticket::Want;

/// A row may lag, or be lost: each waiting device is read from its source at least this often, as far as the quota goes.
const DIRECT_AT_LEAST: Duration = Duration::from_secs(60);

/// The rounds of all facts, by fact: one for all waits of a run, whichever step they are in.
#[derive(Clone, Default)]
pub(crate) struct AllRounds(Rc<RefCell<BTreeMap<String, Rc<Rounds>>>>);

impl AllRounds {
    pub(crate) fn of(&self, fact: &str) -> Rc<Rounds> {
        Rc::clone(self.0.borrow_mut().entry(fact.to_owned()).or_default())
    }
}

/// When a device is looked at.
#[derive(Clone, Copy)]
pub(crate) struct When {
    /// Not before.
    pub(crate) due: Instant,
    /// But so much earlier, if others are looked at then.
    pub(crate) early: Duration,
    /// The end of the wait.
    pub(crate) deadline: Instant,
}

/// One fact of one device, as it is seen while the device waits.
pub(crate) struct Watched<'a> {
    pub(crate) name: &'a str,
    rounds: Rc<Rounds>,
    _waiting: Waiting,
    seen: Option<Facts>,
    /// The last look was at the source.
    sure: bool,
    read_at: Instant,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(name: &'a str, rounds: Rc<Rounds>) -> Self {
        // The wait itself starts the count, or a source that is never read directly would never be due.
        Self { name, _waiting: rounds.join(), rounds, seen: None, sure: false, read_at: Instant::now() }
    }

    /// Looks again when it is time, the cheapest way.
    pub(crate) async fn look(
        &mut self,
        inventory: &dyn Inventory,
        device: &Arc<str>,
        when: When,
    ) -> Result<(), Failure> {
        let When { due, early, deadline } = when;
        let direct = due.duration_since(self.read_at) >= DIRECT_AT_LEAST;
        let want = Want { due, early, deadline, seen: self.seen.as_ref().map(|seen| seen.version), direct };
        let seen = self.rounds.look(inventory, self.name, device, want).await?;
        if direct {
            self.read_at = Instant::now();
        }
        self.sure = false;
        if let Some(row) = seen {
            self.take(row);
        }
        Ok(())
    }

    /// Looks at the source.
    pub(crate) async fn look_directly(&mut self, inventory: &dyn Inventory, device: &str) -> Result<(), Failure> {
        let read = direct(inventory, device, self.name).await?;
        self.take(read);
        Ok(())
    }

    /// The source is right, also when a device was made anew and counts from the beginning; a row may be stale.
    fn take(&mut self, row: Facts) {
        if row.direct {
            self.read_at = Instant::now();
            self.sure = true;
        } else if self.seen.as_ref().is_some_and(|seen| row.version < seen.version) {
            return;
        }
        self.seen = Some(row);
    }

    /// Whether the last look was at the source. What was read there earlier does not count: an expression may have become true by
    /// the passing of time, and a change be on its way into the index.
    pub(crate) fn is_sure(&self) -> bool {
        self.sure
    }

    /// What was seen last.
    pub(crate) fn value(&self) -> Option<&Value> {
        self.seen.as_ref().map(|seen| &seen.value)
    }

    /// The same for expressions.
    pub(crate) fn dynamic(&self) -> Dynamic {
        self.value().map_or(Dynamic::UNIT, script::from_json)
    }
}

/// The facts that an expression names.
pub(crate) fn named<'a>(expression: &runner::book::Expression, known: &[&'a str]) -> Vec<&'a str> {
    known.iter().copied().filter(|fact| expression.roots().any(|root| root == *fact)).collect()
}
