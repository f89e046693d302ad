//! One job from its making to its end: asks how far it is, less and less often, and reads the rows of its devices when they say
//! something new: at its end, and when it has come to rest before (devices that are away keep a job open).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use runner::Progress;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, sleep_until};
use wire::{DeviceJobStatus, Identity, JobAction, JobDocument, JobId, JobStatistics, JobStatus};

use super::crew::Crew;
use super::end::JobEnd;
use crate::client::ClientError;
use crate::failure::failure;

/// The first look, and how the pause grows. Jobs of a hub are looked at a hundred times a minute at most (S1): one job takes
/// a fifth of that, and several share it.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
const GROWTH: f64 = 1.5;
/// A hub notes that a job's time is over within so long.
const NOTED: Duration = Duration::from_millis(500);
/// How much longer than its time a job may take by the hub's own clock and patience.
const OVERTIME: Duration = Duration::from_secs(30);
/// How long a job may wait for its beginning: behind jobs of others, or in a hub under load.
const BEGIN_PATIENCE: Duration = Duration::from_secs(3600);
/// Rows may lag behind their job: looks after its end, and the pause before each.
const LATE_ROWS: [u64; 5] = [1, 2, 4, 8, 15];
/// Devices whose ends are told at once; some verbs read a twin for it.
const AT_ONCE: usize = 32;

/// See the module's description.
pub(super) struct Follow<'a> {
    crew: &'a Crew<'a>,
    id: JobId,
    /// Whose ends are awaited here.
    pub(super) members: BTreeMap<Identity, usize>,
    _place: OwnedSemaphorePermit,
}

/// What is known of a job so far.
#[derive(Default)]
struct Known {
    begun: Option<Instant>,
    last: JobStatistics,
    /// Devices that were over when rows were read last.
    read: usize,
}

impl Known {
    /// When to look again: after the pause, and soon after the job's time must be over, as whoever waits has no more time.
    fn next_look(&self, time: Duration, pause: Duration) -> Instant {
        let now = Instant::now();
        let over = self.begun.map(|begun| begun + time + NOTED);
        match over {
            Some(over) if over > now => over.min(now + pause),
            Some(_) => now + pause.min(NOTED),
            None => now + pause,
        }
    }
}

/// Why there is nothing more to follow.
enum Over {
    /// The hub says so.
    Ended(JobDocument),
    /// Its time is over by our clock.
    Late(JobDocument),
    /// Nobody waits any more.
    Unwanted,
    Lost(ClientError),
}

impl<'a> Follow<'a> {
    pub(super) fn new(
        crew: &'a Crew<'a>,
        id: JobId,
        members: BTreeMap<Identity, usize>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self { crew, id, members, _place: place }
    }

    /// Until every member has its end.
    pub(super) async fn through(mut self) {
        if self.members.is_empty() {
            return;
        }
        let crew = self.crew;
        let work = async {
            match self.watch().await {
                Over::Ended(job) => self.settle(&job).await,
                Over::Late(job) => {
                    crew.call_off(&self.id).await;
                    self.settle(&job).await;
                }
                Over::Unwanted => crew.call_off(&self.id).await,
                Over::Lost(error) => self.all_failed(&error),
            }
        };
        tokio::select! {
            biased;
            () = crew.cancel().cancelled() => {}
            () = work => return,
        }
        crew.call_off(&self.id).await;
    }

    fn all_failed(&mut self, error: &ClientError) {
        let failure = failure(error);
        for index in std::mem::take(&mut self.members).into_values() {
            // It was made: the hub may well do it.
            let failure = runner::Failure { in_doubt: true, ..failure.clone() };
            self.crew.batch.end(index, failure.into());
        }
    }

