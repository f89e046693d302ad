//! Jobs as JSON: what a service asks for and what it is told. A job calls a method of, or updates the twin of, every device that a
//! condition names. Does not run anything, and does not read conditions.

use std::fmt;
use std::time::{Duration, SystemTime};

use base::{parse_time, rfc3339_ticks};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::limits::{JOB_EXECUTION_DEFAULT, JOB_EXECUTION_MAX, QUERY_CHARS};
use crate::{ErrorCode, HubError, IfMatch, JobId, MethodCall};

/// What a job does to each device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobType {
    /// Calls a method.
    DeviceMethod,
    /// Merges tags and desired properties.
    UpdateTwin,
}

impl JobType {
    /// Both.
    pub const ALL: [Self; 2] = [Self::DeviceMethod, Self::UpdateTwin];

    /// The word of the wire. Older documents of the service name others, which it refuses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeviceMethod => "scheduleDeviceMethod",
            Self::UpdateTwin => "scheduleUpdateTwin",
        }
    }

    /// The type of exactly that word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == word)
    }
}

impl fmt::Display for JobType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a job is. `cancelled` has two l here and one in [`DeviceJobStatus`]: so the service spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// Taken.
    Enqueued,
    /// Taken, and about to begin.
    Queued,
    /// Its start time is yet to come.
    Scheduled,
    /// Under way.
    Running,
    /// Every device had its turn, whatever came of it.
    Completed,
    /// It could not be carried out.
    Failed,
    /// It was called off.
    Cancelled,
    /// A word that is none of those; also what the service says of jobs of another kind.
    #[serde(other)]
    Unknown,
}

impl JobStatus {
    /// All, in order.
    pub const ALL: [Self; 8] = [
        Self::Enqueued,
        Self::Queued,
        Self::Scheduled,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Unknown,
    ];

    /// The word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Enqueued => "enqueued",
            Self::Queued => "queued",
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of that word, in any case.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(word))
    }

    /// Whether nothing more comes after it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// How far a job is with one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceJobStatus {
    /// Its turn is yet to come, or it is not connected.
    Pending,
    /// It has the call and has not answered.
    Running,
    /// It answered, or its twin is updated.
    Completed,
    /// It is over without that.
    Failed,
    /// The job was called off before.
    Canceled,
}

impl DeviceJobStatus {
    /// The word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

/// What is done to each device.
#[derive(Clone, Debug)]
pub enum JobAction {
    /// This method is called.
    Method(MethodCall),
    /// These tags and desired properties are merged.
    Twin {
        /// As sent: `tags`, `properties.desired`, and whatever else a fetched twin has.
        patch: Value,
        /// The version that each twin must have; none is any.
        condition: Option<IfMatch>,
    },
}

impl JobAction {
    /// Its type.
    pub fn kind(&self) -> JobType {
        match self {
            Self::Method(_) => JobType::DeviceMethod,
            Self::Twin { .. } => JobType::UpdateTwin,
        }
    }
}

/// A job as asked for.
#[derive(Clone, Debug)]
pub struct JobRequest {
    /// What is done.
    pub action: JobAction,
    /// To whom: what stands behind WHERE, `*`, or `FROM devices.modules WHERE ..`.
    pub condition: String,
    /// When it begins; none is now.
    pub start: Option<SystemTime>,
    /// How long it may take, whole seconds.
    pub max_execution: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestBody<'a> {
    job_id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    cloud_to_device_method: Option<&'a RawValue>,
    update_twin: Option<Value>,
    query_condition: Option<String>,
    start_time: Option<String>,
    max_execution_time_in_seconds: Option<i64>,
}

impl JobRequest {
    /// Reads and checks the body of a request for the job `id`. What the service refuses without a word, so does this.
    pub fn from_json(id: &JobId, body: &[u8]) -> Result<Self, HubError> {
        let body: RequestBody<'_> = serde_json::from_slice(body)
            .map_err(|error| HubError::new(ErrorCode::FORMAT_ERROR, format!("The body is not a job: {error}")))?;
        if body.job_id.as_deref().is_some_and(|named| named != id.as_str()) {
            return Err(HubError::invalid("jobId is not the one of the path."));
        }
        let bad = || HubError::new(ErrorCode::GENERIC_BAD_REQUEST, "BadRequest");
        let action = match body.kind.as_deref().and_then(JobType::of_word).ok_or_else(bad)? {
            JobType::DeviceMethod => {
                let method = body.cloud_to_device_method.ok_or_else(|| missing("cloudToDeviceMethod"))?;
                JobAction::Method(MethodCall::from_json(method.get().as_bytes())?)
            }
            JobType::UpdateTwin => {
                let patch = body.update_twin.filter(Value::is_object).ok_or_else(|| missing("updateTwin"))?;
                let etag = patch.get("etag").and_then(Value::as_str).filter(|etag| !etag.is_empty());
                let condition = etag.and_then(IfMatch::parse);
                JobAction::Twin { patch, condition }
            }
        };
        Ok(Self {
            action,
            condition: condition(body.query_condition)?,
            start: body.start_time.as_deref().map(start).transpose()?,
            max_execution: max_execution(body.max_execution_time_in_seconds)?,
        })
    }

