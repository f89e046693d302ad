//! The devices of all jobs as rows of `devices.jobs`, the oldest job first, a job's devices in order of id.

use base::rfc3339_ticks;
use serde_json::{Value, json};

use super::device::{Device, Outcome};
use super::job::Job;
use super::table::Jobs;

impl Jobs {
    /// At most `most` rows behind the one with the key `after`, each with its key.
    pub(in crate::state) fn rows(&self, after: Option<&str>, most: usize) -> impl Iterator<Item = (String, Value)> {
        let (first, from) = after.and_then(read).map_or((0, 0), |(sequence, index)| (sequence, index + 1));
        let of_job = move |(sequence, job)| devices(sequence, job, if sequence == first { from } else { 0 });
        self.oldest(first)
            .flat_map(of_job)
            .take(most)
            .map(|(sequence, index, job, device)| (format!("{sequence}/{index}"), document(job, device)))
    }
}

fn devices(sequence: u64, job: &Job, from: usize) -> impl Iterator<Item = (u64, usize, &Job, &Device)> {
    (from..job.devices.len()).filter_map(move |index| Some((sequence, index, job, job.devices.get(index)?)))
}

/// The key as [`Jobs::rows`] writes it: it holds while the job is remembered, and behind it comes what came behind.
fn read(key: &str) -> Option<(u64, usize)> {
    let (sequence, index) = key.split_once('/')?;
    Some((sequence.parse().ok()?, index.parse().ok()?))
}

/// The row as the service shows it. What has not happened yet is left out.
fn document(job: &Job, device: &Device) -> Value {
    let Device { identity, status, started, ended, outcome } = device;
    let created = job.started().unwrap_or(job.created);
    let mut row = json!({
        "deviceId": identity.device.as_str(),
        "jobId": job.id.as_str(),
        "jobType": job.request.action.kind().as_str(),
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
