//! The service side of the hub: HTTPS, and the REST calls that the service SDKs make.
//! Speaks HTTP and JSON; what a call does is in `state` and `exchange`.

mod body;
mod bulk;
mod call;
mod charge;
mod devices;
mod jobs;
mod messages;
mod methods;
mod modules;
mod query;
mod reply;
mod route;
mod server;
mod service;
mod statistics;
mod twins;

pub(crate) use server::serve;
pub(crate) use service::Service;
