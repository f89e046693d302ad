//! What whoever runs a job does to it, step by step; each step is on the disk when it returns.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::{HubError, Identity, JobAction, JobId, JobRequest};

use super::device::Devices;
use super::job::{Job, Phase};
use super::stored::{write_device, write_targets};
use super::table::Jobs;
use super::{DeviceEnd, JobEnd};
use crate::state::HubState;
use crate::state::hub_state::{Change, Inner};
use crate::state::twins::TwinWrite;
use crate::store::Write;

/// Rows looked at with the state held.
const TURN: usize = 1_000;

/// What must be known to run a job.
#[derive(Clone, Debug)]
pub(crate) struct JobPlan {
    pub(crate) id: JobId,
    pub(crate) request: Arc<JobRequest>,
    /// When its time is over; none before it has begun.
    pub(crate) deadline: Option<Instant>,
    /// Cancelled when it is over.
    pub(crate) over: CancellationToken,
}

/// Devices whose turn is yet to come.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// With their places in the job.
    pub(crate) devices: Vec<(usize, Identity)>,
    /// Where to look on; none at the end.
    pub(crate) next: Option<usize>,
}

fn nothing<T>(answer: T) -> Change<T> {
    Change { answer, writes: Vec::new(), effects: Vec::new() }
}

impl HubState {
    /// Wakes whoever runs jobs: there is a new one.
    pub(crate) fn jobs_wake(&self) -> &tokio::sync::Notify {
        &self.jobs_wake
    }

    /// Takes the jobs that shall run now, as far as there are places, and says when the next one is due. One that was under way
    /// when the hub ended goes on whatever the places.
    pub(crate) fn take_jobs(&self) -> (Vec<JobPlan>, Option<Instant>) {
        let (now, wall) = (Instant::now(), self.clock.now());
        let mut inner = self.inner();
        let jobs = &mut inner.jobs;
        let places = jobs.places;
        let mut under_way = jobs.iter_mut().filter(|job| job.taken && !job.is_over()).count();
        let mut plans = Vec::new();
        for job in jobs.iter_mut().filter(|job| !job.taken && matches!(job.phase, Phase::Running { .. })) {
            let Phase::Running { started } = job.phase else { continue };
            let spent = wall.duration_since(started).unwrap_or(Duration::ZERO);
            job.taken = true;
            under_way += 1;
            plans.push(plan(job, Some(now + job.request.max_execution.saturating_sub(spent))));
        }
        let mut waiting: Vec<&mut Job> =
            jobs.iter_mut().filter(|job| !job.taken && matches!(job.phase, Phase::Waiting)).collect();
        waiting.sort_by_key(|job| job.due);
        for job in waiting.iter_mut().filter(|job| job.due <= now) {
            if under_way >= places {
                break;
            }
            job.taken = true;
            under_way += 1;
            plans.push(plan(job, None));
        }
        let next = waiting.iter().map(|job| job.due).find(|due| *due > now);
        (plans, next)
    }

    /// Begins a job with its devices, in order and without doubles; when its time will be over. None if it waits no more.
    pub(crate) async fn begin_job(&self, id: &JobId, targets: Vec<Identity>) -> Result<Option<Instant>, HubError> {
        let listed = write_targets(id, &targets);
        let devices = Devices::of(targets);
        self.change(|inner| {
            let now = self.clock.now();
            let waiting = |(_, job): &(u64, &Job)| matches!(job.phase, Phase::Waiting);
            let Some((sequence, _)) = inner.jobs.get(id).filter(waiting) else { return Ok(nothing(None)) };
            let mut writes = inner.jobs.make_room(devices.len(), now);
            let Some(job) = inner.jobs.begin(sequence, devices, now) else { return Ok(nothing(None)) };
            writes.extend([Jobs::write(sequence, job), listed]);
            Ok(Change { answer: Some(Instant::now() + job.request.max_execution), writes, effects: Vec::new() })
        })
        .await
    }

    /// At most `count` devices whose turn is yet to come, from the place `from` on.
    pub(crate) fn pending_devices(&self, id: &JobId, from: usize, count: usize) -> Pending {
        let inner = self.inner();
        let Some((_, job)) = inner.jobs.get(id) else { return Pending::default() };
        let mut pending = Pending::default();
        let end = job.devices.len().min(from + TURN);
        for index in from..end {
            if pending.devices.len() >= count {
                pending.next = Some(index);
                return pending;
            }
            if let Some(identity) = job.devices.pending(index) {
                pending.devices.push((index, identity.clone()));
            }
        }
        pending.next = (end < job.devices.len()).then_some(end);
        pending
    }

