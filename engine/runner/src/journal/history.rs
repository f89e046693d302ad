//! A journal as people want to hear it: how the run stands, its waves, each device's calls one by one, and which of them are in doubt.
//! Decides nothing; `past` is what a resumed run goes by.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::Serialize;

use super::{Kind, Record};
use crate::Counts;

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// A process is at work.
    Running,
    /// Ended, exit code 0.
    Ok,
    /// Ended, any other exit code.
    Failed,
    /// Interrupted, or its process was killed: it can be resumed.
    Interrupted,
    /// A pause or an approval that nobody has answered: it can be resumed.
    Paused,
}

impl RunState {
    /// Whether there is something to go on with.
    pub fn can_be_resumed(self) -> bool {
        matches!(self, Self::Interrupted | Self::Paused)
    }
}

/// A step's run on a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CallLine {
    /// When it was sent, or when it ended where nothing was sent that changes; UTC.
    pub at: String,
    /// Index of the step; names are in the play's list.
    pub step: usize,
    /// The step's runs on this device, from 0.
    pub n: u32,
    /// Its name, where it is not as written.
    pub name: Option<String>,
    /// Of a call that a script made: its place in the order of what the script did.
    pub place: Option<String>,
    /// `ok`, `failed`, ..; none while its end is not known.
    pub outcome: Option<String>,
    /// Why it failed or was skipped.
    pub error: Option<String>,
    /// What its line showed.
    pub says: Option<String>,
    /// The value, as far as it was kept, as JSON text.
    pub value: Option<String>,
    /// How long it took.
    pub seconds: Option<f64>,
    /// Attempts, from 1.
    pub attempts: u32,
    /// Failed, and the device went on.
    pub ignored: bool,
    /// Something that changes was sent.
    pub sent: bool,
    /// It was sent, and nobody knows whether it was carried out.
    pub in_doubt: bool,
}

/// A device's part of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DeviceLine {
    /// `ok`, `failed`, ..; none while it has not ended.
    pub outcome: Option<String>,
    /// Why it is not ok.
    pub error: Option<String>,
    /// How long its steps took.
    pub seconds: Option<f64>,
    /// Its wave, from 1.
    pub wave: Option<usize>,
    /// Its steps, in order.
    pub calls: Vec<CallLine>,
}

/// A wave.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WaveLine {
    /// Index of the play.
    pub play: usize,
    /// From 1.
    pub index: usize,
    /// When it began.
    pub at: String,
    /// Devices in it.
    pub size: usize,
    /// `passed`, `aborted`, `paused`; none while it is under way.
    pub state: Option<&'static str>,
    /// Why it was aborted, or what was asked.
    pub reason: Option<String>,
}

/// Device, step, its run, and of a script's calls the place.
type Key = (Arc<str>, usize, u32, Option<Box<str>>);

/// What happened in a run.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// When a process took it up.
    pub sessions: Vec<String>,
    /// Names of the plays.
    pub plays: Vec<String>,
    /// All devices that were meant, in order; the runner's own steps stand under an empty id.
    pub devices: IndexMap<Arc<str>, DeviceLine>,
    /// Waves, where there is more than one.
    pub waves: Vec<WaveLine>,
    /// When it ended, for good or for now.
    pub ended: Option<String>,
    /// The exit code.
    pub exit: Option<u8>,
    /// Why it ended early.
    pub reason: Option<String>,
    /// What the end line counted.
    counts: Option<Counts>,
    /// How many devices, as the end line says.
    size: Option<usize>,
    paused: bool,
    open: bool,
    at: HashMap<Key, usize>,
}

impl History {
    /// How it stands; `running` is whether a process has it.
    pub fn state(&self, running: bool) -> RunState {
        match self.exit {
            _ if running => RunState::Running,
            Some(0) if !self.open => RunState::Ok,
            Some(_) if !self.open => RunState::Failed,
            _ if self.paused => RunState::Paused,
            _ => RunState::Interrupted,
        }
    }

    /// Devices by how they ended; those that have not are not counted.
    pub fn counts(&self) -> Counts {
        if let Some(counts) = self.counts {
            return counts;
        }
        let mut counts = Counts::default();
        for (_, device) in self.devices.iter().filter(|(id, _)| !id.is_empty()) {
            match device.outcome.as_deref() {
                None => {}
                Some("ok") => counts.ok += 1,
                Some("unreachable") => counts.unreachable += 1,
                Some("skipped") => counts.skipped += 1,
                Some(_) => counts.failed += 1,
            }
        }
        counts
    }

    /// How many devices were meant.
    pub fn size(&self) -> usize {
        self.size.unwrap_or_else(|| self.devices.keys().filter(|id| !id.is_empty()).count())
    }

