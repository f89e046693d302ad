//! What one waiting device has seen of its facts: rows of an index are hints and never older than what was seen before.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use runner::{Facts, Failure, StepContext};
use script::Dynamic;
use serde_json::Value;
use tokio::time::Instant;

use crate::rounds::{Rounds, Waiting, direct};

/// A row may lag, or be lost: each waiting device is read from its source at least this often.
const DIRECT_AT_LEAST: Duration = Duration::from_secs(60);

/// The rounds of all facts of one step, by fact.
#[derive(Default)]
pub(crate) struct AllRounds(RefCell<BTreeMap<String, Rc<Rounds>>>);

impl AllRounds {
    pub(crate) fn of(&self, fact: &str) -> Rc<Rounds> {
        Rc::clone(self.0.borrow_mut().entry(fact.to_owned()).or_default())
    }
}

/// One fact of one device, as it is seen while the device waits.
pub(crate) struct Watched<'a> {
    pub(crate) name: &'a str,
    rounds: &'a Rounds,
    _waiting: Waiting<'a>,
    seen: Option<Facts>,
    read_at: Option<Instant>,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(name: &'a str, rounds: &'a Rounds) -> Self {
        Self { name, rounds, _waiting: rounds.join(), seen: None, read_at: None }
    }

    /// Looks again, the cheapest way.
    pub(crate) async fn look(&mut self, step: &StepContext<'_>) -> Result<(), Failure> {
        let device = &step.target.id;
        if self.read_at.is_some_and(|at| at.elapsed() >= DIRECT_AT_LEAST) {
            return self.look_directly(step).await;
        }
        if let Some(row) = self.rounds.read(step.inventory, device, self.name).await? {
            self.take(row);
        }
        Ok(())
    }

    /// Looks at the source.
    pub(crate) async fn look_directly(&mut self, step: &StepContext<'_>) -> Result<(), Failure> {
        let read = direct(step.inventory, &step.target.id, self.name).await?;
        self.take(read);
        Ok(())
    }

    fn take(&mut self, row: Facts) {
        if row.direct {
            self.read_at = Some(Instant::now());
        } else {
            // The first row starts the count, or a source that is never read directly would never be due.
            self.read_at.get_or_insert_with(Instant::now);
        }
        let stale = self.seen.as_ref().is_some_and(|seen| row.version < seen.version);
        if !stale {
            self.seen = Some(row);
        }
    }

    /// Whether what was seen came from the source.
    pub(crate) fn is_sure(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.direct)
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
