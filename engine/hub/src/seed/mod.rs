//! Devices from a YAML file: what must be there when a hub has started. Makes what is missing, corrects what differs, leaves alone
//! what the file does not name; a second start with the same file changes nothing.

mod apply;
mod file;
mod plan;

#[cfg(test)]
mod tests;

pub use apply::Seeded;
pub(crate) use apply::{contains, sow};
pub use plan::Seeds;
