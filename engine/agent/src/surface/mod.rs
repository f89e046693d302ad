//! What a handler's script sees of the agent: `device`, `request`, `message`, `reply()`, `ack()`. Types and functions for Rhai, and
//! nothing that decides anything.

mod device;
mod machine;
mod message;
mod native;
mod reply;
mod request;
mod state;

pub(crate) use device::DeviceRef;
pub(crate) use message::MessageRef;
pub(crate) use native::{duration_of, module};
pub(crate) use request::Request;
