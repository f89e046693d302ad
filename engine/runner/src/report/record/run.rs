//! The record itself: a run, its plays, waves, devices and steps. Times are milliseconds since the run began.

use std::time::SystemTime;

use super::texts::{Text, Texts};
use super::word::Word;
use crate::Counts;

/// A run.
pub(in crate::report) struct RunRecord {
    pub(in crate::report) texts: Texts,
    pub(in crate::report) run: Text,
    pub(in crate::report) hub: Text,
    pub(in crate::report) local: bool,
    /// Wall time of its begin.
    pub(in crate::report) began: SystemTime,
    pub(in crate::report) plays: Vec<PlayRecord>,
    /// What stopped it, or was found wrong before anything was sent.
    pub(in crate::report) stopped: Vec<Finding>,
    pub(in crate::report) warnings: Vec<Text>,
    pub(in crate::report) counts: Counts,
    pub(in crate::report) took: u64,
    pub(in crate::report) exit: u8,
    pub(in crate::report) reason: Option<Text>,
}

/// A diagnostic.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Finding {
    pub(in crate::report) label: Text,
    pub(in crate::report) message: Option<Text>,
    pub(in crate::report) at: Option<Text>,
    pub(in crate::report) note: Option<Text>,
    /// Lines.
    pub(in crate::report) help: Option<Text>,
}

/// A play.
pub(in crate::report) struct PlayRecord {
    pub(in crate::report) name: Text,
    pub(in crate::report) file: Text,
    /// Names of the steps as written.
    pub(in crate::report) steps: Vec<Text>,
    pub(in crate::report) began: u64,
    pub(in crate::report) took: u64,
    /// Devices that it was planned for.
    pub(in crate::report) size: usize,
    /// How many waves there are.
    pub(in crate::report) waves: usize,
    /// Begin and end of each wave, as far as it came.
    pub(in crate::report) spans: Vec<(u64, u64)>,
    pub(in crate::report) devices: Vec<DeviceRecord>,
    /// Steps of the runner itself: `before`, `after`.
    pub(in crate::report) own: Vec<StepRecord>,
    pub(in crate::report) counts: Counts,
}

impl PlayRecord {
    /// Devices of each wave by how they ended, in the order of [`Word::ALL`].
    pub(in crate::report) fn wave_counts(&self) -> Vec<[usize; Word::ALL.len()]> {
        let mut counts = vec![[0; Word::ALL.len()]; self.waves];
        for device in &self.devices {
            if let Some(wave) = counts.get_mut(device.wave.saturating_sub(1) as usize) {
                wave[device.outcome as usize] += 1;
            }
        }
        counts
    }
}

/// A device's run.
#[derive(Debug)]
pub(in crate::report) struct DeviceRecord {
    pub(in crate::report) id: Text,
    pub(in crate::report) outcome: Word,
    /// From 1.
    pub(in crate::report) wave: u32,
    pub(in crate::report) began: u64,
    pub(in crate::report) took: u64,
    /// Of `took`: waiting to come online, and in verbs that wait.
    pub(in crate::report) waited: u64,
    pub(in crate::report) error: Option<Text>,
    pub(in crate::report) steps: Vec<StepRecord>,
    /// Steps that found no room.
    pub(in crate::report) more: u32,
}

impl DeviceRecord {
    /// The step that failed it, when one did.
    pub(in crate::report) fn culprit(&self) -> Option<&StepRecord> {
        self.steps.iter().rfind(|step| step.outcome.is_bad() && !step.ignored)
    }

    /// Attempts that failed and were repeated.
    pub(in crate::report) fn retried(&self) -> impl Iterator<Item = (&StepRecord, u32, Text)> {
        self.steps.iter().flat_map(|step| step.retries.iter().map(move |(attempt, why)| (step, *attempt, *why)))
    }
}

/// A step on a device.
#[derive(Debug)]
pub(in crate::report) struct StepRecord {
    /// Index in the book.
    pub(in crate::report) step: u32,
    pub(in crate::report) name: Text,
    pub(in crate::report) outcome: Word,
    pub(in crate::report) changed: bool,
    /// Before the interruption of a run that was resumed.
    pub(in crate::report) earlier: bool,
    pub(in crate::report) ignored: bool,
    pub(in crate::report) rescued: bool,
    pub(in crate::report) attempts: u32,
    pub(in crate::report) began: u64,
    pub(in crate::report) took: u64,
    /// The summary, the failure's message, or why it was skipped.
    pub(in crate::report) text: Option<Text>,
    /// The reply or value, as JSON.
    pub(in crate::report) value: Option<Text>,
    /// `file:line:column` of a failure.
    pub(in crate::report) at: Option<Text>,
    /// Words beside the place: what was seen there.
    pub(in crate::report) note: Option<Text>,
    /// Lines of help for a failure.
    pub(in crate::report) help: Option<Text>,
    /// Attempts that failed and were repeated: number and reason.
    pub(in crate::report) retries: Vec<(u32, Text)>,
}

impl StepRecord {
    /// The word for people: `ignored` and `rescued` failures are not failures.
    pub(in crate::report) fn word(&self) -> &'static str {
        match (self.outcome.is_bad(), self.rescued, self.ignored) {
            (true, true, _) => "rescued",
            (true, false, true) => "ignored",
            _ => self.outcome.text(),
        }
    }
}
