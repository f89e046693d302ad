//! Names of REST headers and query parameters, lower-case as HTTP libraries keep them.

/// A SAS token, or `Bearer` and a JWT.
pub const AUTHORIZATION: &str = "authorization";
/// Media type of a body.
pub const CONTENT_TYPE: &str = "content-type";
/// Every body here; Node's SDK parses JSON only when it sees this.
pub const JSON: &str = "application/json; charset=utf-8";
/// The body of a batch of feedback.
pub const FEEDBACK: &str = "application/vnd.microsoft.iothub.feedback.json";
/// The version of a resource, quoted.
pub const ETAG: &str = "etag";
/// A condition on the version of a resource.
pub const IF_MATCH: &str = "if-match";
/// The name of an error code.
pub const IOTHUB_ERRORCODE: &str = "iothub-errorcode";
/// The opaque token of a query's next page; absent, never empty, on the last one.
pub const CONTINUATION: &str = "x-ms-continuation";
/// What the rows of a query are.
pub const ITEM_TYPE: &str = "x-ms-item-type";
/// The largest page a client wants.
pub const MAX_ITEM_COUNT: &str = "x-ms-max-item-count";
/// A client's own name for a call.
pub const REQUEST_ID: &str = "request-id";
/// The hub's own name for a call.
pub const MS_REQUEST_ID: &str = "x-ms-request-id";
/// Seconds to wait after 429 or 503.
pub const RETRY_AFTER: &str = "retry-after";
/// The device's status of a digital twin's command.
pub const COMMAND_STATUS: &str = "x-ms-command-statuscode";
/// Ours: where devices of a local hub connect by MQTT, `host:port`. The real service never sends it.
pub const MQTT_ENDPOINT: &str = "iotplay-mqtt-endpoint";
/// The query parameter every call must have.
pub const API_VERSION_PARAMETER: &str = "api-version";
/// The query parameter of a list's length.
pub const TOP_PARAMETER: &str = "top";
/// The query parameter that picks jobs by type.
pub const JOB_TYPE_PARAMETER: &str = "jobType";
/// The query parameter that picks jobs by status.
pub const JOB_STATUS_PARAMETER: &str = "jobStatus";
/// [`ITEM_TYPE`] of whole twins.
pub const ITEM_TWIN: &str = "Twin";
/// [`ITEM_TYPE`] of projections.
pub const ITEM_RAW: &str = "Raw";
/// [`ITEM_TYPE`] of rows of `devices.jobs`.
pub const ITEM_DEVICE_JOB: &str = "DeviceJob";
/// [`ITEM_TYPE`] of jobs.
pub const ITEM_JOB_RESPONSE: &str = "JobResponse";
