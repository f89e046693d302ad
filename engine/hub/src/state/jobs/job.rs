//! One job: its request, where it stands, its devices. Pure but for the moment at which it is due.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base::rfc3339_ticks;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::{JobDocument, JobId, JobRequest, JobStatus};

use super::device::Devices;

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JobEnd {
    /// Every device had its turn, or the time was over.
    Completed,
    /// It could not be carried out; holds why.
    Failed(String),
    /// It was called off.
    Cancelled,
}

/// Where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has not begun.
    Waiting,
    /// Its devices are known.
    Running { started: SystemTime },
    /// It is over; it may have ended without having begun.
    Ended { started: Option<SystemTime>, ended: SystemTime, how: JobEnd },
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) request: Arc<JobRequest>,
    pub(super) created: SystemTime,
    /// When it may begin.
    pub(super) due: Instant,
    pub(super) phase: Phase,
    pub(super) devices: Devices,
    /// Somebody runs it.
    pub(super) taken: bool,
    /// Cancelled when it is over, so that whoever runs it stops.
    pub(super) over: CancellationToken,
}

impl Job {
    pub(super) fn new(id: JobId, request: JobRequest, created: SystemTime, now: SystemTime) -> Self {
        let wait = request.start.and_then(|start| start.duration_since(now).ok()).unwrap_or(Duration::ZERO);
        let due = Instant::now() + wait;
        Self {
            id,
            request: Arc::new(request),
            created,
            due,
            phase: Phase::Waiting,
            devices: Devices::default(),
            taken: false,
            over: CancellationToken::new(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. })
    }

    /// Whether it takes one of the places of jobs under way.
    pub(super) fn is_active(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Waiting => self.taken || self.due <= now,
            Phase::Running { .. } => true,
            Phase::Ended { .. } => false,
        }
    }

    pub(super) fn status(&self) -> JobStatus {
        match &self.phase {
            Phase::Waiting if self.due > Instant::now() => JobStatus::Scheduled,
            Phase::Waiting => JobStatus::Queued,
            Phase::Running { .. } => JobStatus::Running,
            Phase::Ended { how: JobEnd::Completed, .. } => JobStatus::Completed,
            Phase::Ended { how: JobEnd::Failed(_), .. } => JobStatus::Failed,
            Phase::Ended { how: JobEnd::Cancelled, .. } => JobStatus::Cancelled,
        }
    }

    /// When it began.
    pub(super) fn started(&self) -> Option<SystemTime> {
        match self.phase {
            Phase::Waiting => None,
            Phase::Running { started } => Some(started),
            Phase::Ended { started, .. } => started,
        }
    }

    /// Ends it, and the turn of every device whose turn is not over. Whoever runs it hears of it through `over`.
    pub(super) fn end(&mut self, how: JobEnd, now: SystemTime) {
        self.devices.settle(self.request.action.kind(), &how, now);
        self.phase = Phase::Ended { started: self.started(), ended: now, how };
        self.over.cancel();
    }

    pub(super) fn document(&self) -> JobDocument {
        let mut document = JobDocument::of_request(&self.id, &self.request, self.created, self.status());
        if let Some(started) = self.started() {
            document.start_time = Some(rfc3339_ticks(started));
            document.device_job_statistics = Some(self.devices.tally());
        }
        if let Phase::Ended { ended, how, .. } = &self.phase {
            document.end_time = Some(rfc3339_ticks(*ended));
            if let JobEnd::Failed(why) = how {
                document.failure_reason = Some(why.clone());
                document.status_message = Some(why.clone());
            }
        }
        document
    }
}
