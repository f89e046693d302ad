//! What a job came to on one device.

use runner::{Class, Failure};
use serde_json::json;
use wire::{DeviceJobStatus, ErrorCode, HubError, JobDocument, JobRow, JobStatus, MethodReply};

/// A device's end. What a reply or a refusal means is for the verb to say; the rest is a failure whatever the verb.
#[derive(Clone, Debug)]
pub(crate) enum JobEnd {
    /// It answered the call.
    Replied(MethodReply),
    /// Its twin is updated.
    Updated,
    /// It did not, with the hub's code, as a call of its own would have had it.
    Refused(HubError),
    /// Neither.
    Failed(Failure),
}

/// A sentence about a device that may have carried out what nobody awaited.
fn in_doubt(message: String) -> JobEnd {
    let value = json!({ "status": null, "payload": null, "lost": true });
    let help = "do not send it again blindly: a wait_until on what it reports tells what became of it".to_owned();
    JobEnd::Failed(Failure { in_doubt: true, value, help: vec![help], ..Failure::new(Class::Timeout, message) })
}

fn failed(class: Class, message: String) -> JobEnd {
    JobEnd::Failed(Failure::new(class, message))
}

impl JobEnd {
    /// What a row says; nothing while the device's turn is not over.
    pub(super) fn of_row(row: JobRow, methods: bool) -> Option<Self> {
        Some(match (row.status, row.reply, row.error) {
            (DeviceJobStatus::Completed, Some(reply), _) => Self::Replied(reply),
            (DeviceJobStatus::Completed, None, _) if methods => {
                in_doubt("answered, but the hub has no room for what it said".to_owned())
            }
            (DeviceJobStatus::Completed, None, _) => Self::Updated,
            (DeviceJobStatus::Failed, _, Some(error)) => Self::Refused(error),
            (DeviceJobStatus::Failed, _, None) => {
                failed(Class::Failed, "failed in the job; the hub does not say why".into())
            }
            (DeviceJobStatus::Canceled, _, Some(_)) => {
                in_doubt("was called, and the job was called off before it answered".to_owned())
            }
            (DeviceJobStatus::Canceled, _, None) => {
                failed(Class::Failed, "had no turn: the job was called off. Nothing was sent to it.".to_owned())
            }
            (DeviceJobStatus::Pending | DeviceJobStatus::Running, ..) => return None,
        })
    }

    /// Of a device whose turn was not over when the job was. `row` is how far it was, if there is a row.
    pub(super) fn of_rest(job: &JobDocument, row: Option<DeviceJobStatus>) -> Self {
        let id = &job.job_id;
        match (job.status, row) {
            (JobStatus::Failed, _) => {
                let why =
                    job.failure_reason.as_deref().or(job.status_message.as_deref()).unwrap_or("it does not say why");
                failed(Class::Failed, format!("had no turn: the hub could not carry out the job {id}: {why}"))
            }
            (_, Some(DeviceJobStatus::Running)) => in_doubt(format!("did not answer while the job {id} went on")),
            (JobStatus::Cancelled, _) => {
                failed(Class::Failed, format!("had no turn: the job {id} was called off. Nothing was sent to it."))
            }
            (JobStatus::Completed, None) => {
                // The condition names it: it was not there when the job began.
                Self::Refused(HubError::new(ErrorCode::DEVICE_NOT_FOUND, format!("The job {id} did not find it.")))
            }
            (JobStatus::Completed, Some(_)) => in_doubt(format!("has no end in the job {id}, which is over")),
            _ => failed(Class::Timeout, format!("had no turn before the time of the job {id} was over")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(rest: &str) -> JobRow {
        JobRow::from_json(&format!(r#"{{"deviceId":"d",{rest}}}"#)).unwrap()
    }

    fn class(end: Option<JobEnd>) -> String {
        match end {
            None => "open".into(),
            Some(JobEnd::Replied(reply)) => format!("replied {}", reply.status),
            Some(JobEnd::Updated) => "updated".into(),
            Some(JobEnd::Refused(error)) => format!("refused {}", error.code.0),
            Some(JobEnd::Failed(failure)) => {
                format!("{}{}", failure.class, if failure.in_doubt { " in doubt" } else { "" })
            }
        }
    }

    #[test]
    fn rows_by_table() {
        let reply = r#""status":"completed","outcome":{"deviceMethodResponse":{"status":7,"payload":null}}"#;
        for (rest, methods, expected) in [
            (r#""status":"pending""#, true, "open"),
            (r#""status":"running""#, true, "open"),
            (reply, true, "replied 7"),
            (r#""status":"completed","outcome":{"deviceMethodResponse":null}"#, false, "updated"),
            (r#""status":"completed","outcome":{}"#, true, "timeout in doubt"),
            (r#""status":"failed","error":{"code":"DeviceNotOnline"}"#, true, "refused 404103"),
            (r#""status":"failed""#, true, "failed"),
            (r#""status":"canceled""#, true, "failed"),
            (r#""status":"canceled","error":{"code":"GenericTimeout"}"#, true, "timeout in doubt"),
        ] {
            assert_eq!(class(JobEnd::of_row(row(rest), methods)), expected, "{rest}");
        }
    }

    #[test]
    fn the_rest_by_table() {
        use DeviceJobStatus::{Pending, Running};
        for (status, row, expected) in [
            ("completed", None, "refused 404001"),
            ("completed", Some(Pending), "timeout in doubt"),
            ("completed", Some(Running), "timeout in doubt"),
            ("failed", None, "failed"),
            ("cancelled", Some(Pending), "failed"),
            ("cancelled", Some(Running), "timeout in doubt"),
            ("running", Some(Pending), "timeout"),
            ("running", Some(Running), "timeout in doubt"),
            ("queued", None, "timeout"),
        ] {
            let job = serde_json::json!({"jobId": "j", "type": "t", "status": status, "failureReason": "no query"});
            let job: JobDocument = serde_json::from_value(job).unwrap();
            let end = JobEnd::of_rest(&job, row);
            if status == "failed" {
                assert!(matches!(&end, JobEnd::Failed(failure) if failure.message.ends_with("no query")));
            }
            assert_eq!(class(Some(end)), expected, "{status} {row:?}");
        }
    }
}
