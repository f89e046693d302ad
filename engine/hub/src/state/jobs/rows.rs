//! The devices of all jobs as rows of `devices.jobs`. A lookup costs what its field needs; a document is made on demand.

use base::rfc3339_ticks;
use serde_json::{Value, json};
use wire::Identity;

use super::device::{Device, Outcome};
use super::job::Job;

/// One device of one job.
#[derive(Clone, Copy)]
pub(crate) struct JobRow<'a> {
    pub(super) job: &'a Job,
    pub(super) device: &'a Device,
}

impl JobRow<'_> {
    /// Whose row.
    pub(crate) fn identity(&self) -> &Identity {
        &self.device.identity
    }

    /// The row as the service shows it. What has not happened yet is left out.
    pub(crate) fn document(&self) -> Value {
        let Device { identity, status, started, ended, outcome } = self.device;
        let created = self.job.started().unwrap_or(self.job.created);
        let mut row = json!({
            "deviceId": identity.device.as_str(),
            "jobId": self.job.id.as_str(),
            "jobType": self.job.request.action.kind().as_str(),
            "status": status.as_str(),
            "createdDateTimeUtc": rfc3339_ticks(created),
            "lastUpdatedDateTimeUtc": rfc3339_ticks(ended.or(*started).unwrap_or(created)),
        });
        if let Some(module) = &identity.module {
            row["moduleId"] = module.as_str().into();
        }
        for (name, time) in [("startTimeUtc", started), ("endTimeUtc", ended)] {
            if let Some(time) = time {
                row[name] = rfc3339_ticks(*time).into();
            }
        }
        match outcome.as_deref() {
            Some(Outcome::Reply { status, payload }) => {
                let payload = payload.as_deref().and_then(|payload| serde_json::from_str(payload.get()).ok());
                let payload: Value = payload.unwrap_or(Value::Null);
                row["outcome"] = json!({"deviceMethodResponse": {"status": status, "payload": payload}});
            }
            Some(Outcome::Error { code, description }) => {
                row["error"] = json!({"code": code.name(), "description": description});
            }
            None if ended.is_some() => row["outcome"] = json!({"deviceMethodResponse": null}),
            None => {}
        }
        row
    }
}
