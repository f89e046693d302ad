//! What a device still has to say, within bounds, in memory and if asked on the disk. Sends nothing itself.

mod journal;
mod keep;
#[cfg(test)]
mod keep_tests;
mod message;
pub(crate) mod record;
#[cfg(test)]
mod tests;
mod whole;

pub(crate) use keep::open;
pub(crate) use message::{Bounds, Kept, Sending};
pub(crate) use whole::{Full, Outbox, Reply, Wish};
