//! The wall clock of a case: it stands where the case says, and goes on with virtual time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base::Clock;
use tokio::time::Instant;

/// Turns the clock that it made.
#[derive(Clone, Debug)]
pub(super) struct Hand(Arc<Mutex<Face>>);

#[derive(Clone, Copy, Debug)]
struct Face {
    start: SystemTime,
    /// When the case began; none between cases.
    since: Option<Instant>,
    /// Time that passed only because somebody looked whether anything still goes on.
    looking: Duration,
}

impl Hand {
    /// A clock and its hand.
    pub(super) fn new() -> (Clock, Self) {
        let face = Arc::new(Mutex::new(Face { start: UNIX_EPOCH, since: None, looking: Duration::ZERO }));
        let seen = Arc::clone(&face);
        let read = move || {
            let face = *seen.lock().expect("plain data: no panic while held");
            let gone = face.since.map_or(Duration::ZERO, |since| since.elapsed().saturating_sub(face.looking));
            face.start + gone
        };
        (Clock::of(read), Self(face))
    }

    /// A case begins at this moment. Called inside its runtime.
    pub(super) fn begin(&self, start: SystemTime) {
        *self.0.lock().expect("plain data: no panic while held") =
            Face { start, since: Some(Instant::now()), looking: Duration::ZERO };
    }

    /// So much time does not count.
    pub(super) fn leave_out(&self, time: Duration) {
        self.0.lock().expect("plain data: no panic while held").looking += time;
    }

    /// The case is over.
    pub(super) fn end(&self) {
        let mut face = self.0.lock().expect("plain data: no panic while held");
        face.since = None;
    }
}
