//! The local IoT Hub: official SDKs connect to it unchanged, over real TLS sockets. What it does not support it says.
//! Has no scripts and no business: devices and operators bring those.

mod auth;
mod config;
mod data_dir;
mod dps;
mod exchange;
mod faults;
mod files;
mod fingerprint;
mod hub;
mod jobs;
mod link;
mod listen;
mod metrics;
mod mqtt;
mod pulse;
mod query;
mod quota;
mod rest;
mod seam;
mod seed;
mod snapshot;
mod state;
mod store;
mod telemetry;
mod tls;
mod watch;

#[cfg(test)]
mod tests;

pub use config::{Data, HTTPS_PORT, HubConfig, HubStartError, MQTT_PORT, Restore, SERVICE_PORT};
pub use data_dir::{DataDirError, Endpoint, find};
pub use dps::LinkedHub;
pub use faults::FaultProfile;
pub use files::FileLimits;
pub use hub::{Hub, RunningHub};
pub use pulse::Pulse;
pub use quota::{Delays, Latency, LatencyError, Quota, QuotaError, Tier, UnknownTier};
pub use seam::{HubEvent, HubLog, Sender, Telemetry};
pub use seed::{Seeded, Seeds};
pub use snapshot::{Snapshot, SnapshotError, take_snapshot};
pub use tls::CertificateError;
