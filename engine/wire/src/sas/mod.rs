//! Shared access signatures: keys, tokens, what a token covers. Knows no policy and no device's keys.

mod key;
mod resource;
mod token;

pub use key::SasKey;
pub use resource::{SasResource, device_resource};
pub use token::{SasError, SasToken, sign};
