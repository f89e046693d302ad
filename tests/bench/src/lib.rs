//! Benchmarks: subject and peer alternate within one run, and the result is a ratio. Nothing here is linked into the product.

mod bare_fleet;
mod bare_http;
mod bare_mqtt;
mod book;
mod calls;
mod command;
mod error;
mod fleet_calls;
mod journal;
mod memory;
mod pace;
mod peer;
mod process;
mod report;
mod scale;
mod sdk;
mod start;
mod subject;
mod tls;

pub use command::main;
