//! The service side of the hub: HTTPS, and the REST calls that the service SDKs make.
//! Speaks HTTP and JSON; what a call does is in `state` and `exchange`. Devices that ask for a WebSocket are led to `mqtt`.

mod authorities;
mod blobs;
mod body;
mod bulk;
mod call;
mod charge;
mod content;
mod devices;
mod faults;
mod http2;
mod jobs;
mod messages;
mod methods;
mod modules;
mod provisioning;
mod query;
mod reply;
mod route;
mod server;
mod service;
mod statistics;
mod telemetry;
mod twins;
mod uploads;
mod websocket;

pub(crate) use server::{Https, serve};
pub(crate) use service::{Reach, Service};
