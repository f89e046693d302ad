//! The counters, and the ear that fills most of them: whatever happens in the hub is told as an event.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;
use wire::blob::UploadStatus;

use super::calls::{Calls, Ended};
use crate::seam::{HubEvent, HubLog};

/// See the module's description. One per hub.
#[derive(Debug)]
pub(crate) struct Metrics {
    since: Instant,
    calls: Calls,
    pub(super) messages: Count,
    pub(super) message_bytes: Count,
    pub(super) connected: Count,
    pub(super) disconnected: Count,
    pub(super) refused: Count,
    pub(super) services_refused: Count,
    pub(super) devices_throttled: Count,
    pub(super) services_throttled: Count,
    pub(super) methods: Count,
    pub(super) methods_failed: Count,
    /// By kind: a few, and only where something was asked for.
    faults: Mutex<BTreeMap<&'static str, u64>>,
    pub(super) uploads_completed: Count,
    pub(super) uploads_failed: Count,
    pub(super) uploads_expired: Count,
    pub(super) uploaded_bytes: Count,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            since: Instant::now(),
            calls: Calls::default(),
            messages: Count::default(),
            message_bytes: Count::default(),
            connected: Count::default(),
            disconnected: Count::default(),
            refused: Count::default(),
            services_refused: Count::default(),
            devices_throttled: Count::default(),
            services_throttled: Count::default(),
            methods: Count::default(),
            methods_failed: Count::default(),
            faults: Mutex::default(),
            uploads_completed: Count::default(),
            uploads_failed: Count::default(),
            uploads_expired: Count::default(),
            uploaded_bytes: Count::default(),
        }
    }

    /// A sink that counts every event and passes it on.
    pub(crate) fn before(self: &Arc<Self>, log: HubLog) -> HubLog {
        let metrics = Arc::clone(self);
        HubLog::new(move |event| {
            metrics.hear(&event);
            log.say(event);
        })
    }

    fn hear(&self, event: &HubEvent) {
        match event {
            HubEvent::Connected { .. } => self.connected.add(1),
            HubEvent::Disconnected { .. } => self.disconnected.add(1),
            HubEvent::Refused { .. } => self.refused.add(1),
            HubEvent::ServiceRefused { .. } => self.services_refused.add(1),
            HubEvent::Telemetry(message) => {
                self.messages.add(1);
                self.message_bytes.add(message.body.len() as u64);
            }
            HubEvent::Throttled { identity: Some(_), .. } => self.devices_throttled.add(1),
            HubEvent::Throttled { identity: None, .. } => self.services_throttled.add(1),
            HubEvent::FaultShown { kind, .. } => {
                let mut faults = self.faults.lock().expect("numbers only: nothing panics while they are held");
                *faults.entry(kind).or_default() += 1;
            }
            HubEvent::FaultAsked { .. } => {}
            HubEvent::Uploaded(upload) => match upload.status {
                UploadStatus::Completed => {
                    self.uploads_completed.add(1);
                    self.uploaded_bytes.add(upload.blob_size_in_bytes.unwrap_or(0));
                }
                UploadStatus::Failed => self.uploads_failed.add(1),
                UploadStatus::Expired => self.uploads_expired.add(1),
                UploadStatus::Pending => {}
            },
            HubEvent::MethodCalled { outcome, .. } => {
                self.methods.add(1);
                self.methods_failed.add(u64::from(outcome.is_err()));
            }
        }
    }

    /// A REST call is over.
    pub(crate) fn called(&self, name: &'static str, status: u16, took: Duration) {
        self.calls.ended(name, status, took);
    }

    pub(super) fn calls(&self) -> BTreeMap<&'static str, Ended> {
        self.calls.all()
    }

    /// How often faults have shown, by kind.
    pub(super) fn faults(&self) -> BTreeMap<&'static str, u64> {
        self.faults.lock().expect("numbers only: nothing panics while they are held").clone()
    }

    pub(super) fn faults_shown(&self) -> u64 {
        self.faults().values().sum()
    }

    /// How long the hub has run.
    pub(super) fn uptime(&self) -> Duration {
        self.since.elapsed()
    }
}
