//! Ends messages whose time is over, whether or not their device ever comes. One look a second at the next one; nothing else.

use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;
use wire::limits::C2D_LOCK;
use wire::{DeviceId, MessageEnd};

use super::actions::end;
use super::queue::Expiry;
use crate::state::HubState;
use crate::state::hub_state::{Change, Inner};
use crate::store::Write;

/// Between two looks: how late a message's end may be noticed.
const EVERY: Duration = Duration::from_secs(1);
/// Messages in one change: as many as the store commits at once.
const AT_ONCE: usize = 200;

impl HubState {
    /// Until told to stop.
    pub(crate) async fn keep_messages(&self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            while self.expire_messages().await {}
        }
    }

    /// Ends those that are over by now; whether there may be more.
    pub(super) async fn expire_messages(&self) -> bool {
        let now = self.clock.now();
        let due = |inner: &Inner| inner.mail.expiries.keys().next().is_some_and(|(expires, _)| *expires <= now);
        if !due(&self.inner()) {
            return false;
        }
        let swept = self
            .change(|inner| {
                let (mut writes, mut seen) = (Vec::new(), 0);
                while seen < AT_ONCE && due(inner) {
                    let Some((place, device)) = inner.mail.expiries.pop_first() else { break };
                    seen += 1;
                    writes.extend(expire(inner, place, device, now));
                }
                Ok(Change { answer: seen == AT_ONCE, writes, effects: Vec::new() })
            })
            .await;
        swept.unwrap_or_else(|error| {
            tracing::warn!(message = error.message, "the end of messages is not on the disk");
            false
        })
    }
}

fn expire(inner: &mut Inner, place: (SystemTime, u64), device: DeviceId, now: SystemTime) -> Vec<Write> {
    match inner.registry.change_queue(&device, |queue| queue.expire(place.1, now)) {
        Some(Expiry::Expired(pending)) => end(inner, &device, [(pending, MessageEnd::Expired)], now),
        Some(Expiry::Later) => {
            // Its holder may acknowledge it as long as a lock lasts, or go away.
            inner.mail.expiries.insert((now + C2D_LOCK, place.1), device);
            Vec::new()
        }
        Some(Expiry::Gone) | None => Vec::new(),
    }
}
