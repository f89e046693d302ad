//! The hub from the outside: through TLS sockets, as SDKs see it.

mod calls;
mod faults;
mod gate;
mod jobs;
mod kept;
mod messages;
mod provisioning;
mod queries;
mod quotas;
mod registry;
mod several;
pub(crate) mod stage;
mod twins;
mod uploads;
mod websocket;
mod x509;
