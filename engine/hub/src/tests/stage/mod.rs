//! A hub on free ports and the two ends that talk to it: a bare HTTPS client and a bare MQTT device, both over real TLS.

mod device;
mod registrar;
mod service;
mod start;

pub(crate) use device::Device;
pub(crate) use registrar::{Registrar, registration_token};
pub(crate) use service::{Answer, Service};
pub(crate) use start::{hub, started};
