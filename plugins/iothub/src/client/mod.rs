//! The client of a hub's service side, over REST. It knows calls, tokens, pace and repetition; it knows no playbook. No trait
//! stands before it: tests use the real local hub.

mod authorities;
mod call;
mod devices;
mod enrollments;
mod error;
mod faults;
mod governor;
mod hub_client;
mod jobs;
mod messages;
mod methods;
mod newest;
mod query;
mod send;
mod token;
mod trouble;
mod twins;
mod uploads;

pub use devices::{Created, Statistics};
pub use enrollments::Enrolled;
pub use error::{ClientError, SetupError};
pub use faults::HubFault;
pub use hub_client::{HubClient, HubOptions};
pub use messages::Taken;
pub use query::Pages;
pub use uploads::FilePiece;
