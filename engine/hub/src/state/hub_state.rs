//! The state and the one way to change it: take a place in the store's queue, change memory, queue the writes, wait for the
//! disk, let the consequences reach the connections. The order of changes in memory is the order on the disk.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use base::Clock;
use rand::rngs::StdRng;
use tokio::sync::{Notify, oneshot};
use wire::{ErrorCode, HubError, Identity, SasKey};

use super::authorities::Authorities;
use super::effect::Effect;
use super::jobs::Jobs;
use super::messages::Mail;
use super::registry::{Counts, Registry};
use super::rules::not_found;
use super::uploads::Uploads;
use crate::auth::ServiceAuth;
use crate::dps::{Links, Provisioning};
use crate::exchange::Exchange;
use crate::store::{Store, StoreCounts, StoreFailed, Write};

/// See the module's description. Shared by all parts of a hub.
pub(crate) struct HubState {
    pub(super) clock: Clock,
    pub(super) auth: ServiceAuth,
    pub(super) store: Store,
    pub(super) exchange: Arc<Exchange>,
    pub(super) inner: Mutex<Inner>,
    /// For whoever runs jobs: look again.
    pub(super) jobs_wake: Notify,
    /// For whoever waits for uploads: look again.
    pub(super) uploads_changed: Notify,
    /// The hubs that devices can be assigned to.
    pub(super) links: OnceLock<Links>,
}

/// What the lock guards.
pub(crate) struct Inner {
    pub(super) registry: Registry,
    pub(super) jobs: Jobs,
    pub(super) authorities: Authorities,
    pub(super) provisioning: Provisioning,
    pub(super) mail: Mail,
    pub(super) uploads: Uploads,
    /// Etags.
    pub(super) rng: StdRng,
    pub(super) last_generation: u64,
    /// Whose times are not on the disk yet; at most as many as there are identities.
    pub(super) seen: HashSet<Identity>,
}

/// What a change amounts to.
pub(super) struct Change<T> {
    pub(super) answer: T,
    pub(super) writes: Vec<Write>,
    pub(super) effects: Vec<Effect>,
}

impl<T> Change<T> {
    pub(super) fn without_answer(self) -> Change<()> {
        Change { answer: (), writes: self.writes, effects: self.effects }
    }
}

impl HubState {
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn auth(&self) -> &ServiceAuth {
        &self.auth
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().expect("rules refuse by value: nothing panics while the state is held");
        inner.registry.catch_up();
        inner
    }

    /// Changes the state, and returns when the change is durable. Once made, a change and its consequences happen even if the
    /// asker goes away. A refusal changes nothing.
    pub(super) async fn change<T>(
        &self,
        make: impl FnOnce(&mut Inner) -> Result<Change<T>, HubError>,
    ) -> Result<T, HubError> {
        let slot = self.store.slot().await.map_err(|failed| busy(&failed))?;
        let (durable, done) = oneshot::channel();
        let answer = {
            let mut inner = self.inner();
            let Change { answer, writes, effects } = make(&mut inner)?;
            let exchange = Arc::clone(&self.exchange);
            let written = move |result: Result<(), StoreFailed>| {
                for effect in effects {
                    effect.apply(&exchange);
                }
                // The asker may be gone.
                let _ = durable.send(result);
            };
            self.store.write(slot, writes, Box::new(written));
            answer
        };
        match done.await {
            Ok(Ok(())) => Ok(answer),
            Ok(Err(failed)) => Err(HubError::new(ErrorCode::SERVER_ERROR, failed.to_string())),
            Err(_) => Err(HubError::new(ErrorCode::SERVICE_UNAVAILABLE, "the hub is stopping")),
        }
    }

    /// Brings every change to the disk and takes no more.
    pub(crate) fn close(&self) {
        self.store.close();
    }

    pub(crate) fn store_counts(&self) -> StoreCounts {
        self.store.counts()
    }

    /// Cloud-to-device messages that wait, and feedback that nobody has read.
    pub(crate) fn mail_counts(&self) -> (usize, usize) {
        self.inner().mail.counts()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.inner().registry.counts()
    }

    /// Refuses what is not registered or is disabled (404001 both, as documented).
    pub(crate) fn expect_enabled(&self, identity: &Identity) -> Result<(), HubError> {
        let inner = self.inner();
        let device = Identity::device(identity.device.clone());
        if !inner.registry.get(&device).is_some_and(|device| device.record.is_enabled()) {
            return Err(not_found(&device));
        }
        inner.registry.get(identity).map(|_| ()).ok_or_else(|| not_found(identity))
    }

    /// The first key of an identity that logs in with keys.
    pub(crate) fn primary_key(&self, identity: &Identity) -> Option<SasKey> {
        self.inner().registry.get(identity)?.record.keys().next().cloned()
    }
}

fn busy(failed: &StoreFailed) -> HubError {
    HubError::new(ErrorCode::SERVER_BUSY, failed.to_string())
}
