//! The pace of one kind of calls: free until the hub says 429, then at the rate that it took, carefully growing; never faster than
//! the tier allows, if that is known. Pure: every moment is given.

use std::time::Duration;

use tokio::time::Instant;
use wire::Rate;

/// After a 429, a little less than what was taken in the last window.
const CUT: f64 = 0.95;
/// Calls a window when nothing was taken in the last one.
const SLOWEST: f64 = 1.0;
/// Growth a window, of the rate and at least in calls (but no more than a tenth): slow, because each overshoot costs a refused call.
const GROWTH: (f64, f64) = (0.02, 1.0);
/// The same between the first refusal and the second: what was taken before the first one says little, as a burst came too soon
/// for a whole window to be counted.
const GROWTH_AT_FIRST: (f64, f64) = (0.25, 1.0);
/// A slow rate would soon be doubled by whole calls.
const MOST_GROWTH: f64 = 0.1;
/// Slots that were missed by waking late are made up for, up to this much: a busy machine wakes everybody late.
const LATE: Duration = Duration::from_millis(100);
/// The part of a window's calls that may go at once when the tier is known. The hub grants a whole window's; the rest is for those
/// who share it, and for calls that bunch on the way.
const BURST: f64 = 0.5;
/// Calls a second above which a rate is no limit.
const UNLIMITED: f64 = 20_000.0;
/// The last window is counted in this many parts.
const PARTS: u32 = 10;

/// A call that was sent.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub(super) at: Instant,
    pub(super) cost: u32,
    pub(super) epoch: u64,
}

/// The state of one kind.
pub(super) struct Lane {
    /// In which the hub counts: a second or a minute.
    window: Duration,
    /// What the tier allows in a window.
    tier: Option<f64>,
    /// Calls a window; none is no limit.
    rate: Option<f64>,
    /// When the next call may go; in the past, so much can be made up for.
    next: Instant,
    /// Nothing goes between these: `Retry-After`, or the first refusal.
    closed: (Instant, Instant),
    grown: Instant,
    /// Counts the cuts: what was sent before the last cut says nothing about the rate since.
    epoch: u64,
    /// The epoch that began with the first refusal.
    unlimited_before: Option<u64>,
    start: Instant,
    /// Calls that were sent and not refused, by parts of the last window. Counted when they are sent: a device may take its time
    /// for the answer, while a refusal comes at once.
    taken: [u32; PARTS as usize],
    part: u64,
    /// When the hub took a call last.
    pub(super) accepted_at: Option<Instant>,
}

impl Lane {
    pub(super) fn new(window: Duration, now: Instant) -> Self {
        Self {
            window,
            tier: None,
            rate: None,
            next: now,
            closed: (now, now),
            grown: now,
            epoch: 0,
            unlimited_before: None,
            start: now,
            taken: [0; PARTS as usize],
            part: 0,
            accepted_at: None,
        }
    }

    /// From now on no faster than this.
    pub(super) fn limit(&mut self, rate: Rate, now: Instant) {
        let count = f64::from(rate.count);
        self.window = rate.window;
        // A rate that the hub itself taught stays; one that only a tier gave is replaced.
        let learned = self.rate.filter(|_| self.rate != self.tier);
        self.tier = Some(count);
        self.rate = Some(learned.map_or(count, |rate| rate.min(count)));
        self.next = back(now, self.credit());
    }

