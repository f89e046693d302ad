//! All jobs that the hub remembers, in the order in which they were asked for, within bounds.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use tokio::time::Instant;
use wire::JobId;
use wire::limits::{ACTIVE_JOBS, JOB_HISTORY};

use super::JobEnd;
use super::device::Devices;
use super::job::{Job, Phase};
use super::stored::{
    ReadJob, read_device, read_device_key, read_job, read_targets, remove_job, write_device, write_job,
};
use crate::store::{Table, Write};

/// Jobs remembered: at some 2 kB each without their devices.
pub(super) const JOBS: usize = 10_000;
/// Rows of devices in all jobs together: some 100 MB. The oldest jobs that are over make room.
pub(super) const DEVICES: usize = 1_000_000;
/// Bytes of the answers of devices in all jobs together; beyond it, only an answer's status is kept.
pub(super) const PAYLOADS: usize = 64 * 1024 * 1024;

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Jobs {
    jobs: BTreeMap<u64, Job>,
    by_id: HashMap<JobId, u64>,
    last: u64,
    /// Of all jobs together.
    devices: usize,
    payload_bytes: usize,
    /// Jobs under way at once.
    pub(super) places: usize,
    /// Ends read from the disk, until the devices are read too.
    ends: Vec<(u64, SystemTime, JobEnd)>,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            jobs: BTreeMap::new(),
            by_id: HashMap::new(),
            last: 0,
            devices: 0,
            payload_bytes: 0,
            places: ACTIVE_JOBS,
            ends: Vec::new(),
        }
    }
}

impl Jobs {
    pub(super) fn get(&self, id: &JobId) -> Option<(u64, &Job)> {
        let sequence = *self.by_id.get(id)?;
        self.jobs.get(&sequence).map(|job| (sequence, job))
    }

    pub(super) fn get_mut(&mut self, id: &JobId) -> Option<(u64, &mut Job)> {
        let sequence = *self.by_id.get(id)?;
        self.jobs.get_mut(&sequence).map(|job| (sequence, job))
    }

    /// The newest first, from `before` on.
    pub(super) fn newest(&self, before: Option<u64>) -> impl Iterator<Item = (u64, &Job)> {
        self.jobs.range(..before.unwrap_or(u64::MAX)).rev().map(|(sequence, job)| (*sequence, job))
    }

    /// In order, from the job `from` on.
    pub(super) fn oldest(&self, from: u64) -> impl Iterator<Item = (u64, &Job)> {
        self.jobs.range(from..).map(|(sequence, job)| (*sequence, job))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Job> {
        self.jobs.values_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Jobs that take a place now.
    pub(super) fn active(&self, now: Instant) -> usize {
        self.jobs.values().filter(|job| job.is_active(now)).count()
    }

    /// Enters a job; its number.
    pub(super) fn insert(&mut self, job: Job) -> u64 {
        self.last += 1;
        self.by_id.insert(job.id.clone(), self.last);
        self.jobs.insert(self.last, job);
        self.last
    }

    /// Gives a job its devices.
    pub(super) fn begin(&mut self, sequence: u64, devices: Devices, started: SystemTime) -> Option<&Job> {
        let job = self.jobs.get_mut(&sequence)?;
        self.devices = self.devices - job.devices.len() + devices.len();
        job.devices = devices;
        job.phase = Phase::Running { started };
        Some(job)
    }

    /// Accounts for the answer of a device; takes its payload away when there is no room for it.
    pub(super) fn weigh(&mut self, sequence: u64, index: usize) {
        let Some(job) = self.jobs.get_mut(&sequence) else { return };
        let bytes = job.devices.get(index).map_or(0, |row| row.payload_bytes());
        if self.payload_bytes + bytes > PAYLOADS {
            job.devices.forget_payload(index);
        } else {
            self.payload_bytes += bytes;
        }
    }

    /// Forgets jobs that ended long ago, and the oldest of those that are over until there is room for one job more with so
    /// many devices; what to write.
    pub(super) fn make_room(&mut self, devices: usize, now: SystemTime) -> Vec<Write> {
        let old = |job: &Job| match job.phase {
            Phase::Ended { ended, .. } => now.duration_since(ended).is_ok_and(|since| since > JOB_HISTORY),
            _ => false,
        };
        let mut gone: Vec<u64> = self.jobs.iter().filter(|(_, job)| old(job)).map(|(sequence, _)| *sequence).collect();
        let mut writes: Vec<Write> = gone.drain(..).flat_map(|sequence| self.forget(sequence)).collect();
        while self.jobs.len() >= JOBS || self.devices + devices > DEVICES {
            let over = self.jobs.iter().find(|(_, job)| job.is_over()).map(|(sequence, _)| *sequence);
            let Some(over) = over else { break };
            writes.extend(self.forget(over));
        }
        writes
    }

    fn forget(&mut self, sequence: u64) -> Vec<Write> {
        let Some(job) = self.jobs.remove(&sequence) else { return Vec::new() };
        self.by_id.remove(&job.id);
        self.devices -= job.devices.len();
        self.payload_bytes -= job.devices.iter().map(|row| row.payload_bytes()).sum::<usize>();
        remove_job(&job)
    }

    /// Takes a document as it is read at start: jobs first, then their devices.
    pub(in crate::state) fn load(
        &mut self,
        table: Table,
        key: &str,
        value: &[u8],
        now: SystemTime,
    ) -> Result<(), String> {
        match table {
            Table::JobTargets => {
                let (id, targets) = (key.parse::<JobId>(), read_targets(value)?);
                let (sequence, started) = id
                    .ok()
                    .and_then(|id| self.get(&id))
                    .and_then(|(sequence, job)| Some((sequence, job.started()?)))
                    .ok_or("without its job")?;
                self.begin(sequence, Devices::of(targets), started);
                Ok(())
            }
            Table::JobDevices => {
                let (id, index) = read_device_key(key)?;
                let restore = read_device(value)?;
                let (sequence, job) = self.get_mut(&id).ok_or("without its job")?;
                if !job.devices.restore(index, restore) {
                    return Err("beyond the job's devices".into());
                }
                self.weigh(sequence, index);
                Ok(())
            }
            _ => {
                let ReadJob { sequence, job, end } = read_job(key, value, now)?;
                self.last = self.last.max(sequence);
                self.by_id.insert(job.id.clone(), sequence);
                if self.jobs.insert(sequence, job).is_some() {
                    return Err("a number twice".into());
                }
                self.ends.extend(end.map(|(at, how)| (sequence, at, how)));
                Ok(())
            }
        }
    }

    /// After everything is read: ends what had ended, judges calls that a sudden end cut off; what to write.
    pub(in crate::state) fn loaded(&mut self, now: SystemTime) -> Vec<Write> {
        for (sequence, at, how) in std::mem::take(&mut self.ends) {
            if let Some(job) = self.jobs.get_mut(&sequence) {
                job.end(how, at);
            }
        }
        let mut writes = self.make_room(0, now);
        for job in self.jobs.values_mut().filter(|job| !job.is_over()) {
            let cut_off = job.devices.fail_running(now);
            writes.extend(
                cut_off
                    .into_iter()
                    .filter_map(|index| job.devices.get(index).map(|row| write_device(&job.id, index, row))),
            );
        }
        writes
    }

    /// The write of a job as it stands.
    pub(super) fn write(sequence: u64, job: &Job) -> Write {
        write_job(job, sequence)
    }
}
