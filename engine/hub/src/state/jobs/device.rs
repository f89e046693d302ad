//! A job's row for one device, and all rows of a job with their tally. Pure.

use std::time::SystemTime;

use serde_json::value::RawValue;
use wire::{DeviceJobStatus, ErrorCode, HubError, Identity, JobStatistics, JobType, MethodReply};

use super::job::JobEnd;

/// What came of one device's turn.
#[derive(Clone, Debug)]
pub(crate) enum DeviceEnd {
    /// It answered the call.
    Replied(MethodReply),
    /// Its twin is updated.
    Updated,
    /// It did not, or could not be asked.
    Refused(HubError),
}

/// What is kept of a [`DeviceEnd`] that says more than that it went well.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Reply { status: i32, payload: Option<Box<RawValue>> },
    Error { code: ErrorCode, description: Box<str> },
}

/// One device of a job. A hundred thousand of these are in memory: some 100 bytes each.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) identity: Identity,
    pub(super) status: DeviceJobStatus,
    pub(super) started: Option<SystemTime>,
    pub(super) ended: Option<SystemTime>,
    pub(super) outcome: Option<Box<Outcome>>,
}

impl Device {
    fn pending(identity: Identity) -> Self {
        Self { identity, status: DeviceJobStatus::Pending, started: None, ended: None, outcome: None }
    }

    /// Bytes of the payload it answered with.
    pub(super) fn payload_bytes(&self) -> usize {
        match self.outcome.as_deref() {
            Some(Outcome::Reply { payload: Some(payload), .. }) => payload.get().len(),
            _ => 0,
        }
    }
}

/// All devices of a job in order of id, each with its place in the list, and how many are how far.
#[derive(Clone, Debug, Default)]
pub(super) struct Devices {
    rows: Vec<Device>,
    tally: JobStatistics,
}

impl Devices {
    /// All of them pending. `targets` are in order and without doubles.
    pub(super) fn of(targets: Vec<Identity>) -> Self {
        let count = targets.len();
        let tally = JobStatistics { device_count: count, pending_count: count, ..JobStatistics::default() };
        Self { rows: targets.into_iter().map(Device::pending).collect(), tally }
    }

