//! What became of messages, until somebody has read it: one queue for the whole hub, read in batches under a lock.

use std::collections::VecDeque;
use std::time::SystemTime;

use wire::FeedbackRecord;
use wire::limits::{FEEDBACK_BATCH, FEEDBACK_DELIVERIES, FEEDBACK_LOCK, FEEDBACK_TTL};

/// Records that nobody reads: some 4 MB. Beyond it the oldest go.
const KEPT: usize = 10_000;

/// A record that waits for its reader.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    pub(super) sequence: u64,
    pub(super) record: FeedbackRecord,
    pub(super) since: SystemTime,
    deliveries: u32,
    lock: Option<(u64, SystemTime)>,
}

/// See the module's description. Pure.
#[derive(Debug, Default)]
pub(super) struct Feedback(VecDeque<Kept>);

/// Records under one lock, for their reader.
#[derive(Debug, PartialEq)]
pub(crate) struct Batch {
    /// What the reader names when it is done with them.
    pub(crate) lock: String,
    pub(crate) records: Vec<FeedbackRecord>,
}

impl Feedback {
    /// Adds a record; the one that makes room for it, if there is no more.
    pub(super) fn push(&mut self, sequence: u64, record: FeedbackRecord, since: SystemTime) -> Option<u64> {
        self.0.push_back(Kept { sequence, record, since, deliveries: 0, lock: None });
        if self.0.len() > KEPT { self.0.pop_front().map(|kept| kept.sequence) } else { None }
    }

    /// Forgets what is too old, and what was read too often and never done with; their sequences.
    pub(super) fn forget_old(&mut self, now: SystemTime) -> Vec<u64> {
        let mut forgotten = Vec::new();
        self.0.retain(|kept| {
            let locked = kept.lock.is_some_and(|(_, until)| until > now);
            let keep = locked || (kept.since + FEEDBACK_TTL > now && kept.deliveries < FEEDBACK_DELIVERIES);
            if !keep {
                forgotten.push(kept.sequence);
            }
            keep
        });
        forgotten
    }

    /// The oldest records that nobody has, under a lock of this number.
    pub(super) fn read(&mut self, lock: u64, now: SystemTime) -> Vec<FeedbackRecord> {
        let free = self.0.iter_mut().filter(|kept| kept.lock.is_none_or(|(_, until)| until <= now));
        let take = |kept: &mut Kept| {
            kept.lock = Some((lock, now + FEEDBACK_LOCK));
            kept.deliveries += 1;
            kept.record.clone()
        };
        free.take(FEEDBACK_BATCH).map(take).collect()
    }

    /// Removes the records of a lock; their sequences, none when the lock is nobody's any more.
    pub(super) fn complete(&mut self, lock: u64, now: SystemTime) -> Vec<u64> {
        let mut done = Vec::new();
        self.0.retain(|kept| {
            let mine = kept.lock.is_some_and(|(of, until)| of == lock && until > now);
            if mine {
                done.push(kept.sequence);
            }
            !mine
        });
        done
    }

    /// Gives the records of a lock back; whether there were any.
    pub(super) fn abandon(&mut self, lock: u64, now: SystemTime) -> bool {
        let mut any = false;
        for kept in &mut self.0 {
            if kept.lock.is_some_and(|(of, until)| of == lock && until > now) {
                (kept.lock, any) = (None, true);
            }
        }
        any
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
