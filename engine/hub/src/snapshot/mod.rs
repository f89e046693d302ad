//! The whole state of a hub as one readable file: taken of a folder whether its hub runs or not, and restored into a folder or
//! into a hub in memory. Holds keys. Knows documents, not what they mean.

mod error;
mod file;
mod restore;
mod take;

#[cfg(test)]
mod tests;

pub use error::SnapshotError;
pub use file::Snapshot;
pub use take::take_snapshot;
