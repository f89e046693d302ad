//! Scripts against a fake line, in paused time: what a handler's author sees, case by case.

mod announce;
mod bombs;
mod hooks;
mod machine;
mod messages;
mod methods;
pub(crate) mod rig;
mod surface;
mod twin;
