//! Devices that ask for the same: as many jobs as their ids need room for, one after the other at the hub's gate, all followed at
//! the same time. A job that is there already was made by us before, by a call whose answer was lost or by the run that this
//! one goes on with: it is followed, and only whom it had not is given to another one.

use std::collections::BTreeMap;
use std::time::Duration;

use base::Backoff;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use runner::{Batch, Class, Failure, Progress};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use wire::{ErrorCode, Identity, JobId, JobRequest, JobStatus};

use super::end::JobEnd;
use super::follow::Follow;
use super::places::Places;
use super::serve::{Hosts, Work};
use super::{condition, name};
use crate::client::{ClientError, HubClient};
use crate::failure::failure;

/// Pauses between two looks whether the hub has a place for one job more.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// Jobs of others may take long; a day without a place is no run any more.
const PLACE_PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// How long a job is asked to stop: a runner that is told to stop has two seconds, and must still say what came of it.
const CALL_OFF: Duration = Duration::from_millis(1_200);

/// See the module's description.
pub(super) struct Crew<'a> {
    pub(super) host: &'a dyn Hosts,
    pub(super) client: &'a HubClient,
    pub(super) places: &'a Places,
    pub(super) batch: &'a Batch,
    /// What is asked for, as text: part of the jobs' names.
    asked: String,
    pub(super) work: Work,
    members: BTreeMap<Identity, usize>,
}

/// What became of asking for a job.
enum Made {
    Now,
    Before,
    Refused(Failure),
    /// The run stops.
    Stopped,
}

impl<'a> Crew<'a> {
    pub(super) fn new(
        host: &'a dyn Hosts,
        client: &'a HubClient,
        places: &'a Places,
        batch: &'a Batch,
        (asked, work): (String, Work),
        members: Vec<(Identity, usize)>,
    ) -> Self {
        Self { host, client, places, batch, asked, work, members: members.into_iter().collect() }
    }

    pub(super) fn cancel(&self) -> &CancellationToken {
        self.batch.cancel()
    }

    /// Makes the jobs and follows them to their ends.
    pub(super) async fn run(self) {
        let mut rest = self.members.clone();
        let mut following = FuturesUnordered::new();
        let mut number = 1;
        while !rest.is_empty() {
            let id = name::name(self.batch.name(), &self.asked, number);
            let next = {
                let mut next = std::pin::pin!(self.next(&id, &rest));
                loop {
                    tokio::select! {
                        biased;
                        next = &mut next => break next,
                        Some(()) = following.next(), if !following.is_empty() => {}
                    }
                }
            };
            let Some(follow) = next else { break };
            rest.retain(|identity, _| !follow.members.contains_key(identity));
            following.push(follow.through());
            number += 1;
        }
        while following.next().await.is_some() {}
    }

