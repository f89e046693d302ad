//! What a journal knows of one device's way: the steps that ended, the calls that did not, the loops and blocks it was in.

use std::collections::HashMap;
use std::time::SystemTime;

use base::parse_time;
use serde_json::Value;

use super::past_deeds::PastDeeds;
use super::record::Kept;
use super::{Kind, Record};
use crate::Outcome;

/// How a step ended.
#[derive(Clone, Debug)]
pub(crate) struct PastEnd {
    pub(crate) outcome: Outcome,
    pub(crate) ignored: bool,
    /// None: it was skipped or failed before its first attempt.
    pub(crate) attempts: u32,
    /// Its value is not in the journal.
    pub(crate) withheld: bool,
    /// Its name on this device, where that is not as written.
    pub(crate) name: Option<Box<str>>,
    /// Repeating it does no harm.
    pub(crate) again: bool,
    /// Its reply was never known, and nothing has settled it since.
    pub(crate) doubt: bool,
    /// When it ended.
    pub(crate) at: SystemTime,
}

impl PastEnd {
    pub(super) fn of(record: &Record) -> Self {
        let failed = record.failure.as_ref().is_some_and(|failure| failure.withheld);
        Self {
            outcome: record.read_outcome(),
            ignored: record.ignored,
            attempts: record.attempt,
            withheld: record.withheld || failed,
            name: record.name.clone(),
            again: !record.blind,
            doubt: record.doubt,
            at: parse_time(&record.at).unwrap_or(SystemTime::UNIX_EPOCH),
        }
    }
}

/// One run of one step.
#[derive(Clone, Debug, Default)]
pub(crate) struct PastStep {
    /// Its `when` was true.
    pub(crate) entered: bool,
    /// Attempts that failed and were to be repeated, and when the last of them ended.
    pub(crate) again: u32,
    pub(crate) again_at: Option<SystemTime>,
    /// A call that was about to be sent and whose end is not known: when.
    pub(crate) call: Option<SystemTime>,
    /// The device is not connected, and is waited for since then.
    pub(crate) waiting: Option<SystemTime>,
    pub(crate) end: Option<PastEnd>,
}

/// A loop's items, or why they could not be told.
#[derive(Clone, Debug)]
pub(crate) enum PastList {
    Items(Vec<Value>),
    Broke(PastEnd),
}

/// One device of one play, or the runner itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct PastDevice {
    steps: HashMap<(usize, u32), PastStep>,
    lists: HashMap<(usize, u32), PastList>,
    /// What the present attempt of a script did.
    deeds: HashMap<(usize, u32), PastDeeds>,
    /// Variables of its own.
    pub(crate) vars: Option<Value>,
}

impl PastDevice {
    pub(crate) fn step(&self, step: usize, n: u32) -> Option<&PastStep> {
        self.steps.get(&(step, n))
    }

    /// Whether it was in this block when the process ended.
    pub(crate) fn is_inside(&self, block: usize) -> bool {
        self.steps.iter().any(|((step, _), past)| *step == block && past.entered && past.end.is_none())
    }

    pub(crate) fn list(&self, step: usize, visit: u32) -> Option<&PastList> {
        self.lists.get(&(step, visit))
    }

    pub(crate) fn deeds(&self, step: usize, n: u32) -> Option<&PastDeeds> {
        self.deeds.get(&(step, n))
    }

    pub(super) fn take(&mut self, record: &Record) {
        if record.kind == Kind::Vars {
            self.vars = record.value.as_ref().map(Kept::value);
            return;
        }
        let Some(step) = record.step else { return };
        let key = (step, record.n);
        if let Some(place) = &record.deed {
            return self.deeds.entry(key).or_default().take(place, record);
        }
        if matches!(record.kind, Kind::Again | Kind::Step) {
            self.deeds.remove(&key);
        }
        if record.kind == Kind::List {
            let list = match &record.value {
                Some(items) => items.value().as_array().cloned().map(PastList::Items),
                None => Some(PastList::Broke(PastEnd::of(record))),
            };
            // A list that held a secret is evaluated again.
            if let Some(list) = list.filter(|_| !record.withheld) {
                self.lists.insert(key, list);
            }
            return;
        }
        let past = self.steps.entry(key).or_default();
        let at = || Some(parse_time(&record.at).unwrap_or(SystemTime::UNIX_EPOCH));
        match record.kind {
            Kind::Enter => past.entered = true,
            Kind::Call => (past.entered, past.call) = (true, at()),
            Kind::NotSent => {
                past.call = None;
                past.waiting = past.waiting.or_else(at);
            }
            Kind::Again => {
                (past.entered, past.again, past.again_at) = (true, record.attempt, at());
                (past.call, past.waiting) = (None, None);
            }
            Kind::Step => {
                past.end = Some(PastEnd::of(record));
                past.call = None;
            }
            Kind::Settled => {
                if let Some(end) = &mut past.end {
                    end.doubt = false;
                }
            }
            _ => {}
        }
    }
}
