//! Benchmarks: subject and peer alternate within one run, and the result is a ratio. Nothing here is linked into the product.

mod bare_fleet;
mod bare_http;
mod bare_mqtt;
mod calls;
mod command;
mod error;
mod memory;
mod peer;
mod process;
mod report;
mod sdk;
mod start;
mod subject;
mod tls;

pub use command::main;
