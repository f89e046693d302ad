//! WebSocket (RFC 6455) as a plain stream of bytes, for both sides: frames may split and join whatever they carry. Binary
//! messages only, no extensions. A frame's payload is handed on as it comes, so that an announced length costs nothing.

mod carried;
mod client;
mod frame;
mod proxy;
mod stream;
mod violation;

pub use carried::Carried;
pub use client::{HandshakeError, open};
pub use frame::{MAX_FRAME, accept_key};
pub use proxy::{Proxy, ProxyError};
pub use stream::{Side, WsStream};
pub use violation::WsViolation;