    async fn watch(&mut self) -> Over {
        let crew = self.crew;
        let (made, mut known, mut pause) = (Instant::now(), Known::default(), FIRST_PAUSE);
        loop {
            let job = match crew.client.job(&self.id).await {
                Ok(job) => job,
                Err(error) => return Over::Lost(error),
            };
            self.note(&job, &mut known);
            if job.status.is_final() {
                self.members.values().for_each(|index| crew.batch.over(*index));
                return Over::Ended(job);
            }
            if let Err(error) = self.rows_at_rest(&job, &mut known).await {
                return Over::Lost(error);
            }
            if !self.members.values().any(|index| crew.batch.is_open(*index)) {
                return if self.members.is_empty() { Over::Ended(job) } else { Over::Unwanted };
            }
            let late = match known.begun {
                Some(begun) => begun.elapsed() > crew.work.time + OVERTIME,
                None => made.elapsed() > BEGIN_PATIENCE,
            };
            if late {
                return Over::Late(job);
            }
            sleep_until(known.next_look(crew.work.time, pause * crew.places.taken())).await;
            pause = pause.mul_f64(GROWTH).min(LONGEST_PAUSE);
        }
    }

    /// Its beginning, and how far it is.
    fn note(&self, job: &JobDocument, known: &mut Known) {
        let under_way = matches!(job.status, JobStatus::Running | JobStatus::Completed) || job.status.is_final();
        if under_way && known.begun.is_none() {
            known.begun = Some(Instant::now());
            self.members.values().for_each(|index| self.crew.batch.begun(*index));
        }
        let Some(counts) = job.device_job_statistics else { return };
        let done = counts.succeeded_count + counts.failed_count;
        let by = format!("job {}", self.id);
        if let Some(index) = self.members.values().find(|index| self.crew.batch.is_open(**index)) {
            let progress = Progress::Together { done, of: counts.device_count, by };
            self.crew.batch.progress(*index, progress);
        }
    }

    /// Reads the rows when the job has come to rest with some of its devices over: those need not wait for the others.
    async fn rows_at_rest(&mut self, job: &JobDocument, known: &mut Known) -> Result<(), ClientError> {
        let Some(counts) = job.device_job_statistics else { return Ok(()) };
        let over = counts.succeeded_count + counts.failed_count;
        let at_rest = std::mem::replace(&mut known.last, counts) == counts;
        if at_rest && over > known.read {
            known.read = over;
            self.rows().await?;
        }
        Ok(())
    }

    /// Tells the ends of all members whose rows have one, and gives how far the others are, and how many rows there are.
    async fn rows(&mut self) -> Result<(HashMap<Identity, DeviceJobStatus>, usize), ClientError> {
        let methods = matches!(self.crew.work.action, JobAction::Method(_));
        let (mut open, mut ends) = (HashMap::new(), Vec::new());
        let rows = self.crew.client.job_rows(&self.id).await?;
        let count = rows.len();
        for row in rows {
            let Some(index) = self.members.get(&row.identity).copied() else { continue };
            let (identity, status) = (row.identity.clone(), row.status);
            match JobEnd::of_row(row, methods) {
                Some(end) => {
                    self.members.remove(&identity);
                    ends.push((index, end));
                }
                None => drop(open.insert(identity, status)),
            }
        }
        let crew = self.crew;
        stream::iter(ends).for_each_concurrent(AT_ONCE, |(index, end)| crew.ended(index, end)).await;
        Ok((open, count))
    }

    /// The job is over: every member gets its end, from its row or for want of one.
    async fn settle(&mut self, job: &JobDocument) {
        let mut open = HashMap::new();
        for pause in [0].into_iter().chain(LATE_ROWS) {
            sleep(Duration::from_secs(pause)).await;
            match self.rows().await {
                Ok((rows, count)) => {
                    // All rows are there: whoever has none was not there when the job began.
                    let whole = job.device_job_statistics.is_some_and(|counts| counts.device_count <= count);
                    let nothing_late = rows.is_empty() && whole;
                    open = rows;
                    // Whoever had no turn in a job that failed or was called off may get no row at all.
                    if nothing_late || self.members.is_empty() || (job.status != JobStatus::Completed && pause > 0) {
                        break;
                    }
                }
                Err(error) => return self.all_failed(&error),
            }
        }
        for (identity, index) in std::mem::take(&mut self.members) {
            let end = JobEnd::of_rest(job, open.get(&identity).copied());
            self.crew.ended(index, end).await;
        }
    }
}
