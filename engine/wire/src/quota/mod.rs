//! What IoT Hub counts and how much of it each tier allows: the tables of its page on quotas and throttling, once, for the hub
//! that keeps to them and the client that stays below them. Numbers only: who counts and who waits is elsewhere.

mod kind;
mod size;
mod tier;

pub use kind::QuotaKind;
pub use size::{HubSize, HubSizeError};
pub use tier::{Rate, Tier, UnknownTier};
