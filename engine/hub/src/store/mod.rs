//! What outlives the process: small documents by table and key, written by one thread that commits in groups.
//! Acknowledged means durable. Knows nothing of devices or twins; reads happen once, at start.

#[cfg(test)]
mod cuts;
mod disk;
mod queue;
mod table;

pub(crate) use queue::{Store, StoreCounts, StoreFailed, StoreWorkers};
pub(crate) use table::{Row, StoreOpenError, Table, Write};
