//! The Device Provisioning Service of a hub: enrolments, proofs, the choice of a hub, and the session of a registering device.
//! Its state lives in `state`, its HTTPS side in `rest`; nothing here writes to the disk.

mod assign;
mod link;
mod proof;
mod rules;
mod session;
mod table;

pub(crate) use assign::choose;
pub use link::LinkedHub;
pub(crate) use link::{Link, Links};
pub(crate) use proof::{Credential, Proven, prove};
pub(crate) use rules::{prepare, shown};
pub(crate) use session::{DpsSession, SESSIONS};
pub(crate) use table::{EnrollmentKind, Provisioning, StoredRegistration};
