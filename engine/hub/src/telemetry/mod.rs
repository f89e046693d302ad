//! Device-to-cloud messages as the hub keeps them: the newest ones, in memory, for whoever wants to see what devices say.

mod log;

pub(crate) use log::TelemetryLog;
