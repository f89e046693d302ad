//! Who may do what: policies with their keys, the names that this hub answers to, and the judgement of SAS tokens.
//! Pure but for a cache; devices' keys come from the registry.

mod hosts;
mod permission;
mod policies;
mod service;

pub(crate) use hosts::Hosts;
pub(crate) use permission::{Permission, Permissions};
pub(crate) use policies::Policies;
pub(crate) use service::{Caller, ServiceAuth};
