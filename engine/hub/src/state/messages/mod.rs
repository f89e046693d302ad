//! Cloud-to-device messages: a queue per device, delivered in order and held until acknowledged, and the feedback on what became
//! of them. Everything is on the disk before it counts; locks are not, since whoever held one is gone after a restart.

mod actions;
mod feedback;
mod queue;
mod stored;
mod sweep;

#[cfg(test)]
mod tests;

pub(super) use actions::forget_messages;
pub(super) use queue::Queue;
pub(crate) use stored::{Mail, MailCounts};
