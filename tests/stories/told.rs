//! A run as its own events tell it (`--output ndjson`): what ended how, and what came before what.

use serde_json::Value;
use stage::{Ended, Iotplay};

/// A run that has ended.
pub(crate) struct Told {
    events: Vec<Value>,
    /// The process: exit code and what it said to people.
    pub(crate) ended: Ended,
}

/// Runs a playbook with these flags.
pub(crate) fn told(iotplay: &Iotplay, book: &str, flags: &[&str]) -> Told {
    let arguments = [&["run", book, "--output", "ndjson"][..], flags].concat();
    let ended = iotplay.run(&arguments);
    let events = ended.out.lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect();
    Told { events, ended }
}

impl Told {
    /// The events of one kind.
    pub(crate) fn all(&self, event: &str) -> impl Iterator<Item = &Value> {
        self.events.iter().filter(move |found| found["event"] == event)
    }

    /// The devices that ended so, by id.
    pub(crate) fn devices(&self, outcome: &str) -> Vec<&str> {
        let mut ids: Vec<&str> = self
            .all("device_ended")
            .filter(|end| end["outcome"] == outcome)
            .filter_map(|end| end["device"].as_str())
            .collect();
        ids.sort_unstable();
        ids
    }

    /// How many devices ended ok, rejected, timeout, unreachable, failed, skipped.
    pub(crate) fn counts(&self) -> [usize; 6] {
        ["ok", "rejected", "timeout", "unreachable", "failed", "skipped"].map(|outcome| self.devices(outcome).len())
    }

    /// What steps said on stdout, in order.
    pub(crate) fn said(&self) -> Vec<&str> {
        self.all("said").filter_map(|said| said["text"].as_str()).collect()
    }

    /// Where the first event stands that is so.
    pub(crate) fn at(&self, what: &str, is: impl Fn(&Value) -> bool) -> usize {
        let found = self.events.iter().position(is);
        found.unwrap_or_else(|| panic!("no event: {what}\n{}\n{}", self.ended.out, self.ended.err))
    }

    /// Ended with this code; shows everything when not.
    pub(crate) fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.ended.code, Some(code), "{}\n{}", self.ended.out, self.ended.err);
        self
    }
}
