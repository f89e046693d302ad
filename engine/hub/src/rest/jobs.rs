//! Jobs v2: create, show, list, cancel.

use wire::{HubError, JobDocument, JobId, JobRequest, JobStatus, JobType, headers};

use super::body;
use super::call::Call;
use super::query::page_size;
use super::reply::{Failure, Reply, header, json};
use super::service::Service;
use crate::state::{JobFilter, no_job};

pub(super) async fn put(service: &Service, id: &str, call: Call) -> Result<Reply, Failure> {
    let id: JobId = id.parse().map_err(|error| HubError::invalid(format!("{error}")))?;
    let body = body::read(call.body, body::JOB).await?;
    let request = JobRequest::from_json(&id, &body)?;
    Ok(shown(&service.state.create_job(id, request).await?))
}

pub(super) fn get(service: &Service, id: &str) -> Result<Reply, Failure> {
    Ok(shown(&service.state.job(&existing(id)?)?))
}

pub(super) async fn cancel(service: &Service, id: &str) -> Result<Reply, Failure> {
    Ok(shown(&service.state.cancel_job(&existing(id)?).await?))
}

/// Jobs of a type and status, the newest first, as an array: so the service answers, whatever Python's SDK expects.
pub(super) fn list(service: &Service, call: &Call) -> Result<Reply, Failure> {
    let size = page_size(call.header(headers::MAX_ITEM_COUNT))?;
    let filter = JobFilter {
        kind: word(call, headers::JOB_TYPE_PARAMETER, JobType::of_word)?,
        status: word(call, headers::JOB_STATUS_PARAMETER, JobStatus::of_word)?,
    };
    let before = call.header(headers::CONTINUATION).filter(|token| !token.is_empty());
    let before = before.map(|token| read(token, &filter)).transpose()?;
    let page = service.state.jobs(&filter, before, size);
    let rows = serde_json::to_vec(&page.jobs).expect("plain fields with text keys are JSON");
    let reply = header(json(rows), headers::ITEM_TYPE, headers::ITEM_JOB_RESPONSE);
    Ok(match page.next {
        Some(next) => header(reply, headers::CONTINUATION, &written(next, &filter)),
        None => reply,
    })
}

fn shown(job: &JobDocument) -> Reply {
    json(serde_json::to_vec(job).expect("plain fields with text keys are JSON"))
}

/// A name that can be no job's is a job that is not there.
fn existing(id: &str) -> Result<JobId, HubError> {
    id.parse().map_err(|_| no_job(id))
}

/// A filter's value; an empty one is none.
fn word<T>(call: &Call, name: &str, of_word: impl Fn(&str) -> Option<T>) -> Result<Option<T>, HubError> {
    let Some(given) = call.parameter(name).filter(|given| !given.is_empty()) else { return Ok(None) };
    // At most 64 characters of what came go back.
    let shown: String = given.chars().take(64).collect();
    of_word(given).map(Some).ok_or_else(|| HubError::invalid(format!("`{shown}` is no {name}.")))
}

/// A page's place, and the filter that it goes with.
fn written(place: u64, filter: &JobFilter) -> String {
    format!("{place}.{}", mark(filter))
}

fn mark(filter: &JobFilter) -> String {
    let kind = filter.kind.map_or("any", JobType::as_str);
    format!("{kind}.{}", filter.status.map_or("any", JobStatus::as_str))
}

fn read(token: &str, filter: &JobFilter) -> Result<u64, HubError> {
    let parts = token.split_once('.').filter(|(_, of)| *of == mark(filter));
    let place = parts.and_then(|(place, _)| place.parse().ok());
    place.ok_or_else(|| HubError::invalid("The continuation token is not of this query."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_with_its_filter() {
        let all = JobFilter::default();
        let some = JobFilter { kind: Some(JobType::UpdateTwin), status: Some(JobStatus::Running) };
        for filter in [all, some] {
            assert_eq!(read(&written(7, &filter), &filter).unwrap(), 7);
        }
        assert!(read(&written(7, &all), &some).is_err());
        assert!(read("", &all).is_err() && read("7", &all).is_err());
    }
}
