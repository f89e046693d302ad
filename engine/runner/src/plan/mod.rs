//! Before the first call: which devices, in which order, in which waves, and whether anybody must be asked. Sends nothing.

mod ask;
mod forks;
mod glob;
mod limit;
mod needs;
mod select;
mod waves;
mod work;

pub(crate) use ask::{Asked, ask, ask_script, changing};
pub(crate) use forks::too_many_forks;
pub(crate) use needs::lacks;
pub(crate) use select::{Planned, select, stop};
pub(crate) use waves::waves;
pub(crate) use work::work;
