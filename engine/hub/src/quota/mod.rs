//! What makes a local hub as narrow and as slow as a bought one: throttles, the messages of a day, latency and lag. All off
//! unless asked for. Counts and says when; knows neither HTTP nor MQTT.

mod daily;
mod quotas;
mod settings;
mod throttle;

#[cfg(test)]
mod tests;

pub(crate) use quotas::{Quotas, Refusal};
pub use settings::{Delays, Latency, LatencyError, Quota};
pub(crate) use wire::QuotaKind as Kind;
pub use wire::{HubSizeError as QuotaError, Tier, UnknownTier};
