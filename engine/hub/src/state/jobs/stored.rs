//! Jobs on the disk: one document per job, one with all its devices, and one per device that had its turn.

use std::time::SystemTime;

use base::{parse_time, rfc3339_ticks};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wire::{DeviceJobStatus, ErrorCode, Identity, JobId, JobRequest};

use super::device::{Device, Outcome};
use super::job::{Job, JobEnd, Phase};
use crate::store::{Table, Write};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredJob {
    sequence: u64,
    created: String,
    request: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<StoredEnd>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEnd {
    at: String,
    how: How,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum How {
    Completed,
    Failed,
    Cancelled,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredDevice {
    status: DeviceJobStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reply: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain fields with text keys are JSON")
}

fn moment(text: &str) -> Result<SystemTime, String> {
    parse_time(text).ok_or_else(|| format!("`{text}` is not a time"))
}

/// The write of a job without its devices.
pub(super) fn write_job(job: &Job, sequence: u64) -> Write {
    let request = String::from_utf8(job.request.to_json(&job.id)).unwrap_or_default();
    let ended = match &job.phase {
        Phase::Ended { ended, how, .. } => {
            let (how, why) = match how {
                JobEnd::Completed => (How::Completed, None),
                JobEnd::Failed(why) => (How::Failed, Some(why.clone())),
                JobEnd::Cancelled => (How::Cancelled, None),
            };
            Some(StoredEnd { at: rfc3339_ticks(*ended), how, why })
        }
        _ => None,
    };
    let stored = StoredJob {
        sequence,
        created: rfc3339_ticks(job.created),
        request: RawValue::from_string(request).expect("a request prints as JSON"),
        started: job.started().map(rfc3339_ticks),
        ended,
    };
    Write::put(Table::Jobs, job.id.as_str(), json(&stored))
}

/// A job as [`write_job`] wrote it, without its devices.
pub(super) struct ReadJob {
    pub(super) sequence: u64,
    /// Running if it had begun: its end is for later, when its devices are there.
    pub(super) job: Job,
    pub(super) end: Option<(SystemTime, JobEnd)>,
}

pub(super) fn read_job(key: &str, value: &[u8], now: SystemTime) -> Result<ReadJob, String> {
    let id: JobId = key.parse().map_err(|_| "not a job's id".to_owned())?;
    let stored: StoredJob = serde_json::from_slice(value).map_err(|error| error.to_string())?;
    let request = JobRequest::from_json(&id, stored.request.get().as_bytes()).map_err(|error| error.to_string())?;
    let mut job = Job::new(id, request, moment(&stored.created)?, now);
    if let Some(started) = stored.started {
        job.phase = Phase::Running { started: moment(&started)? };
    }
    let end = stored.ended.map(|end| {
        let how = match end.how {
            How::Completed => JobEnd::Completed,
            How::Failed => JobEnd::Failed(end.why.unwrap_or_default()),
            How::Cancelled => JobEnd::Cancelled,
        };
        Ok::<_, String>((moment(&end.at)?, how))
    });
    Ok(ReadJob { sequence: stored.sequence, job, end: end.transpose()? })
}

/// The write of a job's devices; once, when it begins. Costly for many: call it with nothing locked.
pub(super) fn write_targets(id: &JobId, targets: &[Identity]) -> Write {
    let names: Vec<String> = targets.iter().map(Identity::to_string).collect();
    Write::put(Table::JobTargets, id.as_str(), json(&names))
}

pub(super) fn read_targets(value: &[u8]) -> Result<Vec<Identity>, String> {
    let names: Vec<String> = serde_json::from_slice(value).map_err(|error| error.to_string())?;
    names.iter().map(|name| name.parse().map_err(|_| format!("`{name}` is not an identity"))).collect()
}

fn device_key(id: &JobId, index: usize) -> String {
    format!("{id}/{index:07}")
}

pub(super) fn read_device_key(key: &str) -> Result<(JobId, usize), String> {
    let parts = key.rsplit_once('/').and_then(|(id, index)| Some((id.parse().ok()?, index.parse().ok()?)));
    parts.ok_or_else(|| "not a job's device".to_owned())
}

pub(super) fn write_device(id: &JobId, index: usize, row: &Device) -> Write {
    let mut stored = StoredDevice {
        status: row.status,
        started: row.started.map(rfc3339_ticks),
        ended: row.ended.map(rfc3339_ticks),
        reply: None,
        payload: None,
        error: None,
        description: None,
    };
    match row.outcome.as_deref() {
        Some(Outcome::Reply { status, payload }) => {
            (stored.reply, stored.payload) = (Some(*status), payload.clone());
        }
        Some(Outcome::Error { code, description }) => {
            (stored.error, stored.description) = (Some(code.0), Some(description.to_string()));
        }
        None => {}
    }
    Write::put(Table::JobDevices, device_key(id, index), json(&stored))
}

/// Puts into `row` what [`write_device`] wrote.
pub(super) fn read_device(value: &[u8]) -> Result<impl FnOnce(&mut Device) + use<>, String> {
    let stored: StoredDevice = serde_json::from_slice(value).map_err(|error| error.to_string())?;
    let (started, ended) =
        (stored.started.as_deref().map(moment).transpose()?, stored.ended.as_deref().map(moment).transpose()?);
    let outcome = match (stored.reply, stored.error) {
        (Some(status), _) => Some(Outcome::Reply { status, payload: stored.payload }),
        (None, Some(code)) => {
            Some(Outcome::Error { code: ErrorCode(code), description: stored.description.unwrap_or_default().into() })
        }
        (None, None) => None,
    };
    let status = stored.status;
    Ok(move |row: &mut Device| {
        (row.status, row.started, row.ended, row.outcome) = (status, started, ended, outcome.map(Box::new));
    })
}

/// Removes a job and everything of it.
pub(super) fn remove_job(job: &Job) -> Vec<Write> {
    let id = &job.id;
    let whole = [Write::remove(Table::Jobs, id.as_str()), Write::remove(Table::JobTargets, id.as_str())];
    let devices = (0..job.devices.len()).map(|index| Write::remove(Table::JobDevices, device_key(id, index)));
    whole.into_iter().chain(devices).collect()
}
