//! One wave: its size, and how its devices stand. Pure.

use serde_json::{Value, json};

use super::exit::Tally;

/// A wave under way.
#[derive(Debug)]
pub(super) struct Wave {
    /// From 1.
    index: usize,
    /// How many waves there are.
    count: usize,
    pub(super) size: usize,
    pub(super) tally: Tally,
    /// Devices that are not connected and are waited for.
    pub(super) waiting: usize,
}

impl Wave {
    pub(super) fn new(index: usize, count: usize, size: usize) -> Self {
        Self { index, count, size, tally: Tally::default(), waiting: 0 }
    }

    /// Nobody works any more: all have ended, or are waited for, but for so many that are not started.
    pub(super) fn is_settled(&self, not_started: usize) -> bool {
        self.tally.total() + self.waiting + not_started >= self.size
    }

    /// `wave` in expressions. `failed` holds every failure but unreachable; `timeout` and `rejected` say which of them.
    pub(super) fn value(&self) -> Value {
        json!({
            "index": self.index, "count": self.count, "size": self.size, "ok": self.tally.ok,
            "failed": self.tally.all_failed(), "unreachable": self.tally.unreachable, "timeout": self.tally.timeout,
            "rejected": self.tally.rejected, "skipped": self.tally.skipped, "waiting": self.waiting,
        })
    }
}
