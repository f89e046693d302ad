//! One of the calls that may be in flight at once. A device holds it while it works and gives it back while it sleeps, waits
//! or is waited for.

use std::cell::RefCell;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::deeds::Turn;

/// Calls in flight when neither the play nor `-f` says a number: enough to hide a network's latency, few enough for any hub.
pub(super) const DEFAULT_FORKS: usize = 100;

/// A device's hold on one of the forks.
pub(super) struct Fork {
    forks: Arc<Semaphore>,
    held: RefCell<Option<OwnedSemaphorePermit>>,
}

impl Fork {
    /// A device that starts with a fork in its hand.
    pub(super) fn new(forks: Arc<Semaphore>, held: Option<OwnedSemaphorePermit>) -> Self {
        Self { forks, held: RefCell::new(held) }
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.borrow().is_some()
    }

    /// Gives the fork back, before a wait.
    pub(super) fn release(&self) {
        self.held.borrow_mut().take();
    }

    /// One more, for one call.
    pub(super) async fn turn(&self) -> Turn {
        // The semaphore is never closed: it lives as long as the play.
        Turn::of(Arc::clone(&self.forks).acquire_owned().await.ok())
    }

    /// Takes one again; waits for its turn.
    pub(super) async fn hold(&self) {
        if self.is_held() {
            return;
        }
        // The semaphore is never closed: it lives as long as the play.
        if let Ok(permit) = Arc::clone(&self.forks).acquire_owned().await {
            *self.held.borrow_mut() = Some(permit);
        }
    }
}
