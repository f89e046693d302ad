//! A sign of life from the hub's thread, for a service manager's watchdog. Measures nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts the beats of a hub; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// Beats so far, one a second.
    pub fn beats(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn beat(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}
