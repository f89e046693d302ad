//! REST calls by what they were and how they ended, and how long they took.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// Upper ends of the histogram's buckets, in milliseconds: from a twin in memory to a method with the longest timeouts.
pub(super) const BUCKETS_MS: [u64; 11] = [1, 2, 5, 10, 25, 100, 250, 1_000, 5_000, 30_000, 300_000];

/// See the module's description. Names and statuses are the hub's own, so there are few of them.
#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<BTreeMap<&'static str, Ended>>);

/// The calls of one name.
#[derive(Clone, Debug, Default)]
pub(super) struct Ended {
    pub(super) by_status: BTreeMap<u16, u64>,
    /// How many took at most as long as the bucket says, and longer than the one before; the last is for all others.
    pub(super) buckets: [u64; BUCKETS_MS.len() + 1],
    pub(super) time: Duration,
}

impl Calls {
    fn calls(&self) -> MutexGuard<'_, BTreeMap<&'static str, Ended>> {
        self.0.lock().expect("numbers only: nothing panics while they are held")
    }

    pub(super) fn ended(&self, name: &'static str, status: u16, took: Duration) {
        let mut calls = self.calls();
        let ended = calls.entry(name).or_default();
        *ended.by_status.entry(status).or_default() += 1;
        let bucket = BUCKETS_MS.iter().position(|end| took <= Duration::from_millis(*end)).unwrap_or(BUCKETS_MS.len());
        ended.buckets[bucket] += 1;
        ended.time += took;
    }

    pub(super) fn all(&self) -> BTreeMap<&'static str, Ended> {
        self.calls().clone()
    }
}
