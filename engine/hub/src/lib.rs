//! The local IoT Hub: official SDKs connect to it unchanged, over real TLS sockets. What it does not support it says.
//! Has no scripts and no business: devices and operators bring those.

mod data_dir;
mod query;
mod store;

pub use data_dir::{DataDirError, Endpoint, find};
