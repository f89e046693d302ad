//! The clock of a device's steps: it stands still while the device queues for something that is not its own: a turn in the hub's
//! pace, a `throttle`, a fork, a meeting. No deadline of a step counts that time. Knows nothing of what is waited for.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

tokio::task_local! {
    /// The clock of the step that is being polled. Reads of facts and the requests of a client know no step, and queue all the same.
    static CLOCK: Arc<StepClock>;
}

/// A device's clock.
#[derive(Default)]
pub(crate) struct StepClock {
    state: Mutex<State>,
    moved: Notify,
    /// The clock of the script that called the step: it stands still as well.
    outer: Option<Arc<StepClock>>,
}

#[derive(Default)]
struct State {
    /// How many reasons there are to stand still, and since when there is one.
    reasons: usize,
    since: Option<Instant>,
    /// Time that it stood still before.
    stood: Duration,
}

impl StepClock {
    /// A clock that goes; inside of a step that a script called, one that stops the script's too.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { outer: CLOCK.try_with(Arc::clone).ok(), ..Self::default() })
    }

    /// Runs something whose queueing stops this clock.
    pub(super) fn over<F: Future>(self: &Arc<Self>, work: F) -> impl Future<Output = F::Output> {
        CLOCK.scope(Arc::clone(self), work)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("numbers only: no panic while held")
    }

    /// How long it has stood still until now.
    pub(super) fn stood(&self) -> Duration {
        let state = self.state();
        state.stood + state.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Stands still until the guard is dropped.
    pub(super) fn stop(self: &Arc<Self>) -> Still {
        let mut next = Some(self);
        while let Some(clock) = next {
            let mut state = clock.state();
            state.reasons += 1;
            state.since = state.since.or_else(|| Some(Instant::now()));
            next = clock.outer.as_ref();
        }
        Still(Some(Arc::clone(self)))
    }

    fn go(&self) {
        let mut state = self.state();
        state.reasons = state.reasons.saturating_sub(1);
        if state.reasons == 0 {
            let now = state.since.take().map_or(Duration::ZERO, |since| since.elapsed());
            state.stood += now;
            drop(state);
            self.moved.notify_waiters();
        }
    }

    /// The future's result, or nothing when it takes longer by this clock.
    pub(super) async fn within<T>(&self, allowed: Duration, work: impl Future<Output = T>) -> Option<T> {
        let (start, stood) = (Instant::now(), self.stood());
        let mut work = std::pin::pin!(work);
        loop {
            let moved = self.moved.notified();
            let stands = self.state().since.is_some();
            let deadline = start + allowed + self.stood().saturating_sub(stood);
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                () = moved, if stands => {}
                () = tokio::time::sleep_until(deadline), if !stands => {
                    let late = start + allowed + self.stood().saturating_sub(stood);
                    if self.state().since.is_none() && late <= Instant::now() {
                        return None;
                    }
                }
            }
        }
    }
}

/// The future's result, or nothing when it takes longer; what it queues (see [`stand_still`]) is not counted.
pub async fn within<T>(allowed: Duration, work: impl Future<Output = T>) -> Option<T> {
    let clock = StepClock::new();
    clock.within(allowed, clock.over(work)).await
}

/// A step's clock stands still while this lives. Whoever drops it makes the clock go on.
#[must_use = "the clock goes on when this is dropped"]
pub struct Still(Option<Arc<StepClock>>);

impl Drop for Still {
    fn drop(&mut self) {
        let mut next = self.0.as_ref();
        while let Some(clock) = next {
            clock.go();
            next = clock.outer.as_ref();
        }
    }
}

/// Stops the clock of the step that is being run: for whoever lets a call queue before it is sent. Outside of a step it does nothing.
pub fn stand_still() -> Still {
    CLOCK.try_with(StepClock::stop).unwrap_or(Still(None))
}

/// How long the present step's clock has stood still, in all; nothing outside of a step.
pub fn stood_still() -> Duration {
    CLOCK.try_with(|clock| clock.stood()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_deadline_does_not_count_the_time_of_a_queue() {
        for (queues, works, done) in [(0, 1, true), (0, 3, false), (60, 1, true), (60, 3, false)] {
            let clock = StepClock::new();
            let work = clock.over(async {
                tokio::time::sleep(SECOND / 2).await;
                let first = stand_still();
                let second = stand_still();
                tokio::time::sleep(SECOND * queues).await;
                drop((first, second));
                tokio::time::sleep(SECOND * works).await;
            });
            let start = Instant::now();
            assert_eq!(clock.within(SECOND * 2, work).await.is_some(), done, "{queues} {works}");
            let took = SECOND * queues + if done { SECOND / 2 + SECOND * works } else { SECOND * 2 };
            assert_eq!(start.elapsed(), took);
            assert_eq!(clock.stood(), SECOND * queues);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_script_calls_stops_the_clock_of_the_script_too() {
        let outer = StepClock::new();
        let calls = outer.over(async {
            let inner = StepClock::new();
            let queues = inner.over(async {
                let _still = stand_still();
                tokio::time::sleep(SECOND * 60).await;
            });
            inner.within(SECOND, queues).await.expect("it only queued");
        });
        outer.within(SECOND, calls).await.expect("what it called only queued");
        assert_eq!(outer.stood(), SECOND * 60);
        let _nothing = stand_still();
        assert_eq!(stood_still(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_dropped_in_a_queue_leaves_the_clock_going() {
        let clock = StepClock::new();
        let queues = clock.over(async {
            let _still = stand_still();
            std::future::pending::<()>().await;
        });
        let _ = tokio::time::timeout(SECOND, queues).await;
        assert!(clock.within(SECOND, std::future::pending::<()>()).await.is_none());
        assert_eq!(clock.stood(), SECOND);
    }
}
