//! The words of Azure IoT Hub, pure: connection strings, SAS tokens, MQTT topics, REST paths and headers, identities, twins,
//! direct methods and error codes. No tokio and no I/O; what one side prints the other side parses, from one table.

mod api_version;
mod authority;
mod bag;
pub mod blob;
mod cloud_message;
mod connection;
mod document;
pub mod dps;
mod error;
mod etag;
mod fault_message;
mod filter;
mod given;
pub mod headers;
mod host;
mod identity;
mod job;
mod job_row;
pub mod limits;
mod method;
mod path;
mod percent;
mod quota;
mod sas;
mod telemetry;
mod topic;
mod twin;
mod username;

pub use api_version::API_VERSION;
pub use authority::{AuthorityContent, AuthorityDocument, AuthorityList, AuthorityProperties, AuthorityRequest};
pub use bag::{BagError, PropertyBag, property};
pub use cloud_message::{Ack, CloudMessage, FeedbackRecord, MessageEnd, UnknownAck};
pub use connection::{ConnectionString, ConnectionStringError, DeviceConnection, DeviceCredential, ServiceConnection};
pub use document::{
    AuthKind, Authentication, Capabilities, ConnectionState, DeviceDocument, ModuleDocument, Status, SymmetricKey,
    X509Thumbprint,
};
pub use error::{ErrorCode, HubError, Tracking, framework_body, twin_error_body};
pub use etag::{IfMatch, identity_etag, quoted_etag, twin_etag};
pub use fault_message::{FaultMessage, FaultMessageError, FaultOperation};
pub use filter::DeviceFilter;
pub use given::secrets_in;
pub use host::{HostError, HostPort};
pub use identity::{DeviceId, IdError, Identity, JobId, ModuleId};
pub use job::{DeviceJobStatus, JobAction, JobDocument, JobRequest, JobStatistics, JobStatus, JobType};
pub use job_row::{JobRow, job_rows_query};
pub use method::{MethodCall, MethodReply};
pub use path::{HubPath, WEBSOCKET_PATH, WEBSOCKET_PROTOCOL};
pub use quota::{HubSize, HubSizeError, QuotaKind, Rate, Tier, UnknownTier};
pub use sas::{SasError, SasKey, SasResource, SasToken, device_resource, sign};
pub use telemetry::{TelemetryDocument, TelemetryPage, TelemetryQuery, TelemetryQueryError};
pub use topic::{DeviceTopic, TopicError};
pub use twin::{Changed, Section, SectionKind, Twin, check_limits, counted_size};
pub use username::{Username, UsernameError, client_id};
