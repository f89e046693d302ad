//! The hub at one moment: its counters, and what only the other rooms know.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Metrics;
use crate::exchange::Exchange;
use crate::faults::Faults;
use crate::files::Files;
use crate::state::HubState;
use crate::telemetry::TelemetryLog;

/// What is looked at.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) state: Arc<HubState>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) telemetry: Arc<TelemetryLog>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) files: Arc<Files>,
}

/// Numbers that are not counted but looked up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Gauges {
    pub(super) connections: usize,
    pub(super) devices: usize,
    pub(super) disabled: usize,
    /// Messages of devices that are kept.
    pub(super) kept: usize,
    /// Cloud-to-device messages that wait.
    pub(super) waiting: usize,
    pub(super) feedback: usize,
    /// Uploads under way.
    pub(super) uploads: usize,
    pub(super) files: usize,
    /// Bytes of files, and of blocks that wait for their list.
    pub(super) file_bytes: u64,
    pub(super) blocks: usize,
    pub(super) commits: u64,
    pub(super) changes: u64,
    pub(super) failures: u64,
    /// Faults that were asked for and are not over.
    pub(super) faults: usize,
}

impl Watched {
    pub(super) fn gauges(&self) -> Gauges {
        let counts = self.state.counts();
        let (waiting, feedback) = self.state.mail_counts();
        let (uploads, files) = self.state.upload_counts();
        let kept = self.files.counts();
        let store = self.state.store_counts();
        Gauges {
            connections: self.exchange.connected(),
            devices: counts.total,
            disabled: counts.disabled,
            kept: self.telemetry.len(),
            waiting,
            feedback,
            uploads,
            files,
            file_bytes: kept.bytes,
            blocks: kept.blocks,
            commits: store.commits,
            changes: store.changes,
            failures: store.failures,
            faults: self.faults.len(),
        }
    }

    /// For people and their programs.
    pub(crate) fn document(&self) -> Value {
        let (metrics, gauges) = (&*self.metrics, self.gauges());
        let calls = metrics.calls();
        let count = |wanted: fn(u16) -> bool| -> u64 {
            let ends = calls.values().flat_map(|ended| &ended.by_status);
            ends.filter(|(status, _)| wanted(**status)).map(|(_, count)| count).sum()
        };
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uptimeSeconds": metrics.uptime().as_secs(),
            "devices": { "total": gauges.devices, "disabled": gauges.disabled, "connected": gauges.connections },
            "connections": {
                "made": metrics.connected.get(),
                "ended": metrics.disconnected.get(),
                "refused": metrics.refused.get(),
            },
            "calls": {
                "all": count(|_| true),
                "refused": count(|status| (400..500).contains(&status)),
                "failed": count(|status| status >= 500),
                "unauthorized": metrics.services_refused.get(),
            },
            "methods": { "called": metrics.methods.get(), "failed": metrics.methods_failed.get() },
            "messagesFromDevices": {
                "taken": metrics.messages.get(),
                "bytes": metrics.message_bytes.get(),
                "kept": gauges.kept,
            },
            "messagesToDevices": { "waiting": gauges.waiting, "feedback": gauges.feedback },
            "uploads": {
                "underWay": gauges.uploads,
                "completed": metrics.uploads_completed.get(),
                "failed": metrics.uploads_failed.get(),
                "expired": metrics.uploads_expired.get(),
                "files": gauges.files,
                "bytes": gauges.file_bytes,
            },
            "throttled": { "devices": metrics.devices_throttled.get(), "services": metrics.services_throttled.get() },
            "faults": { "active": gauges.faults, "shown": metrics.faults_shown() },
            "store": { "commits": gauges.commits, "changes": gauges.changes, "failures": gauges.failures },
        })
    }
}