    /// Marks devices as called, before they are: a call is never made twice. False if the job is over; then none is marked.
    pub(crate) async fn mark_called(&self, id: &JobId, places: &[usize]) -> Result<bool, HubError> {
        let marked =
            self.devices_step(id, places.iter().copied(), |devices, index, now| devices.begin(index, now)).await?;
        Ok(marked == places.len())
    }

    /// Takes marks back: nothing reached these devices.
    pub(crate) async fn unmark_called(&self, id: &JobId, places: &[usize]) -> Result<(), HubError> {
        self.devices_step(id, places.iter().copied(), |devices, index, _| devices.put_back(index)).await.map(drop)
    }

    /// Notes what came of devices' turns.
    pub(crate) async fn end_devices(&self, id: &JobId, ends: Vec<(usize, DeviceEnd)>) -> Result<(), HubError> {
        self.change(|inner| {
            let Some((sequence, _)) = inner.jobs.get(id).filter(|(_, job)| !job.is_over()) else {
                return Ok(nothing(()));
            };
            Ok(Change { writes: note_ends(self, inner, id, sequence, ends), ..nothing(()) })
        })
        .await
    }

    /// Makes a step of some devices of a job that is not over; how many made it.
    async fn devices_step(
        &self,
        id: &JobId,
        places: impl Iterator<Item = usize>,
        step: impl Fn(&mut Devices, usize, std::time::SystemTime) -> bool,
    ) -> Result<usize, HubError> {
        self.change(|inner| {
            let now = self.clock.now();
            let Some((_, job)) = inner.jobs.get_mut(id).filter(|(_, job)| !job.is_over()) else {
                return Ok(nothing(0));
            };
            let made: Vec<usize> = places.filter(|index| step(&mut job.devices, *index, now)).collect();
            let writes = made.iter().filter_map(|index| Some(write_device(id, *index, job.devices.get(*index)?)));
            Ok(Change { answer: made.len(), writes: writes.collect(), effects: Vec::new() })
        })
        .await
    }

    /// Updates the twins of these devices, and notes it: one commit, so that each is updated exactly once.
    pub(crate) async fn update_job_twins(&self, id: &JobId, devices: &[(usize, Identity)]) -> Result<(), HubError> {
        self.change(|inner| {
            let Some((sequence, job)) = inner.jobs.get(id).filter(|(_, job)| !job.is_over()) else {
                return Ok(nothing(()));
            };
            let request = Arc::clone(&job.request);
            let JobAction::Twin { patch, condition } = &request.action else { return Ok(nothing(())) };
            let mut whole = nothing(());
            let mut ends = Vec::with_capacity(devices.len());
            for (index, identity) in devices {
                match self.write_one_twin(inner, identity, condition.as_ref(), patch, TwinWrite::Patch) {
                    Ok(one) => {
                        whole.writes.extend(one.writes);
                        whole.effects.extend(one.effects);
                        ends.push((*index, DeviceEnd::Updated));
                    }
                    Err(error) => ends.push((*index, DeviceEnd::Refused(error))),
                }
            }
            whole.writes.extend(note_ends(self, inner, id, sequence, ends));
            Ok(whole)
        })
        .await
    }

    /// Ends a job, unless it is over.
    pub(crate) async fn end_job(&self, id: &JobId, how: JobEnd) -> Result<(), HubError> {
        self.change(|inner| {
            let now = self.clock.now();
            let Some((sequence, job)) = inner.jobs.get_mut(id).filter(|(_, job)| !job.is_over()) else {
                return Ok(nothing(()));
            };
            job.end(how, now);
            Ok(Change { writes: vec![Jobs::write(sequence, job)], ..nothing(()) })
        })
        .await
    }
}

fn plan(job: &Job, deadline: Option<Instant>) -> JobPlan {
    JobPlan { id: job.id.clone(), request: Arc::clone(&job.request), deadline, over: job.over.clone() }
}

fn note_ends(
    state: &HubState,
    inner: &mut Inner,
    id: &JobId,
    sequence: u64,
    ends: Vec<(usize, DeviceEnd)>,
) -> Vec<Write> {
    let now = state.clock.now();
    let mut writes = Vec::with_capacity(ends.len());
    for (index, end) in ends {
        let Some((_, job)) = inner.jobs.get_mut(id) else { continue };
        if !job.devices.end(index, end, now) {
            continue;
        }
        inner.jobs.weigh(sequence, index);
        let row = inner.jobs.get(id).and_then(|(_, job)| job.devices.get(index));
        writes.extend(row.map(|row| write_device(id, index, row)));
    }
    writes
}