    /// The body of a request.
    pub fn to_json(&self, id: &JobId) -> Vec<u8> {
        let mut body = json!({
            "jobId": id.as_str(),
            "type": self.action.kind().as_str(),
            "queryCondition": self.condition,
            "maxExecutionTimeInSeconds": self.max_execution.as_secs(),
        });
        match &self.action {
            JobAction::Method(call) => body["cloudToDeviceMethod"] = call_document(call),
            JobAction::Twin { patch, .. } => body["updateTwin"] = patch.clone(),
        }
        if let Some(start) = self.start {
            body["startTime"] = rfc3339_ticks(start).into();
        }
        body.to_string().into_bytes()
    }
}

fn call_document(call: &MethodCall) -> Value {
    serde_json::from_slice(&call.to_json()).expect("it was made as JSON just now")
}

fn missing(name: &str) -> HubError {
    HubError::invalid(format!("{name} is null or empty."))
}

fn condition(given: Option<String>) -> Result<String, HubError> {
    let condition = given.filter(|given| !given.trim().is_empty()).ok_or_else(|| missing("queryCondition"))?;
    if condition.chars().count() > QUERY_CHARS {
        let text = format!("queryCondition is longer than {QUERY_CHARS} characters.");
        return Err(HubError::new(ErrorCode::PRECONDITION_FAILED, text));
    }
    Ok(condition)
}

fn start(text: &str) -> Result<SystemTime, HubError> {
    parse_time(text).ok_or_else(|| HubError::invalid("startTime is not a time such as 2026-01-31T12:00:00Z."))
}

fn max_execution(given: Option<i64>) -> Result<Duration, HubError> {
    let Some(given) = given else { return Ok(JOB_EXECUTION_DEFAULT) };
    let most = JOB_EXECUTION_MAX.as_secs();
    match u64::try_from(given) {
        Ok(given) if (1..=most).contains(&given) => Ok(Duration::from_secs(given)),
        _ => Err(HubError::invalid(format!("maxExecutionTimeInSeconds must be within [1; {most}]."))),
    }
}

/// How many devices of a job are how far. Those of a job that was called off are in `device_count` alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobStatistics {
    /// All.
    pub device_count: usize,
    /// Over without success.
    pub failed_count: usize,
    /// Answered or updated.
    pub succeeded_count: usize,
    /// Called and not answered.
    pub running_count: usize,
    /// Not yet, or not connected.
    pub pending_count: usize,
}

/// A job as the service shows it. Times have the form of IoT Hub's documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobDocument {
    /// Which.
    pub job_id: String,
    /// To whom.
    #[serde(default)]
    pub query_condition: Option<String>,
    /// When it was asked for.
    #[serde(default)]
    pub created_time: Option<String>,
    /// When it began or shall begin.
    #[serde(default)]
    pub start_time: Option<String>,
    /// When it ended.
    #[serde(default)]
    pub end_time: Option<String>,
    /// Seconds.
    #[serde(default)]
    pub max_execution_time_in_seconds: Option<u64>,
    /// A word of [`JobType`]; jobs of other kinds have others.
    #[serde(rename = "type")]
    pub kind: String,
    /// The call, of a method job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_to_device_method: Option<Value>,
    /// The patch, of a twin job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_twin: Option<Value>,
    /// How far.
    pub status: JobStatus,
    /// Why it failed.
    #[serde(default)]
    pub failure_reason: Option<String>,
    /// The same for people.
    #[serde(default)]
    pub status_message: Option<String>,
    /// Device by device; none before it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_job_statistics: Option<JobStatistics>,
}

impl JobDocument {
    /// What is known of a job from its request alone.
    pub fn of_request(id: &JobId, request: &JobRequest, created: SystemTime, status: JobStatus) -> Self {
        let (call, patch) = match &request.action {
            JobAction::Method(call) => (Some(call_document(call)), None),
            JobAction::Twin { patch, .. } => (None, Some(echo(patch))),
        };
        Self {
            job_id: id.to_string(),
            query_condition: Some(request.condition.clone()),
            created_time: Some(rfc3339_ticks(created)),
            start_time: Some(rfc3339_ticks(request.start.unwrap_or(created))),
            end_time: None,
            max_execution_time_in_seconds: Some(request.max_execution.as_secs()),
            kind: request.action.kind().as_str().to_owned(),
            cloud_to_device_method: call,
            update_twin: patch,
            status,
            failure_reason: None,
            status_message: None,
            device_job_statistics: None,
        }
    }
}

