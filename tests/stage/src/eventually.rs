//! Waiting for something to become true, with a deadline: the tests' only way to wait.

use std::time::{Duration, Instant};

/// Between two looks: short enough not to be felt, long enough not to take the processor from what is waited for.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until `look` gives a value.
///
/// # Panics
/// When it has not given one before the deadline; `what` says what was waited for.
pub fn eventually<T>(deadline: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < deadline, "after {deadline:?}, still not: {what}");
        std::thread::sleep(PAUSE);
    }
}
