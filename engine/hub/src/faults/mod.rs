//! What goes wrong with the hub on purpose, for programs that are to survive it: asked for by a profile, over REST, or by a device's own
//! message as the SDKs' tests do it. Seeded: the same seed and the same fleet give the same faults.

mod asked;
mod faulty;
mod file;
mod kind;
mod operation;
mod profile;
mod settings;
mod spec;
mod strain;
mod table;
#[cfg(test)]
mod tests;
mod turns;
mod who;

pub use profile::FaultProfile;

pub(crate) use asked::Hearing;
pub(crate) use faulty::Faulty;
pub(crate) use kind::{How, Rejection};
pub(crate) use operation::{Operation, Point};
pub(crate) use strain::Strain;
pub(crate) use table::{Deed, Faults, Judging, Shown};
pub(crate) use who::Registered;
