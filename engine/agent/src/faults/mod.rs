//! Seeded faults of simulated devices: a profile says how many of a fleet misbehave and how, a seed says which. The same
//! seed and the same ids give the same devices. Nothing here is random while the fleet runs.

mod absence;
mod deal;
mod fault;
mod file;
mod profile;
mod show;

pub use deal::FaultPlan;
pub use profile::FaultProfile;

pub(crate) use show::{Seeded, absences, deliver};

#[cfg(test)]
mod tests;
