//! A row of `devices.jobs` as a service reads it: how far a job is with one device, and what the device said. The other side of it,
//! which makes rows, is the local hub's; rows of the real service name more statuses and leave more out.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{DeviceId, DeviceJobStatus, ErrorCode, HubError, Identity, JobId, MethodReply, ModuleId};

/// The query for all rows of a job.
pub fn job_rows_query(job: &JobId) -> String {
    // An id may hold a single quote, never a double one.
    format!("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = \"{job}\"")
}

/// How far a job is with one device.
#[derive(Clone, Debug)]
pub struct JobRow {
    /// The device or module.
    pub identity: Identity,
    /// How far.
    pub status: DeviceJobStatus,
    /// What the device answered, in a row of a method that has `completed`.
    pub reply: Option<MethodReply>,
    /// Why it is over without that.
    pub error: Option<HubError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    device_id: DeviceId,
    #[serde(default)]
    module_id: Option<ModuleId>,
    status: String,
    #[serde(default, borrow)]
    outcome: Option<Outcome<'a>>,
    #[serde(default)]
    error: Option<RowError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'a> {
    #[serde(default, borrow)]
    device_method_response: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RowError {
    #[serde(default)]
    code: Value,
    #[serde(default)]
    description: Option<String>,
}

impl JobRow {
    /// Reads a row; nothing when it is none.
    pub fn from_json(row: &str) -> Option<Self> {
        let row: Row<'_> = serde_json::from_str(row).ok()?;
        let identity = match row.module_id {
            Some(module) => Identity::module(row.device_id, module),
            None => Identity::device(row.device_id),
        };
        let reply = row.outcome.and_then(|outcome| outcome.device_method_response);
        let reply = reply.and_then(|reply| MethodReply::from_json(reply.get().as_bytes()).ok());
        Some(Self { identity, status: status(&row.status), reply, error: row.error.map(error) })
    }
}

/// A word that is none of those known (`scheduled`, `unknown`) is of a device whose turn is yet to come.
fn status(word: &str) -> DeviceJobStatus {
    let all =
        [DeviceJobStatus::Running, DeviceJobStatus::Completed, DeviceJobStatus::Failed, DeviceJobStatus::Canceled];
    let known = all.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(word));
    known.unwrap_or(DeviceJobStatus::Pending)
}

/// The code is a name, or its number as text or number.
fn error(error: RowError) -> HubError {
    let number = |text: &str| text.parse().ok().map(ErrorCode);
    let code = match &error.code {
        Value::String(text) => ErrorCode::of_name(text).or_else(|| number(text)),
        Value::Number(code) => number(&code.to_string()),
        _ => None,
    };
    let description = error.description.unwrap_or_default();
    match (code, error.code) {
        (Some(code), _) => HubError::new(code, description),
        // A name that nobody knows says more than none.
        (None, Value::String(name)) => HubError::new(ErrorCode::GENERIC_BAD_REQUEST, format!("{name} {description}")),
        (None, _) => HubError::new(ErrorCode::GENERIC_BAD_REQUEST, description),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_by_table() {
        use DeviceJobStatus::{Canceled, Completed, Failed, Pending, Running};
        for (rest, status, reply, code) in [
            (r#""status":"pending""#, Pending, None, None),
            (r#""status":"scheduled","outcome":null,"error":null"#, Pending, None, None),
            (r#""status":"Running","moduleId":null"#, Running, None, None),
            (
                r#""status":"completed","outcome":{"deviceMethodResponse":{"status":409,"payload":{"a": 1}}}"#,
                Completed,
                Some((409, r#"{"a": 1}"#)),
                None,
            ),
            (r#""status":"completed","outcome":{"deviceMethodResponse":null}"#, Completed, None, None),
            (r#""status":"failed","error":{"code":"DeviceNotOnline","description":"x"}"#, Failed, None, Some(404_103)),
            (r#""status":"failed","error":{"code":"504101"}"#, Failed, None, Some(504_101)),
            (r#""status":"failed","error":{"code":404103,"description":null}"#, Failed, None, Some(404_103)),
            (r#""status":"failed","error":{"code":"Odd","description":"words"}"#, Failed, None, Some(400_000)),
            (r#""status":"canceled","error":{}"#, Canceled, None, Some(400_000)),
        ] {
            let row = JobRow::from_json(&format!(r#"{{"deviceId":"d","jobId":"j","x":1,{rest}}}"#)).unwrap();
            assert_eq!((row.identity.to_string().as_str(), row.status), ("d", status), "{rest}");
            let found = row.reply.map(|reply| (reply.status, reply.payload.map(|it| it.get().to_owned())));
            assert_eq!(found, reply.map(|(status, payload)| (status, Some(payload.to_owned()))), "{rest}");
            assert_eq!(row.error.map(|error| error.code.0), code, "{rest}");
        }
        let module = JobRow::from_json(r#"{"deviceId":"d","moduleId":"m","status":"failed"}"#).unwrap();
        assert_eq!(module.identity.to_string(), "d/m");
        for odd in ["", "{}", "[]", r#"{"deviceId":"a b","status":"failed"}"#, r#"{"deviceId":"d"}"#] {
            assert!(JobRow::from_json(odd).is_none(), "{odd}");
        }
    }
}