    pub(super) fn tally(&self) -> JobStatistics {
        self.tally
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<&Device> {
        self.rows.get(index)
    }

    /// The device at that place if its turn is yet to come.
    pub(super) fn pending(&self, index: usize) -> Option<&Identity> {
        self.rows.get(index).filter(|row| row.status == DeviceJobStatus::Pending).map(|row| &row.identity)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Device> {
        self.rows.iter()
    }

    /// Puts a row back as it was on the disk.
    pub(super) fn restore(&mut self, index: usize, change: impl FnOnce(&mut Device)) -> bool {
        let Some(row) = self.rows.get_mut(index) else { return false };
        let before = row.status;
        change(row);
        let after = row.status;
        self.count(before, after);
        true
    }

    /// A pending device has its turn now. Says whether it was pending.
    pub(super) fn begin(&mut self, index: usize, now: SystemTime) -> bool {
        self.step(index, DeviceJobStatus::Pending, |row| {
            row.status = DeviceJobStatus::Running;
            row.started = Some(now);
        })
    }

    /// It could not have its turn after all, and nothing reached it.
    pub(super) fn put_back(&mut self, index: usize) -> bool {
        self.step(index, DeviceJobStatus::Running, |row| {
            row.status = DeviceJobStatus::Pending;
            row.started = None;
        })
    }

    /// Its turn is over. Says whether it was not over already.
    pub(super) fn end(&mut self, index: usize, end: DeviceEnd, now: SystemTime) -> bool {
        let Some(row) = self.rows.get(index) else { return false };
        let open = matches!(row.status, DeviceJobStatus::Pending | DeviceJobStatus::Running);
        open && self.restore(index, |row| {
            row.started.get_or_insert(now);
            row.ended = Some(now);
            (row.status, row.outcome) = match end {
                DeviceEnd::Replied(MethodReply { status, payload }) => {
                    (DeviceJobStatus::Completed, Some(Box::new(Outcome::Reply { status, payload })))
                }
                DeviceEnd::Updated => (DeviceJobStatus::Completed, None),
                DeviceEnd::Refused(error) => (DeviceJobStatus::Failed, Some(outcome(error.code, &error.message))),
            };
        })
    }

    fn step(&mut self, index: usize, from: DeviceJobStatus, change: impl FnOnce(&mut Device)) -> bool {
        self.rows.get(index).is_some_and(|row| row.status == from) && self.restore(index, change)
    }

    fn count(&mut self, before: DeviceJobStatus, after: DeviceJobStatus) {
        if let Some(slot) = slot(&mut self.tally, before) {
            *slot -= 1;
        }
        if let Some(slot) = slot(&mut self.tally, after) {
            *slot += 1;
        }
    }

    /// What the job's end means to devices whose turn is not over. From the end alone: nothing of it is written per device.
    pub(super) fn settle(&mut self, kind: JobType, end: &JobEnd, now: SystemTime) {
        for index in 0..self.rows.len() {
            let before = self.rows[index].status;
            let (status, outcome) = match (before, end) {
                (DeviceJobStatus::Pending, JobEnd::Completed) => (DeviceJobStatus::Failed, Some(no_turn(kind))),
                (DeviceJobStatus::Running, JobEnd::Completed) => {
                    let text = "The job's time was over before the device answered.";
                    (DeviceJobStatus::Failed, Some(outcome(ErrorCode::GATEWAY_TIMEOUT, text)))
                }
                (DeviceJobStatus::Pending, _) => (DeviceJobStatus::Canceled, None),
                (DeviceJobStatus::Running, _) => {
                    let text = "The job ended after the device had been called; its answer was not awaited.";
                    (DeviceJobStatus::Canceled, Some(outcome(ErrorCode::GENERIC_TIMEOUT, text)))
                }
                _ => continue,
            };
            self.restore(index, |row| {
                row.status = status;
                row.ended = Some(now);
                row.outcome = outcome;
            });
        }
    }

    /// After the sudden end of a hub: whoever had been called then has failed, as nobody knows whether the call arrived. Which.
    pub(super) fn fail_running(&mut self, now: SystemTime) -> Vec<usize> {
        let running = |row: &Device| row.status == DeviceJobStatus::Running;
        let indices: Vec<usize> = (0..self.rows.len()).filter(|index| running(&self.rows[*index])).collect();
        for index in &indices {
            let text = "The hub ended while the device had the call: whether it was carried out is not known.";
            self.end(*index, DeviceEnd::Refused(HubError::new(ErrorCode::SERVER_ERROR, text)), now);
        }
        indices
    }

    /// Takes the payload of an answer away: there is no room for it.
    pub(super) fn forget_payload(&mut self, index: usize) {
        if let Some(Outcome::Reply { payload, .. }) =
            self.rows.get_mut(index).and_then(|row| row.outcome.as_deref_mut())
        {
            *payload = None;
        }
    }
}

fn slot(tally: &mut JobStatistics, status: DeviceJobStatus) -> Option<&mut usize> {
    match status {
        DeviceJobStatus::Pending => Some(&mut tally.pending_count),
        DeviceJobStatus::Running => Some(&mut tally.running_count),
        DeviceJobStatus::Completed => Some(&mut tally.succeeded_count),
        DeviceJobStatus::Failed => Some(&mut tally.failed_count),
        DeviceJobStatus::Canceled => None,
    }
}

fn outcome(code: ErrorCode, description: &str) -> Box<Outcome> {
    Box::new(Outcome::Error { code, description: description.into() })
}

/// Why a device had no turn in the whole time of its job.
fn no_turn(kind: JobType) -> Box<Outcome> {
    match kind {
        JobType::DeviceMethod => outcome(ErrorCode::DEVICE_NOT_ONLINE, "Timed out waiting for device to connect."),
        JobType::UpdateTwin => {
            outcome(ErrorCode::GENERIC_TIMEOUT, "The job's time was over before this device's turn.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    fn counted(devices: &Devices) -> JobStatistics {
        let count = |status| devices.iter().filter(|row| row.status == status).count();
        JobStatistics {
            device_count: devices.len(),
            failed_count: count(DeviceJobStatus::Failed),
            succeeded_count: count(DeviceJobStatus::Completed),
            running_count: count(DeviceJobStatus::Running),
            pending_count: count(DeviceJobStatus::Pending),
        }
    }

    fn devices(count: usize) -> Devices {
        Devices::of((0..count).map(|index| format!("d{index:03}").parse().unwrap()).collect())
    }

    proptest! {
        #[test]
        fn the_tally_is_what_the_rows_are(
            steps in proptest::collection::vec((0..4_u8, 0..9_usize), 0..60), end in 0..4_u8,
        ) {
            let mut devices = devices(8);
            for (step, index) in steps {
                let open = devices.get(index).map(|row| row.status);
                let done = match step {
                    0 => devices.begin(index, UNIX_EPOCH),
                    1 => devices.put_back(index),
                    2 => devices.end(index, DeviceEnd::Updated, UNIX_EPOCH),
                    _ => devices.end(index, DeviceEnd::Refused(HubError::invalid("no")), UNIX_EPOCH),
                };
                let over = matches!(open, None | Some(DeviceJobStatus::Completed | DeviceJobStatus::Failed));
                prop_assert!(!(done && over), "what is over stays over");
                prop_assert_eq!(devices.tally(), counted(&devices));
            }
            match end {
                0 => devices.settle(JobType::DeviceMethod, &JobEnd::Completed, UNIX_EPOCH),
                1 => devices.settle(JobType::UpdateTwin, &JobEnd::Cancelled, UNIX_EPOCH),
                2 => devices.settle(JobType::UpdateTwin, &JobEnd::Failed("why".into()), UNIX_EPOCH),
                _ => drop(devices.fail_running(UNIX_EPOCH)),
            }
            prop_assert_eq!(devices.tally(), counted(&devices));
            prop_assert_eq!(devices.tally().running_count, 0);
            prop_assert!(end == 3 || devices.tally().pending_count == 0);
        }
    }
}
