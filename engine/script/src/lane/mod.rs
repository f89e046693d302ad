//! Calls on a lane: a script runs in a coroutine, so that a native function may wait while its thread goes on.

mod call;
mod coroutine;
mod drive;
mod natives;
mod order;
mod stacks;

pub use call::Budget;
pub(crate) use call::{Call, End};
pub(crate) use coroutine::{Pause, Tether};
pub(crate) use drive::{drive, drive_now};
pub(crate) use natives::register;
pub use natives::{Caller, context, place, wait};
pub use stacks::StackConfig;
pub(crate) use stacks::Stacks;
