//! The plugin against the real local hub: the client's calls, the inventory, the verbs, and what goes wrong on the way.

mod client;
mod device;
mod stage;
mod trouble;
mod verbs;
