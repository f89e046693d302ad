//! How fast calls may go: unlimited until the hub says 429, then at the rate that it took, carefully growing. One pace for all
//! callers of a client, kept apart by what the hub counts apart. Knows no HTTP.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// What the hub counts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Methods,
    TwinReads,
    TwinWrites,
    Queries,
    Registry,
    Messages,
}

const KINDS: usize = 6;
/// After a 429, a little less than what was taken in the last second.
const CUT: f64 = 0.95;
/// Calls a second when nothing was taken in the last second.
const SLOWEST: f64 = 1.0;
/// Growth a second, of the rate and at least in calls: slow, because each overshoot costs a refused call.
const GROWTH: (f64, f64) = (0.02, 1.0);
/// The same between the first refusal and the second: what was taken before the first one says little, as a burst came too soon
/// for a whole second to be counted.
const GROWTH_AT_FIRST: (f64, f64) = (0.25, 1.0);
/// Slots that were missed by waking late are made up for, up to this much: a busy machine wakes everybody late.
const LATE: Duration = Duration::from_millis(100);
/// A rate above this is no limit.
const UNLIMITED: f64 = 20_000.0;
/// The last second is counted in this many parts.
const PARTS: usize = 10;
const PART: Duration = Duration::from_millis(100);

pub(super) struct Pace {
    lanes: [Mutex<Lane>; KINDS],
    /// Who waits for a slot waits here, in order. Slots are not given ahead of time: a changed rate counts at once.
    queues: [tokio::sync::Mutex<()>; KINDS],
}

/// A permission to send, and when it was given.
#[derive(Clone, Copy)]
pub(super) struct Turn {
    kind: Kind,
    epoch: u64,
}

struct Lane {
    rate: Option<f64>,
    next: Instant,
    grown: Instant,
    /// Counts the cuts: what was sent before the last cut says nothing about the rate since.
    epoch: u64,
    start: Instant,
    taken: [u32; PARTS],
    part: u64,
}

impl Lane {
    fn new(now: Instant) -> Self {
        Self { rate: None, next: now, grown: now, epoch: 0, start: now, taken: [0; PARTS], part: 0 }
    }

    /// Takes the next slot if its time has come.
    fn free(&mut self, now: Instant) -> bool {
        let free = self.next <= now;
        if free && let Some(rate) = self.rate {
            let slot = now.checked_sub(LATE).map_or(now, |late| late.max(self.next));
            self.next = slot + Duration::from_secs_f64(1.0 / rate);
        }
        free
    }

    /// Moves the window of the last second to now.
    fn roll(&mut self, now: Instant) -> usize {
        let part = u64::try_from(now.duration_since(self.start).as_millis() / PART.as_millis()).unwrap_or(u64::MAX);
        for old in (self.part + 1..=part).rev().take(PARTS) {
            self.taken[(old % PARTS as u64) as usize] = 0;
        }
        self.part = part;
        (part % PARTS as u64) as usize
    }

    fn accepted(&mut self, now: Instant) {
        let part = self.roll(now);
        self.taken[part] += 1;
        if let Some(rate) = self.rate {
            let (share, least) = if self.epoch == 1 { GROWTH_AT_FIRST } else { GROWTH };
            let since = now.duration_since(self.grown).as_secs_f64().min(1.0);
            let rate = rate + (rate * share).max(least) * since;
            self.rate = (rate < UNLIMITED).then_some(rate);
            self.grown = now;
        }
    }

    fn refused(&mut self, epoch: u64, now: Instant, wait: Duration) {
        if epoch != self.epoch {
            return;
        }
        self.roll(now);
        let taken = f64::from(self.taken.iter().sum::<u32>());
        let first = self.rate.is_none();
        self.rate = Some((self.rate.map_or(taken, |rate| rate.min(taken)) * CUT).max(SLOWEST));
        self.epoch += 1;
        self.grown = now;
        // The first refusal stops everyone; later ones only slow the rate down, the refused call itself waits.
        if first {
            self.next = self.next.max(now + wait);
        }
    }
}

