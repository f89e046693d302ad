//! What is wrong with one connection's bytes: set by whoever shows faults, obeyed by the connection's stream. A sound connection
//! costs one look at an atomic.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Waker};

use tokio::time::Instant;

/// Shared by a stream and the rest of the hub.
#[derive(Debug, Default)]
pub(crate) struct Strain {
    /// Whether there is anything to look at below.
    strained: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    silence: Option<Silence>,
    pace: Pace,
    reset: bool,
    /// The connection's task, while it waits for the end of a silence.
    task: Option<Waker>,
}

/// How long nothing goes either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    Until(Instant),
    ForGood,
}

/// How bytes go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    /// So many a second, each way.
    pub(crate) rate: Option<u32>,
    /// One by one.
    pub(crate) slices: bool,
}

impl Strain {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("plain data: nothing panics while it is held")
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let strained = state.silence.is_some() || state.pace != Pace::default();
        self.strained.store(strained, Ordering::Relaxed);
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Nothing goes either way until then.
    pub(crate) fn stall(&self, until: Instant) {
        self.change(|state| {
            if state.silence != Some(Silence::ForGood) {
                state.silence = Some(Silence::Until(until));
            }
        });
    }

    /// Nothing goes either way any more.
    pub(crate) fn fall_silent(&self) {
        self.change(|state| state.silence = Some(Silence::ForGood));
    }

    /// Ends a silence.
    pub(crate) fn speak(&self) {
        self.change(|state| state.silence = None);
    }

    /// From now on bytes go like this.
    pub(crate) fn go(&self, pace: Pace) {
        if self.state().pace != pace {
            self.change(|state| state.pace = pace);
        }
    }

    /// When the connection is closed, its peer shall see a reset.
    pub(crate) fn end_with_reset(&self) {
        self.state().reset = true;
    }

    pub(super) fn ends_with_reset(&self) -> bool {
        self.state().reset
    }

    pub(super) fn is_sound(&self) -> bool {
        !self.strained.load(Ordering::Relaxed)
    }

    /// The silence, which is over if its time is; the task is woken when that changes.
    pub(super) fn silence(&self, cx: &Context<'_>) -> Option<Silence> {
        let mut state = self.state();
        let silence = state.silence.filter(|silence| !matches!(silence, Silence::Until(at) if *at <= Instant::now()));
        if silence.is_some() {
            state.task = Some(cx.waker().clone());
            return silence;
        }
        state.silence = None;
        self.strained.store(state.pace != Pace::default(), Ordering::Relaxed);
        None
    }

    pub(super) fn pace(&self) -> Pace {
        self.state().pace
    }
}
