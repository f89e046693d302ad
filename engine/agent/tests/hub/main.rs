//! Agents against the real local hub, over TLS sockets: calls, losses, tokens, takeover, fleet, reload.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod connections;
mod credentials;
mod flaps;
mod fleet;
mod handlers;
mod matrix;
mod scene;
mod stage;
mod websocket;
