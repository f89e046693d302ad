//! The device side: devices that connect to an IoT Hub over MQTT and answer it with scripts. One real board or ten
//! thousand simulated ones, each with its own connection, twin and state, on one thread with the scripts shared.
//! Knows no method by name: those come from the scripts.

mod agent;
mod announce;
mod answer;
mod call;
mod cases;
mod check;
mod config;
mod counters;
mod desired;
mod device;
mod event;
mod faults;
mod fleet;
mod grants;
mod hooks;
mod lane;
mod link;
mod memory;
mod messages;
mod methods;
mod metrics;
mod outbox;
mod params;
mod program;
mod reboot;
mod reload;
mod reports;
mod requests;
mod scripts;
mod session;
mod surface;
mod timers;
mod twin;

pub use agent::{Agent, AgentStartError, RunningAgent, Watcher};
pub use cases::{Case, CaseFile, CaseOutcome, Cast, Rehearsal};
pub use check::check_scripts;
pub use config::{
    AgentConfig, Board, ClientCertificate, Deadlines, ErrorDetail, LinkConfig, OutboxConfig, Patience, ScriptPlace,
    SimConfig, Transport,
};
pub use counters::AgentStatus;
pub use event::{AgentEvent, HandlerName, HandlerOutcome, Sink};
pub use faults::{FaultPlan, FaultProfile};
pub use grants::{Denied, GrantError, Grants, ProgramGrant};
pub use link::{Enlistment, ProvisionError, provision};
pub use metrics::AgentMetrics;

#[cfg(test)]
mod tests;
