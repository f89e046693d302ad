//! IoT Hub's limits, each once. Sources: the device and service fact sheets (quotas article, EdgeHub's validators).

use std::time::Duration;

/// Characters of a device or module id.
pub const ID_CHARS: usize = 128;
/// Bytes of an MQTT topic: its length is a 16-bit number.
pub const TOPIC_BYTES: usize = 65_535;
/// Bytes of a device-to-cloud message: body, system property values, application property names and values.
pub const D2C_BYTES: usize = 262_144;
/// Bytes of a cloud-to-device message.
pub const C2D_BYTES: usize = 65_536;
/// Pending cloud-to-device messages of a device.
pub const C2D_PENDING: usize = 50;
/// How long a cloud-to-device message lives when nothing else is said.
pub const C2D_TTL: Duration = Duration::from_secs(3600);
/// How long it lives at most.
pub const C2D_TTL_MAX: Duration = Duration::from_secs(2 * 24 * 3600);
/// How often a cloud-to-device message is delivered before it is given up.
pub const C2D_DELIVERIES: u32 = 10;
/// How long a delivered message waits for its acknowledgement before it is sent again.
pub const C2D_LOCK: Duration = Duration::from_secs(60);
/// Records of feedback in one batch.
pub const FEEDBACK_BATCH: usize = 64;
/// How long feedback is kept for its reader.
pub const FEEDBACK_TTL: Duration = Duration::from_secs(3600);
/// How long a batch of feedback is its reader's own.
pub const FEEDBACK_LOCK: Duration = Duration::from_secs(60);
/// How often feedback is read before it is given up.
pub const FEEDBACK_DELIVERIES: u32 = 10;
/// Bytes of a method's payload, each way.
pub const METHOD_PAYLOAD_BYTES: usize = 128 * 1024;
/// Bytes of a method's payload that count as one call.
pub const METHOD_METER: usize = 4 * 1024;
/// Characters of a method's name (EdgeHub's validator).
pub const METHOD_NAME_CHARS: usize = 100;
/// The shortest and the longest response timeout of a method.
pub const RESPONSE_TIMEOUT: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// The response timeout when none is given.
pub const RESPONSE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// The longest connect timeout of a method; the default is none at all.
pub const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(300);
/// Size of the tags, counted by IoT Hub's own rule.
pub const TAGS_SIZE: usize = 8 * 1024;
/// Size of the desired and of the reported properties, each, counted by IoT Hub's own rule.
pub const PROPERTIES_SIZE: usize = 32 * 1024;
/// Levels of containers below a section's root; arrays count.
pub const TWIN_DEPTH: usize = 10;
/// Bytes of a key in a twin.
pub const TWIN_KEY_BYTES: usize = 1024;
/// Bytes of a text in a twin.
pub const TWIN_TEXT_BYTES: usize = 4096;
/// The smallest and the largest integer in a twin: 52 bits.
pub const TWIN_INTEGER: (i64, i64) = (-4_503_599_627_370_496, 4_503_599_627_370_495);
/// Subscriptions of one connection: exactly the filters that exist.
pub const SUBSCRIPTIONS: usize = 5;
/// A SAS token may be this much out of date: clocks of devices drift.
pub const CLOCK_SKEW: Duration = Duration::from_secs(300);
/// A connection is cut this long after its token expired.
pub const EXPIRY_GRACE: Duration = Duration::from_secs(300);
/// The hub waits one and a half times the keep-alive, and at most this.
pub const KEEP_ALIVE_MAX: Duration = Duration::from_secs(1767);
/// A connection must send CONNECT within this.
pub const CONNECT_ARRIVAL: Duration = Duration::from_secs(60);
/// Characters of a status reason.
pub const STATUS_REASON_CHARS: usize = 128;
/// Devices in one bulk request.
pub const BULK_DEVICES: usize = 100;
/// Devices that a list answers at most.
pub const LIST_DEVICES: usize = 1000;
/// Modules of one device.
pub const MODULES_PER_DEVICE: usize = 50;
/// Rows of one page of a query, at most and by default.
pub const QUERY_PAGE: usize = 100;
/// Characters of a query.
pub const QUERY_CHARS: usize = 8192;
/// Bytes of a symmetric key, smallest and largest.
pub const KEY_BYTES: (usize, usize) = (16, 64);
/// Policies of a hub.
pub const POLICIES: usize = 16;
/// How long a job may take when nothing else is said (Node's SDK says as much).
pub const JOB_EXECUTION_DEFAULT: Duration = Duration::from_secs(3600);
/// How long a job may take at most: as long as its history is kept.
pub const JOB_EXECUTION_MAX: Duration = JOB_HISTORY;
/// How long a job is remembered after its end.
pub const JOB_HISTORY: Duration = Duration::from_secs(30 * 24 * 3600);
/// Jobs under way at once in the tiers F1 and S1; 5 in S2, 10 in S3.
pub const ACTIVE_JOBS: usize = 1;
/// Uploads of a device that are under way at once.
pub const UPLOADS_PER_DEVICE: usize = 10;
/// How long a device has for an upload, as a hub has it when nothing else is said.
pub const UPLOAD_TTL: Duration = Duration::from_secs(3600);
