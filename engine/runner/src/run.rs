//! A run from its plan to its exit code: plays in order, events to all reporters. Knows no verb and no cloud.

use std::rc::Rc;

use base::Source;

use crate::book::Book;
use crate::{Inventory, Registry, Reporter, RunOptions, RunResult};

/// Executes playbooks and runner scripts. Lives on one lane: call it inside a current-thread runtime.
pub struct Runner {
    registry: Registry,
    inventory: Rc<dyn Inventory>,
    expressions: script::Expressions,
}

impl Runner {
    /// A runner over these verbs and devices, with the one expression set-up.
    pub fn new(registry: Registry, inventory: Rc<dyn Inventory>, expressions: script::Expressions) -> Self {
        Self { registry, inventory, expressions }
    }

    /// Runs a playbook. Never fails: what goes wrong is said to the reporters and is in the exit code.
    pub async fn run_book(&self, _book: &Book, _options: &RunOptions, _reporters: &[Rc<dyn Reporter>]) -> RunResult {
        let _ = (&self.registry, &self.inventory, &self.expressions);
        RunResult { exit: 1, counts: crate::Counts::default(), reason: None, interrupted: false }
    }

    /// Runs a runner script (`fix.rhai`).
    pub async fn run_script(
        &self,
        _source: Source,
        _options: &RunOptions,
        _reporters: &[Rc<dyn Reporter>],
    ) -> RunResult {
        RunResult { exit: 1, counts: crate::Counts::default(), reason: None, interrupted: false }
    }
}
