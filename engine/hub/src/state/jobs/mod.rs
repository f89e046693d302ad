//! Jobs as the state knows them: what was asked for, how far each is with each device, and every step of it on the disk before it
//! counts. Runs nothing: the room `jobs` does.

mod device;
mod job;
mod rows;
mod steps;
mod stored;
mod table;
mod views;

#[cfg(test)]
mod tests;

pub(crate) use device::DeviceEnd;
pub(crate) use job::JobEnd;
pub(crate) use steps::JobPlan;
pub(crate) use table::Jobs;
pub(crate) use views::{JobFilter, no_job};
