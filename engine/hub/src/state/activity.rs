//! Brings connection states and times to the disk now and then: they change with every connection, and nobody waits for them.
//! A hub that is killed forgets the last few seconds of them; one that stops forgets nothing.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use wire::Identity;

use super::HubState;
use super::hub_state::Change;
use super::identities::write_identity;

/// Between two rounds: what a kill may lose. A fleet of 10,000 that connects within it costs 50 commits.
const EVERY: Duration = Duration::from_secs(10);
/// Identities in one change: as many as the store commits at once.
const AT_ONCE: usize = 200;

impl HubState {
    /// Until told to stop, and once more then.
    pub(crate) async fn keep_activity(&self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            self.write_activity().await;
        }
        self.write_activity().await;
    }

    async fn write_activity(&self) {
        let seen: Vec<Identity> = std::mem::take(&mut self.inner().seen).into_iter().collect();
        for identities in seen.chunks(AT_ONCE) {
            let written = self
                .change(|inner| {
                    // One that was deleted meanwhile has no document any more.
                    let found =
                        identities.iter().filter_map(|identity| Some((identity, inner.registry.get(identity)?)));
                    let writes = found.map(|(identity, entry)| write_identity(identity, &entry.record)).collect();
                    Ok(Change { answer: (), writes, effects: Vec::new() })
                })
                .await;
            if let Err(error) = written {
                tracing::warn!(message = error.message, "times of activity are not on the disk");
            }
        }
    }
}
