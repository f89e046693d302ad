//! The device side.

mod config;
mod counters;
mod event;
mod link;
mod outbox;
mod reports;
mod twin;

pub use config::{AgentConfig, Board, ClientCertificate, Deadlines, ErrorDetail, LinkConfig, ScriptPlace, SimConfig};
pub use counters::AgentStatus;
pub use event::{AgentEvent, HandlerName, HandlerOutcome, Sink};
