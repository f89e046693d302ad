//! Jobs as the service sees and steers them: create, show, list, cancel.

use std::time::Duration;

use tokio::time::Instant;
use wire::{ErrorCode, HubError, JobDocument, JobId, JobRequest, JobStatus, JobType};

use super::JobEnd;
use super::job::Job;
use super::table::{JOBS, Jobs};
use crate::state::HubState;
use crate::state::hub_state::Change;

/// How far ahead a job may be planned: there is no known limit of the service, and a year is beyond any test.
const AHEAD: Duration = Duration::from_secs(366 * 24 * 3600);

/// Which jobs a list shows; none is any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct JobFilter {
    pub(crate) kind: Option<JobType>,
    pub(crate) status: Option<JobStatus>,
}

impl JobFilter {
    fn takes(&self, job: &Job) -> bool {
        self.kind.is_none_or(|kind| job.request.action.kind() == kind)
            && self.status.is_none_or(|status| job.status() == status)
    }
}

/// Jobs, and where the next page begins, if there is one.
#[derive(Debug)]
pub(crate) struct JobPage {
    pub(crate) jobs: Vec<JobDocument>,
    pub(crate) next: Option<u64>,
}

impl HubState {
    /// So many jobs may be under way at once.
    pub(crate) fn with_active_jobs(self, places: usize) -> Self {
        self.inner().jobs.places = places;
        self
    }

    /// Takes a job: it begins at once, or when its time has come and there is a place for it.
    pub(crate) async fn create_job(&self, id: JobId, request: JobRequest) -> Result<JobDocument, HubError> {
        let document = self
            .change(|inner| {
                let now = self.clock.now();
                let jobs = &mut inner.jobs;
                if jobs.get(&id).is_some() {
                    let text = format!("A job with ID '{id}' exists already.");
                    return Err(HubError::new(ErrorCode::JOB_ALREADY_EXISTS, text));
                }
                if request.start.is_some_and(|start| start.duration_since(now).is_ok_and(|wait| wait > AHEAD)) {
                    return Err(HubError::invalid("startTime is more than a year ahead."));
                }
                let job = Job::new(id, request, now, now);
                let places = jobs.places;
                if job.is_active(Instant::now()) && jobs.active(Instant::now()) >= places {
                    return Err(too_many(format!("Jobs under way at once: {places}.")));
                }
                let mut writes = jobs.make_room(0, now);
                if jobs.len() >= JOBS {
                    return Err(too_many(format!("Jobs planned at once: {JOBS}.")));
                }
                let document = job.document();
                let sequence = jobs.insert(job);
                writes.extend(jobs.newest(None).next().map(|(_, job)| Jobs::write(sequence, job)));
                Ok(Change { answer: document, writes, effects: Vec::new() })
            })
            .await?;
        self.jobs_wake().notify_one();
        Ok(document)
    }

    /// A job as it is.
    pub(crate) fn job(&self, id: &JobId) -> Result<JobDocument, HubError> {
        self.inner().jobs.get(id).map(|(_, job)| job.document()).ok_or_else(|| no_job(id.as_str()))
    }

    /// Calls a job off; one that is over stays as it is.
    pub(crate) async fn cancel_job(&self, id: &JobId) -> Result<JobDocument, HubError> {
        self.change(|inner| {
            let (sequence, job) = inner.jobs.get_mut(id).ok_or_else(|| no_job(id.as_str()))?;
            if job.is_over() {
                return Ok(Change { answer: job.document(), writes: Vec::new(), effects: Vec::new() });
            }
            job.end(JobEnd::Cancelled, self.clock.now());
            Ok(Change { answer: job.document(), writes: vec![Jobs::write(sequence, job)], effects: Vec::new() })
        })
        .await
        .inspect(|_| self.jobs_wake().notify_one())
    }

    /// Jobs, the newest first, from `before` on.
    pub(crate) fn jobs(&self, filter: &JobFilter, before: Option<u64>, size: usize) -> JobPage {
        let inner = self.inner();
        let mut page = JobPage { jobs: Vec::new(), next: None };
        let mut last = None;
        for (sequence, job) in inner.jobs.newest(before).filter(|(_, job)| filter.takes(job)) {
            if page.jobs.len() >= size {
                page.next = last;
                break;
            }
            page.jobs.push(job.document());
            last = Some(sequence);
        }
        page
    }
}

/// 404002.
pub(crate) fn no_job(id: &str) -> HubError {
    HubError::new(ErrorCode::JOB_NOT_FOUND, format!("There is no job with ID '{id}'."))
}

fn too_many(text: String) -> HubError {
    HubError::new(ErrorCode::TOO_MANY_ACTIVE_JOBS, text)
}
