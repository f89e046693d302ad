//! How many jobs of this process are at the hub at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The largest tier runs ten jobs at once; smaller ones say 429004, and the next job waits.
const JOBS: usize = 10;

/// Shared by all verbs.
#[derive(Clone)]
pub(crate) struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(JOBS)))
    }
}

impl Places {
    /// Waits for a place.
    pub(super) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed: it lives as long as the plugin.
        Arc::clone(&self.0).acquire_owned().await.ok()
    }

    /// Places in use: who looks after several jobs looks at each of them less often.
    pub(super) fn taken(&self) -> u32 {
        u32::try_from(JOBS - self.0.available_permits()).unwrap_or(1).max(1)
    }
}
