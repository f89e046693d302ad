//! The words of Azure IoT Hub, pure: connection strings, SAS tokens, MQTT topics, REST paths and headers, identities, twins,
//! direct methods and error codes. No tokio and no I/O; what one side prints the other side parses, from one table.

mod bag;
mod connection;
mod filter;
pub mod headers;
mod host;
mod identity;
pub mod limits;
mod path;
mod percent;
mod sas;
mod topic;
mod username;

pub use bag::{BagError, PropertyBag, property};
pub use connection::{ConnectionString, ConnectionStringError, DeviceConnection, DeviceCredential, ServiceConnection};
pub use filter::DeviceFilter;
pub use host::{HostError, HostPort};
pub use identity::{DeviceId, IdError, Identity, ModuleId};
pub use path::{HubPath, WEBSOCKET_PATH, WEBSOCKET_PROTOCOL};
pub use sas::{SasError, SasKey, SasResource, SasToken, device_resource, sign};
pub use topic::{DeviceTopic, TopicError};
pub use username::{Username, UsernameError, client_id};

/// The version of the service API and of the device protocol that our clients ask for.
pub const API_VERSION: &str = "2021-04-12";