/// The patch as the service sends it back: with the id of no device.
fn echo(patch: &Value) -> Value {
    let mut patch = patch.clone();
    if let Value::Object(members) = &mut patch {
        members.insert("deviceId".into(), Value::Null);
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHOD: &str = r#""type":"scheduleDeviceMethod","cloudToDeviceMethod":{"methodName":"m","payload":{"a": 1}}"#;

    fn id() -> JobId {
        "j1".parse().unwrap()
    }

    fn refused(body: &str) -> (u32, String) {
        let error = JobRequest::from_json(&id(), body.as_bytes()).unwrap_err();
        (error.code.0, error.message)
    }

    #[test]
    fn what_sdks_send_survives_the_way_there_and_back() {
        for (rest, start, seconds) in [
            (r#""queryCondition":"*","startTime":null,"maxExecutionTimeInSeconds":3600"#, false, 3600),
            (r#""queryCondition":"deviceId IN ['d']","startTime":"2026-11-23T13:27:42.118Z""#, true, 3600),
            (r#""queryCondition":"FROM devices.modules","updateTwin":null,"maxExecutionTimeInSeconds":5"#, false, 5),
        ] {
            let request = JobRequest::from_json(&id(), format!("{{{METHOD},{rest}}}").as_bytes()).unwrap();
            assert_eq!((request.start.is_some(), request.max_execution.as_secs()), (start, seconds), "{rest}");
            let again = JobRequest::from_json(&id(), &request.to_json(&id())).unwrap();
            assert_eq!((&again.condition, again.start), (&request.condition, request.start));
            assert_eq!((again.max_execution, again.action.kind()), (request.max_execution, JobType::DeviceMethod));
        }
    }

    #[test]
    fn a_twins_etag_is_a_condition() {
        for (etag, condition) in [
            ("", None),
            (r#","etag":"*""#, Some(IfMatch::Any)),
            (r#","etag":null"#, None),
            (r#","etag":"AAAAAAAAAAE=""#, Some(IfMatch::Tag("AAAAAAAAAAE=".into()))),
        ] {
            let body = format!(
                r#"{{"type":"scheduleUpdateTwin","updateTwin":{{"tags":{{"a":1}}{etag}}},"queryCondition":"*"}}"#
            );
            let request = JobRequest::from_json(&id(), body.as_bytes()).unwrap();
            let JobAction::Twin { condition: found, .. } = &request.action else { panic!("a twin job") };
            assert_eq!(found, &condition, "{etag}");
            let document = JobDocument::of_request(&id(), &request, SystemTime::UNIX_EPOCH, JobStatus::Queued);
            let shown = serde_json::to_value(&document).unwrap();
            assert_eq!((&shown["updateTwin"]["deviceId"], &shown["status"]), (&Value::Null, &json!("queued")));
            assert_eq!(serde_json::from_value::<JobDocument>(shown).unwrap(), document);
        }
    }

    #[test]
    fn refusals_by_table() {
        let twin = r#""type":"scheduleUpdateTwin""#;
        for (body, code, part) in [
            ("nonsense".to_owned(), 400_006, "not a job"),
            ("{}".to_owned(), 400_000, "BadRequest"),
            (r#"{"type":"scheduleTwinUpdate","queryCondition":"*"}"#.to_owned(), 400_000, "BadRequest"),
            (r#"{"type":"ScheduleUpdateTwin","queryCondition":"*"}"#.to_owned(), 400_000, "BadRequest"),
            (format!(r#"{{{METHOD},"queryCondition":"*","jobId":"j2"}}"#), 400_004, "jobId"),
            (format!("{{{METHOD}}}"), 400_004, "queryCondition"),
            (format!(r#"{{{METHOD},"queryCondition":" "}}"#), 400_004, "queryCondition"),
            (format!(r#"{{{METHOD},"queryCondition":"{}"}}"#, "x".repeat(8193)), 412_001, "8192"),
            (format!(r#"{{{METHOD},"queryCondition":"*","startTime":"soon"}}"#), 400_004, "startTime"),
            (format!(r#"{{{METHOD},"queryCondition":"*","maxExecutionTimeInSeconds":0}}"#), 400_004, "[1; 2592000]"),
            (format!(r#"{{{twin},"queryCondition":"*"}}"#), 400_004, "updateTwin"),
            (format!(r#"{{{twin},"queryCondition":"*","updateTwin":[]}}"#), 400_004, "updateTwin"),
            (
                r#"{"type":"scheduleDeviceMethod","queryCondition":"*","cloudToDeviceMethod":{}}"#.to_owned(),
                400_004,
                "methodName is null or empty.",
            ),
        ] {
            let (found, text) = refused(&body);
            assert_eq!(found, code, "{body}");
            assert!(text.contains(part), "{body}: {text}");
        }
    }

    #[test]
    fn words_of_the_wire() {
        for status in JobStatus::ALL {
            assert_eq!(JobStatus::of_word(status.as_str()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert_eq!(JobStatus::of_word("canceled"), None);
        assert_eq!(DeviceJobStatus::Canceled.as_str(), "canceled");
        assert_eq!(serde_json::from_str::<JobStatus>("\"odd\"").unwrap(), JobStatus::Unknown);
    }
}
