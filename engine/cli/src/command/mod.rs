//! One file for each command. A command gets its arguments and what all share, and returns an exit code or why it could not work.

mod agent;
mod agent_dps;
mod check;
mod completions;
mod counts;
mod device_id;
mod devices;
mod dispatch;
mod hub;
mod hub_ca;
mod hub_enroll;
mod hub_env;
mod hub_fault;
mod hub_log;
mod hub_quota;
mod hub_snapshot;
mod hub_status;
mod hub_tail;
mod init;
mod invoke;
mod plugins;
mod resume;
mod retry;
mod run;
mod runs;
mod schema;
mod send;
mod show;
mod test;
mod test_told;
mod twin;

pub(crate) use device_id::device_id;
pub(crate) use dispatch::run;
