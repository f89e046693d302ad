//! What the service answers when it refuses: codes with names and meanings, and the bodies that carry them.

mod body;
mod code;

pub use body::{HubError, Tracking, framework_body, twin_error_body};
pub use code::ErrorCode;
