//! Verbs by IoT Hub's jobs (`via: job`): one job for the devices that meet at a step, followed device by device. Knows no verb:
//! what a job does and what its end means to a device are the verbs' own.

mod condition;
mod crew;
mod end;
mod follow;
mod name;
mod places;
mod serve;

pub(crate) use end::JobEnd;
pub(crate) use name::alone;
pub(crate) use places::Places;
pub(crate) use serve::{Hosts, Work, longest, serve};
