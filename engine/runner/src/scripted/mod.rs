//! Runner scripts, `iotplay run fix.rhai`: the verbs as functions, waiting, branches. A verb called from a script is a step
//! like any other, with the same attempts, events and outcomes.

mod call;
mod check;
mod functions;
mod keeper;
mod kept;
mod parallel;
mod session;
mod thrown;
mod wait;

pub(crate) use functions::host;
pub(crate) use session::Session;
pub(crate) use thrown::{class as uncaught_class, details as uncaught_details};
// What the scripts of plugins share with runner scripts.
pub(crate) use call::{BESIDE, duration, literal, split, title};
pub(crate) use check::check;
pub(crate) use functions::{Answer, BESIDE_POSITIONAL, Native, device_id, register};
pub(crate) use keeper::{Keeper, deed, times};
pub(crate) use parallel::parallel;
pub(crate) use thrown::{caught, refuse, throw};
pub(crate) use wait::{Wait, watch};
