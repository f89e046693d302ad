//! What the hub knows: identities, twins and kept sessions in memory, every change brought to the store before it is answered.
//! Reads never touch the disk. Speaks neither HTTP nor MQTT.

mod activity;
mod authorities;
mod bulk;
mod device_side;
mod effect;
mod hub_state;
mod identities;
mod job_rows;
mod jobs;
mod lag;
mod login;
mod messages;
mod open;
mod provisioning;
mod record;
mod registered;
mod registry;
mod rows;
mod rules;
mod scan;
mod signature;
mod targets;
mod twins;
mod uploads;

#[cfg(test)]
mod tests;

pub(crate) use authorities::certificate_pem;
pub(crate) use bulk::BulkChange;
pub(crate) use hub_state::HubState;
pub(crate) use jobs::{DeviceEnd, JobEnd, JobFilter, JobPlan, no_job};
pub(crate) use open::check_rows;
pub(crate) use record::Document;
pub(crate) use twins::{TwinDocument, TwinWrite};
pub(crate) use uploads::{Blob, Precondition};
