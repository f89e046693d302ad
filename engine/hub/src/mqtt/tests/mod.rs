//! The MQTT side against a fake registry, over in-memory streams with paused time; the door over real TLS.

mod admission;
mod calls;
mod door;
mod fake;
mod faults;
mod hostile;
mod lifetime;
mod messages;
mod session;
mod stage;
mod throttled;
mod twins;
mod two_clients;
