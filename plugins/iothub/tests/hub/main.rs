//! The plugin against the real local hub: the client's calls, the inventory, the verbs, and what goes wrong on the way.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod client;
mod device;
mod jobs;
mod pace;
mod stage;
mod trouble;
mod verbs;
