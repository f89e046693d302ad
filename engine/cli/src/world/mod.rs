//! The hub that a command works with, and what it takes to have one: a client for a configured hub, or a hub and simulated devices in
//! this process. Real sockets in both cases; nothing here reaches into hub or agent past their front doors.

mod devices;
mod embedded;
mod faults;
mod open;
mod screen;
mod wiring;

pub(crate) use devices::{connection, device_trouble, identities, trouble};
pub(crate) use embedded::{cannot_start, place};
pub(crate) use faults::{deal_faults, parse_hub_faults, read_hub_faults, unknown_methods};
pub(crate) use open::{Embed, World, client};
pub(crate) use screen::{Screen, agent_line};
pub(crate) use wiring::{expressions, vocabulary};
