//! The state as the MQTT side needs it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wire::dps::RegistrationOperation;
use wire::{HubError, Identity, Username};

use super::HubState;
use super::hub_state::Change;
use super::identities::write_twin;
use super::messages::Queue;
use super::rules::not_found;
use crate::seam::{Ask, Backing, Delivery, Login, Proof, ProvisionRefused, Refused, Subscription};
use crate::store::{Table, Write};

/// A subscription on the disk: the filter as it was asked for.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSubscription {
    filter: String,
    qos: u8,
}

/// A kept session on the disk.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSession {
    subscriptions: Vec<StoredSubscription>,
}

/// A session as read from the disk.
pub(super) fn read_session(json: &[u8]) -> Result<Box<[Subscription]>, String> {
    let stored: StoredSession = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let read = |stored: StoredSubscription| {
        let filter = stored.filter.parse().map_err(|_| format!("`{}` is not a filter", stored.filter))?;
        Ok(Subscription { filter, qos: stored.qos })
    };
    stored.subscriptions.into_iter().map(read).collect()
}

fn write_session(identity: &Identity, session: Option<&[Subscription]>) -> Write {
    let key = identity.to_string();
    let Some(session) = session else { return Write::remove(Table::Sessions, key) };
    let stored = |kept: &Subscription| StoredSubscription { filter: kept.filter.to_string(), qos: kept.qos };
    let stored = StoredSession { subscriptions: session.iter().map(stored).collect() };
    Write::put(Table::Sessions, key, serde_json::to_vec(&stored).expect("plain fields with text keys are JSON"))
}

impl Backing for HubState {
    fn login(&self, username: &Username, client_id: &str, proof: Proof<'_>) -> Result<Login, Refused> {
        self.judge_connect(username, client_id, proof)
    }

    async fn provision(&self, ask: Ask<'_>) -> Result<RegistrationOperation, ProvisionRefused> {
        self.answer_provisioning(ask).await
    }

    fn twin_for_device(&self, identity: &Identity) -> Result<Bytes, HubError> {
        let inner = self.inner();
        let entry = inner.registry.get(identity).ok_or_else(|| not_found(identity))?;
        Ok(entry.twin.device_json().into())
    }

    async fn patch_reported(&self, identity: &Identity, patch: &[u8]) -> Result<u64, HubError> {
        self.change(|inner| {
            let now = self.clock.now();
            let mut entry = inner.registry.get_mut(identity).ok_or_else(|| not_found(identity))?;
            let answer = entry.twin.patch_reported(patch, now)?;
            entry.record.activity = Some(now);
            let writes = vec![write_twin(identity, &entry.twin)];
            drop(entry);
            inner.seen.insert(identity.clone());
            Ok(Change { answer, writes, effects: Vec::new() })
        })
        .await
    }

    fn set_connected(&self, identity: &Identity, connected: bool) {
        let mut inner = self.inner();
        if identity.module.is_none() && inner.registry.queue(&identity.device).flatten().is_some() {
            // Who comes holds nothing yet, who goes nothing more.
            inner.registry.change_queue(&identity.device, Queue::release);
        }
        inner.registry.note_connection(identity, connected, self.clock.now());
        if inner.registry.get(identity).is_some() {
            inner.seen.insert(identity.clone());
        }
    }

    async fn take_messages(&self, identity: &Identity, room: usize, settle: bool) -> Vec<Delivery> {
        // Modules have none: their device's are not theirs.
        if identity.module.is_some() {
            return Vec::new();
        }
        self.take(&identity.device, room, settle).await
    }

    async fn settle_message(&self, identity: &Identity, sequence: u64) {
        self.settle(&identity.device, sequence).await;
    }

    fn note_activity(&self, identity: &Identity) {
        let mut inner = self.inner();
        let now = self.clock.now();
        if inner.registry.note_activity(identity, now) && !inner.seen.contains(identity) {
            inner.seen.insert(identity.clone());
        }
    }

    fn load_session(&self, identity: &Identity) -> Option<Vec<Subscription>> {
        self.inner().registry.get(identity)?.session.as_deref().map(<[_]>::to_vec)
    }

    async fn store_session(&self, identity: &Identity, session: Option<Vec<Subscription>>) {
        let stored = self
            .change(|inner| {
                let mut entry = inner.registry.get_mut(identity).ok_or_else(|| not_found(identity))?;
                let write = write_session(identity, session.as_deref());
                entry.session = session.map(Vec::into_boxed_slice);
                Ok(Change { answer: (), writes: vec![write], effects: Vec::new() })
            })
            .await;
        if let Err(error) = stored {
            // Deleted in the meantime, or a disk that refuses: the store said so already.
            tracing::debug!(%identity, message = error.message, "a session is not kept");
        }
    }
}
