//! The lanes of all kinds, and those who queue for them. Turns are given in the order of asking and never ahead of time: a rate
//! that changed counts at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use wire::HubSize;

use super::Kind;
use super::lane::{Lane, Sent};

const KINDS: usize = Kind::ALL.len();
/// How much the newest answer counts for the usual time of one.
const NEWEST: f64 = 0.2;
/// How long an answer takes before one has come: the distance to a region nearby.
const ANSWER: Duration = Duration::from_millis(100);

pub(in crate::client) struct Governor {
    lanes: [Mutex<Entry>; KINDS],
    /// Who waits for a turn waits here, in order.
    queues: [tokio::sync::Mutex<()>; KINDS],
    /// How many do.
    queued: [AtomicUsize; KINDS],
    size: Mutex<Option<HubSize>>,
}

struct Entry {
    lane: Lane,
    /// How long an answer usually takes.
    answer: Option<Duration>,
    /// Turns that were given.
    turns: u64,
}

/// A permission to send, and when it was given.
#[derive(Clone, Copy)]
pub(in crate::client) struct Turn {
    kind: Kind,
    sent: Sent,
}

/// One waits in a queue, as long as this lives.
struct Queued<'a>(&'a AtomicUsize);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The window in which a kind is counted: the same in every tier.
fn window(kind: Kind) -> Duration {
    wire::Tier::S1.rate(kind, 1).window
}

impl Governor {
    pub(in crate::client) fn new() -> Self {
        let now = Instant::now();
        Self {
            lanes: Kind::ALL
                .map(|kind| Mutex::new(Entry { lane: Lane::new(window(kind), now), answer: None, turns: 0 })),
            queues: std::array::from_fn(|_| tokio::sync::Mutex::new(())),
            queued: std::array::from_fn(|_| AtomicUsize::new(0)),
            size: Mutex::new(None),
        }
    }

    /// From now on no faster than a hub of this size allows.
    pub(in crate::client) fn expect_size(&self, size: HubSize) {
        let now = Instant::now();
        for kind in Kind::ALL {
            self.entry(kind, |entry| entry.lane.limit(size.rate(kind), now));
        }
        *self.size.lock().expect("numbers only: no panic while held") = Some(size);
    }

    pub(in crate::client) fn size(&self) -> Option<HubSize> {
        *self.size.lock().expect("numbers only: no panic while held")
    }

    fn entry<T>(&self, kind: Kind, work: impl FnOnce(&mut Entry) -> T) -> T {
        work(&mut self.lanes[kind as usize].lock().expect("numbers only: no panic while held"))
    }

    /// Waits for the turn of a call that counts for `cost`.
    pub(in crate::client) async fn turn(&self, kind: Kind, cost: u32) -> Turn {
        if !self.entry(kind, |entry| entry.lane.is_free(Instant::now())) {
            let queued = &self.queued[kind as usize];
            queued.fetch_add(1, Ordering::Relaxed);
            let _queued = Queued(queued);
            // Nothing is sent yet: the step's own time begins with its turn.
            let _still = runner::stand_still();
            let _first = self.queues[kind as usize].lock().await;
            while let Err(at) = self.entry(kind, |entry| entry.lane.take(cost, Instant::now())) {
                tokio::time::sleep_until(at).await;
            }
        }
        let at = Instant::now();
        let epoch = self.entry(kind, |entry| {
            entry.turns += 1;
            entry.lane.sent(cost, at);
            entry.lane.epoch()
        });
        Turn { kind, sent: Sent { at, cost, epoch } }
    }

    /// How many turns were given: calls that were sent, those that were sent again counted again.
    pub(in crate::client) fn turns(&self, kind: Kind) -> u64 {
        self.entry(kind, |entry| entry.turns)
    }

    /// The hub took the call.
    pub(in crate::client) fn accepted(&self, turn: Turn) {
        let now = Instant::now();
        self.entry(turn.kind, |entry| {
            entry.lane.accepted(now);
            let took = now - turn.sent.at;
            let usual = entry.answer.map_or(took, |usual| usual.mul_f64(1.0 - NEWEST) + took.mul_f64(NEWEST));
            entry.answer = Some(usual);
        });
    }

    /// The hub said 429 and to come back after `retry_after` if it said so, else after `pause`.
    pub(in crate::client) fn refused(&self, turn: Turn, retry_after: Option<Duration>, pause: Duration) {
        self.entry(turn.kind, |entry| entry.lane.refused(turn.sent, retry_after, pause, Instant::now()));
    }

    /// When the hub took a call of this kind last.
    pub(in crate::client) fn accepted_at(&self, kind: Kind) -> Option<Instant> {
        self.entry(kind, |entry| entry.lane.accepted_at)
    }

    /// About how long so many calls take, `at_once` of them in flight, behind those that queue already.
    pub(in crate::client) fn soonest(&self, kind: Kind, count: usize, at_once: usize) -> Duration {
        if count == 0 {
            return Duration::ZERO;
        }
        let queued = self.queued[kind as usize].load(Ordering::Relaxed);
        let (turns, answer) =
            self.entry(kind, |entry| (entry.lane.turns(queued + count, Instant::now()), entry.answer));
        let answer = answer.unwrap_or(ANSWER);
        let rounds = u32::try_from(count.div_ceil(at_once.max(1))).unwrap_or(u32::MAX);
        answer.saturating_mul(rounds).max(turns.map_or(Duration::ZERO, |turns| turns + answer))
    }

    /// How many calls can be sent within so long, `at_once` of them in flight, behind those that queue already.
    pub(in crate::client) fn within(&self, kind: Kind, limit: Duration, at_once: usize) -> usize {
        let queued = self.queued[kind as usize].load(Ordering::Relaxed);
        let (turns, answer) = self.entry(kind, |entry| (entry.lane.within(limit, Instant::now()), entry.answer));
        let answer = answer.unwrap_or(ANSWER).max(Duration::from_millis(1));
        let rounds = (limit.as_secs_f64() / answer.as_secs_f64()).max(1.0) as usize;
        turns.map_or(usize::MAX, |turns| turns.saturating_sub(queued)).min(rounds.saturating_mul(at_once))
    }

    /// The least time that so many calls of each kind take on a hub of the known size that was idle before, and the kind that
    /// takes it.
    pub(in crate::client) fn least(&self, calls: &[(Kind, usize)]) -> Option<(Duration, Kind)> {
        let size = self.size()?;
        let now = Instant::now();
        let time = |(kind, count): &(Kind, usize)| {
            let mut lane = Lane::new(window(*kind), now);
            lane.limit(size.rate(*kind), now);
            Some((lane.turns(*count, now)?, *kind))
        };
        calls.iter().filter_map(time).max_by_key(|(time, _)| *time)
    }
}

#[cfg(test)]
#[path = "governor_tests.rs"]
mod tests;