    /// Whether calls are let through as they come.
    pub(super) fn is_free(&self, now: Instant) -> bool {
        self.rate.is_none() && self.closed.1 <= now
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// One call's share of time.
    fn interval(&self) -> Option<Duration> {
        self.rate.map(|rate| self.window.div_f64(rate))
    }

    /// How much of what was not used can be made up for.
    fn credit(&self) -> Duration {
        if self.tier.is_some() && self.rate == self.tier { self.window.mul_f64(BURST) } else { LATE }
    }

    /// The turn of the next call; what was missed is made up for as far as that goes. While nothing was let through the hub's own
    /// bucket has filled again.
    fn first(&self, now: Instant) -> Instant {
        let (from, until) = self.closed;
        let back = back(now, self.credit());
        let shut = back_to(from, until, self.window.mul_f64(BURST));
        let reopened = from < until && now < until + LATE;
        let credit = if reopened { back.min(shut) } else { back };
        self.next.max(credit)
    }

    /// When a call that asks now may go.
    fn opens(&self, now: Instant) -> Instant {
        let paced = if self.rate.is_some() { self.next } else { now };
        paced.max(self.closed.1)
    }

    /// Takes the next turn for a call that counts for `cost`, or says when to ask again.
    pub(super) fn take(&mut self, cost: u32, now: Instant) -> Result<(), Instant> {
        let opens = self.opens(now);
        if opens > now {
            return Err(opens);
        }
        if let Some(interval) = self.interval() {
            self.next = self.first(now) + interval.saturating_mul(cost);
        }
        Ok(())
    }

    /// How long until the last of so many calls gets its turn; none when nothing paces them.
    pub(super) fn turns(&self, count: usize, now: Instant) -> Option<Duration> {
        let shut = self.closed.1.saturating_duration_since(now);
        let Some(interval) = self.interval() else { return (!shut.is_zero()).then_some(shut) };
        let first = self.first(now);
        let spread = interval.mul_f64(count.saturating_sub(1) as f64);
        Some((first + spread).saturating_duration_since(now).max(shut))
    }

    /// How many calls get their turn within so long; none when nothing paces them.
    pub(super) fn within(&self, limit: Duration, now: Instant) -> Option<usize> {
        if self.closed.1 > now + limit {
            return Some(0);
        }
        let interval = self.interval()?;
        let room = (now + limit).checked_duration_since(self.first(now));
        Some(room.map_or(0, |room| (room.as_secs_f64() / interval.as_secs_f64()) as usize + 1))
    }

    /// A call is sent.
    pub(super) fn sent(&mut self, cost: u32, now: Instant) {
        let part = self.roll(now);
        self.taken[part] = self.taken[part].saturating_add(cost);
    }

    /// The hub took a call.
    pub(super) fn accepted(&mut self, now: Instant) {
        self.accepted_at = Some(now);
        if let Some(rate) = self.rate {
            let (share, least) = if self.epoch == 1 { GROWTH_AT_FIRST } else { GROWTH };
            let windows = now.duration_since(self.grown).div_duration_f64(self.window).min(1.0);
            let rate = rate + (rate * share).max(least.min(rate * MOST_GROWTH)) * windows;
            self.rate = match self.tier {
                Some(tier) => Some(rate.min(tier)),
                None => (rate < UNLIMITED * self.window.as_secs_f64()).then_some(rate),
            };
            self.grown = now;
        }
    }

    /// The hub said 429 to a call: to come back after `retry_after` if it said so, else after `pause`.
    pub(super) fn refused(&mut self, call: Sent, retry_after: Option<Duration>, pause: Duration, now: Instant) {
        self.roll(now);
        self.take_back(call);
        if let Some(wait) = retry_after {
            self.close(now, wait);
        }
        let taken = f64::from(self.taken.iter().sum::<u32>());
        // Of the burst that met the first refusal each further one tells more exactly what was taken.
        let of_first = self.unlimited_before == Some(self.epoch) && call.epoch + 1 == self.epoch;
        if call.epoch != self.epoch && !of_first {
            return;
        }
        let first = self.rate.is_none();
        self.grown = now;
        if of_first {
            self.rate = self.rate.map(|rate| rate.min(taken * CUT).max(SLOWEST));
            return;
        }
        self.rate = Some((self.rate.map_or(taken, |rate| rate.min(taken)) * CUT).max(SLOWEST));
        self.epoch += 1;
        self.unlimited_before = first.then_some(self.epoch);
        // The first refusal stops everyone; later ones only slow the rate down, the refused call itself waits.
        if first {
            self.close(now, pause);
        }
    }

    /// A call that was refused was not taken.
    fn take_back(&mut self, call: Sent) {
        let part = self.part_of(call.at);
        if self.part - part < u64::from(PARTS) {
            let taken = &mut self.taken[(part % u64::from(PARTS)) as usize];
            *taken = taken.saturating_sub(call.cost);
        }
    }

    fn close(&mut self, now: Instant, wait: Duration) {
        let (from, until) = self.closed;
        // One that is closed already has been since then.
        self.closed = (if until < now { now } else { from }, until.max(now + wait));
    }

    fn part_of(&self, at: Instant) -> u64 {
        (at.duration_since(self.start).as_nanos() / (self.window / PARTS).as_nanos()) as u64
    }

    /// Moves the counts of the last window to now.
    fn roll(&mut self, now: Instant) -> usize {
        let parts = u64::from(PARTS);
        let part = self.part_of(now);
        for old in (self.part + 1..=part).rev().take(PARTS as usize) {
            self.taken[(old % parts) as usize] = 0;
        }
        self.part = part;
        (part % parts) as usize
    }
}

/// From `until` back to `from`, and no further than `by`.
fn back_to(from: Instant, until: Instant, by: Duration) -> Instant {
    from.max(back(until, by))
}

/// So much before now; now where the clock does not reach back that far.
fn back(now: Instant, by: Duration) -> Instant {
    now.checked_sub(by).unwrap_or(now)
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