    /// Calls that were sent and of which nobody knows whether they were carried out: device and call.
    pub fn in_doubt(&self, running: bool) -> Vec<(&Arc<str>, &CallLine)> {
        let all = self.devices.iter().flat_map(|(id, device)| device.calls.iter().map(move |call| (id, call)));
        all.filter(|(_, call)| call.in_doubt || (!running && call.sent && call.outcome.is_none())).collect()
    }

    pub(crate) fn take(&mut self, record: &Record) {
        match record.kind {
            Kind::Session => {
                self.sessions.push(record.at.to_string());
                (self.paused, self.open, self.exit, self.ended) = (false, false, None, None);
                (self.reason, self.counts, self.size) = (None, None, None);
            }
            Kind::Target => {
                if let Some(id) = &record.device {
                    self.devices.entry(Arc::clone(id)).or_default();
                }
            }
            Kind::Play => self.plays.push(record.name.as_deref().unwrap_or_default().to_owned()),
            Kind::Device => self.device_ended(record),
            Kind::Paused => {
                self.paused = true;
                self.wave(record, "paused");
            }
            Kind::Passed => self.wave(record, "passed"),
            Kind::Aborted => self.wave(record, "aborted"),
            Kind::Wave => self.waves.push(WaveLine {
                play: self.plays.len().saturating_sub(1),
                index: record.wave.unwrap_or(1),
                at: record.at.to_string(),
                size: record.size.unwrap_or(0),
                ..WaveLine::default()
            }),
            Kind::End => self.run_ended(record),
            Kind::Call | Kind::NotSent | Kind::Again | Kind::Step | Kind::Settled => self.step(record),
            _ => {}
        }
    }

    fn wave(&mut self, record: &Record, state: &'static str) {
        let play = self.plays.len().saturating_sub(1);
        let found = self.waves.iter_mut().find(|wave| wave.play == play && Some(wave.index) == record.wave);
        if let Some(wave) = found {
            wave.state = Some(state);
            wave.reason = record.text.as_deref().map(str::to_owned);
        }
    }

    fn device_ended(&mut self, record: &Record) {
        let Some(id) = &record.device else { return };
        let device = self.devices.entry(Arc::clone(id)).or_default();
        device.outcome = record.outcome.as_deref().map(str::to_owned);
        device.error = record.text.as_deref().map(str::to_owned);
        device.seconds = record.seconds;
        device.wave = record.wave;
    }

    fn run_ended(&mut self, record: &Record) {
        self.ended = Some(record.at.to_string());
        self.exit = record.exit;
        self.reason = record.text.as_deref().map(str::to_owned);
        (self.open, self.paused) = (record.is_open(), record.is_paused());
        self.size = record.size;
        if let Some([ok, failed, unreachable, skipped]) = record.sizes.as_deref() {
            let (ok, failed, unreachable, skipped) = (*ok, *failed, *unreachable, *skipped);
            self.counts = Some(Counts { ok, failed, unreachable, skipped });
        }
    }

    fn step(&mut self, record: &Record) {
        let Some(step) = record.step else { return };
        let id = record.device.clone().unwrap_or_else(|| "".into());
        let key = (Arc::clone(&id), step, record.n, record.deed.clone());
        let calls = &mut self.devices.entry(id).or_default().calls;
        let known = self.at.get(&key).copied().filter(|at| record.kind != Kind::Call || calls[*at].outcome.is_none());
        let at = known.unwrap_or_else(|| {
            let place = record.deed.as_deref().map(str::to_owned);
            calls.push(CallLine { at: record.at.to_string(), step, n: record.n, place, ..CallLine::default() });
            self.at.insert(key, calls.len() - 1);
            calls.len() - 1
        });
        let call = &mut calls[at];
        call.name = record.name.as_deref().map(str::to_owned).or(call.name.take());
        match record.kind {
            Kind::Call => call.sent = true,
            Kind::NotSent => call.sent = false,
            Kind::Settled => call.in_doubt = false,
            Kind::Again => {
                call.attempts = record.attempt;
                call.error = record.text.as_deref().map(str::to_owned);
                call.sent = false;
            }
            _ => ended(call, record),
        }
    }
}

fn ended(call: &mut CallLine, record: &Record) {
    call.outcome = record.outcome.as_deref().map(str::to_owned);
    call.error = match (&record.failure, &record.skip) {
        (Some(failure), _) => Some(failure.message.to_string()),
        (None, Some(skip)) => Some(skip.to_string()),
        (None, None) => None,
    };
    call.says = record.says.as_deref().map(str::to_owned);
    call.value = record.value.as_ref().map(|value| value.text().to_owned());
    call.seconds = record.seconds;
    call.attempts = record.attempt;
    call.ignored = record.ignored;
    call.in_doubt = record.doubt || record.failure.as_ref().is_some_and(|failure| failure.in_doubt);
}