    /// One job for as many of `rest` as it takes, made now or before. None when nothing more is to be made.
    async fn next<'s>(&'s self, id: &JobId, rest: &BTreeMap<Identity, usize>) -> Option<Follow<'s>> {
        let place = tokio::select! {
            place = self.places.take() => place?,
            () = self.cancel().cancelled() => return None,
        };
        let identities: Vec<&Identity> = in_order(rest);
        let taken = &identities[..condition::fits(&identities).max(1)];
        let request = JobRequest {
            action: self.work.action.clone(),
            condition: condition::condition(taken),
            start: None,
            max_execution: self.work.time,
        };
        let members =
            || taken.iter().filter_map(|identity| Some(((*identity).clone(), *rest.get(*identity)?))).collect();
        match self.make(id, &request).await {
            Made::Now => Some(Follow::new(self, id.clone(), members(), place)),
            Made::Before => match self.known(id, rest).await {
                Ok(members) => Some(Follow::new(self, id.clone(), members, place)),
                Err(failure) => self.give_up(rest, &failure),
            },
            Made::Refused(failure) => self.give_up(rest, &failure),
            Made::Stopped => None,
        }
    }

    fn give_up(&self, rest: &BTreeMap<Identity, usize>, failure: &Failure) -> Option<Follow<'_>> {
        rest.values().for_each(|index| self.batch.end(*index, failure.clone().into()));
        None
    }

    /// Asks for a job; waits for a place at the hub.
    async fn make(&self, id: &JobId, request: &JobRequest) -> Made {
        let since = Instant::now();
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let made = tokio::select! {
                made = self.client.create_job(id, request) => made,
                () = self.cancel().cancelled() => {
                    // It may have arrived.
                    self.call_off(id).await;
                    return Made::Stopped;
                }
            };
            let error = match made {
                Ok(_) => return Made::Now,
                Err(error) => error,
            };
            match error.code() {
                Some(ErrorCode::JOB_ALREADY_EXISTS) => return Made::Before,
                Some(ErrorCode::TOO_MANY_ACTIVE_JOBS) if since.elapsed() < PLACE_PATIENCE => self.say_waiting(),
                Some(ErrorCode::TOO_MANY_ACTIVE_JOBS) => {
                    let message = "had no turn: the hub ran other jobs for a whole day. Nothing was sent to it.";
                    return Made::Refused(Failure::new(Class::Failed, message));
                }
                _ => return Made::Refused(refused(&error, id)),
            }
            tokio::select! {
                () = sleep(self.client.delay(&mut backoff)) => {}
                () = self.cancel().cancelled() => return Made::Stopped,
            }
            if !self.is_wanted() {
                return Made::Stopped;
            }
        }
    }

    /// For the live line: nothing happens, and that is why.
    fn say_waiting(&self) {
        if let Some(index) = self.members.values().find(|index| self.batch.is_open(**index)) {
            let by = "waiting: the hub runs as many jobs as it may".to_owned();
            self.batch.progress(*index, Progress::Together { done: 0, of: self.members.len(), by });
        }
    }

    /// Whom of `rest` a job that is there already is for. Whom one that was called off had not reached is free for another.
    async fn known(&self, id: &JobId, rest: &BTreeMap<Identity, usize>) -> Result<BTreeMap<Identity, usize>, Failure> {
        let job = self.client.job(id).await.map_err(|error| failure(&error))?;
        let Some(identities) = condition::identities(&job) else {
            let text = format!("had no turn: there is a job {id} that is not of this run. Nothing was sent to it.");
            return Err(Failure::new(Class::Failed, text));
        };
        let mut members: BTreeMap<Identity, usize> =
            identities.into_iter().filter_map(|identity| Some((identity.clone(), *rest.get(&identity)?))).collect();
        if job.status == JobStatus::Cancelled {
            let rows = self.client.job_rows(id).await.map_err(|error| failure(&error))?;
            let reached = |identity: &Identity| {
                rows.iter().any(|row| row.identity == *identity && (row.reply.is_some() || row.error.is_some()))
            };
            members.retain(|identity, _| reached(identity));
        }
        Ok(members)
    }

    /// Whether anybody still waits for what comes of it.
    pub(super) fn is_wanted(&self) -> bool {
        self.members.values().any(|index| self.batch.is_open(*index))
    }

    /// Tells the hub to do no more of a job, and says what that means.
    pub(super) async fn call_off(&self, id: &JobId) {
        match timeout(CALL_OFF, self.client.cancel_job(id)).await {
            Ok(Ok(job)) if matches!(job.status, JobStatus::Completed | JobStatus::Failed) => {}
            Ok(Ok(_)) => self.batch.warn(format!(
                "the job {id} was called off; devices that had its call by then may have carried it out"
            )),
            // It never was.
            Ok(Err(error)) if error.code() == Some(ErrorCode::JOB_NOT_FOUND) => {}
            Ok(Err(_)) | Err(_) => self.batch.warn(format!(
                "the job {id} could not be called off: it goes on at the hub, for {} at most",
                base::format_duration(self.work.time)
            )),
        }
    }

    /// Tells a device's end.
    pub(super) async fn ended(&self, index: usize, end: JobEnd) {
        match end {
            JobEnd::Failed(failure) => self.batch.end(index, failure.into()),
            other => self.host.ended(self.batch, index, other).await,
        }
    }
}

/// Devices first, then modules, each by id: a job is for one or the other.
fn in_order(members: &BTreeMap<Identity, usize>) -> Vec<&Identity> {
    let (mut devices, modules): (Vec<_>, Vec<_>) = members.keys().partition(|identity| identity.module.is_none());
    devices.extend(modules);
    devices
}

/// A job that the hub does not take: nothing reached anybody.
fn refused(error: &ClientError, id: &JobId) -> Failure {
    let cause = failure(error);
    match cause.class {
        Class::Hub | Class::Timeout => cause,
        _ => Failure { message: format!("had no turn: the hub refuses the job {id}: {}", cause.message), ..cause },
    }
}
