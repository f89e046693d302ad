//! The vocabulary of control: verbs that talk to no cloud. They read facts through the runner's `Inventory`, wait, judge, keep
//! values, say lines and write files; what a verb is and how it is run is the runner's.

mod approve;
mod assert;
mod facts;
mod fail;
mod include;
mod log;
mod over;
mod plugin;
mod rounds;
mod save;
mod script;
mod set;
mod show;
mod sleep;
mod ticket;
mod verb;
mod wait_until;
mod watcher;

pub use plugin::Flow;