impl Pace {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            lanes: std::array::from_fn(|_| Mutex::new(Lane::new(now))),
            queues: std::array::from_fn(|_| tokio::sync::Mutex::new(())),
        }
    }

    fn lane<T>(&self, kind: Kind, work: impl FnOnce(&mut Lane) -> T) -> T {
        work(&mut self.lanes[kind as usize].lock().expect("numbers only: no panic while held"))
    }

    /// Waits for its turn.
    pub(super) async fn turn(&self, kind: Kind) -> Turn {
        if self.lane(kind, |lane| lane.rate.is_some() || lane.next > Instant::now()) {
            let _first = self.queues[kind as usize].lock().await;
            while !self.lane(kind, |lane| lane.free(Instant::now())) {
                let at = self.lane(kind, |lane| lane.next);
                tokio::time::sleep_until(at).await;
            }
        }
        Turn { kind, epoch: self.lane(kind, |lane| lane.epoch) }
    }

    /// The hub took the call.
    pub(super) fn accepted(&self, turn: Turn) {
        self.lane(turn.kind, |lane| lane.accepted(Instant::now()));
    }

    /// The hub said 429 and to come back after `wait`.
    pub(super) fn refused(&self, turn: Turn, wait: Duration) {
        self.lane(turn.kind, |lane| lane.refused(turn.epoch, Instant::now(), wait));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::cell::RefCell;

    /// A hub that takes `rate` calls a second out of a bucket of as many.
    struct Bucket {
        rate: f64,
        level: f64,
        at: Instant,
        refusals: u32,
    }

    impl Bucket {
        fn takes(&mut self) -> bool {
            let now = Instant::now();
            self.level = (self.level + now.duration_since(self.at).as_secs_f64() * self.rate).min(self.rate);
            self.at = now;
            let takes = self.level >= 1.0;
            if takes {
                self.level -= 1.0;
            } else {
                self.refusals += 1;
            }
            takes
        }
    }

    async fn run(rate: f64, calls: usize, forks: usize) -> (Duration, u32) {
        let pace = Pace::new();
        let start = Instant::now();
        let bucket = RefCell::new(Bucket { rate, level: rate, at: start, refusals: 0 });
        let left = RefCell::new(calls);
        join_all((0..forks).map(|_| async {
            while left.replace_with(|left| left.saturating_sub(1)) > 0 {
                loop {
                    let turn = pace.turn(Kind::Methods).await;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    if bucket.borrow_mut().takes() {
                        pace.accepted(turn);
                        break;
                    }
                    pace.refused(turn, Duration::from_secs(1));
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }))
        .await;
        (start.elapsed(), bucket.into_inner().refusals)
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_close_to_what_the_hub_takes() {
        for (rate, calls, forks) in
            [(40.0, 1000, 100), (40.0, 1000, 500), (100.0, 1000, 100), (2.0, 60, 50), (500.0, 5000, 200)]
        {
            let (took, refusals) = run(rate, calls, forks).await;
            // A bucket full at once, then at the rate.
            let best = (calls as f64 - rate) / rate;
            assert!(took.as_secs_f64() < best * 1.05, "{rate}/s: {took:?} instead of {best} s");
            assert!((refusals as usize) < forks + 30, "{rate}/s: {refusals}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_slow_down_who_was_never_refused() {
        let (took, refusals) = run(1_000_000.0, 1000, 100).await;
        assert!(took < Duration::from_millis(100), "{took:?}");
        assert_eq!(refusals, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_cut_for_a_burst_and_only_its_own_kind() {
        let pace = Pace::new();
        let turns = [pace.turn(Kind::Queries).await, pace.turn(Kind::Queries).await];
        for turn in turns {
            pace.refused(turn, Duration::from_secs(3));
        }
        let start = Instant::now();
        pace.turn(Kind::Methods).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        pace.turn(Kind::Queries).await;
        pace.turn(Kind::Queries).await;
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(3) && took <= Duration::from_millis(4_010), "{took:?}");
    }
}
