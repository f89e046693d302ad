//! From events to the record of a run. Keeps what reports show, in bounded room, and forgets the rest.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Diagnostic};
use serde_json::Value;
use tokio::time::Instant;

use super::run::{DeviceRecord, Finding, PlayRecord, RunRecord, StepRecord};
use super::texts::{Text, Texts};
use super::word::Word;
use crate::report::masked::mask;
use crate::{Counts, Outcome, RunEvent};

/// Steps kept of one device: a loop over thousands of items would fill the report by itself.
const MOST_STEPS: usize = 200;
/// Repeated attempts kept of one step: an `until` with a deadline may have thousands.
const MOST_RETRIES: usize = 20;
/// Findings and warnings kept.
const MOST_SAID: usize = 100;
/// What stands in the place of what `no_log` hides.
const HIDDEN: &str = "(no_log)";

/// Listens and records. A new run begins a new record.
pub(in crate::report) struct Recorder {
    clock: Clock,
    since: Instant,
    record: Option<RunRecord>,
    /// Devices of the present play.
    devices: HashMap<Arc<str>, usize>,
    running: HashMap<Arc<str>, Running>,
    /// What is taken now happened before an interruption.
    earlier: bool,
}

/// A step under way.
struct Running {
    step: usize,
    name: Text,
    began: u64,
    retries: Vec<(u32, Text)>,
    /// Cut off between two attempts: it goes on, and these belong to it.
    earlier: bool,
}

impl Recorder {
    /// A recorder that takes the wall time from here.
    pub(in crate::report) fn new(clock: Clock) -> Self {
        let (devices, running) = (HashMap::new(), HashMap::new());
        Self { clock, since: Instant::now(), record: None, devices, running, earlier: false }
    }

    /// Records an event. Gives the record when the run has ended.
    pub(in crate::report) fn take(&mut self, event: &RunEvent) -> Option<RunRecord> {
        if let RunEvent::RunStarted { run, hub } = event {
            let mut texts = Texts::default();
            let (run, title) = (texts.name(run), texts.name(&hub.title));
            self.since = Instant::now();
            self.record = Some(RunRecord::new(texts, run, title, hub.local, self.clock.now()));
            return None;
        }
        if let RunEvent::Earlier(event) = event {
            self.earlier = true;
            let ended = self.take(event);
            self.earlier = false;
            return ended;
        }
        let now = millis(self.since.elapsed());
        let mut record = self.record.take()?;
        if let RunEvent::RunEnded { counts, took, exit, reason } = event {
            record.reason = reason.as_deref().and_then(|reason| record.texts.said(reason));
            (record.counts, record.took, record.exit) = (*counts, millis(*took), *exit);
            return Some(record);
        }
        self.note(&mut record, event, now);
        self.record = Some(record);
        None
    }

    fn note(&mut self, record: &mut RunRecord, event: &RunEvent, now: u64) {
        match event {
            RunEvent::PlayStarted { name, file, devices, steps, waves, .. } => {
                self.devices.clear();
                self.running.clear();
                record.play(name, file, *devices, steps, *waves, now);
            }
            RunEvent::WaveStarted { .. } => record.present(|play| play.spans.push((now, now))),
            RunEvent::WaveEnded { .. } => record.present(|play| {
                if let Some((_, end)) = play.spans.last_mut() {
                    *end = now;
                }
            }),
            RunEvent::PlayEnded { counts } => record.present(|play| {
                play.took = now.saturating_sub(play.began);
                play.counts = *counts;
                if play.waves == 1 {
                    play.spans = vec![(play.began, now)];
                }
            }),
            RunEvent::Stopped { diagnostic } => {
                let finding = record.finding(diagnostic);
                if record.stopped.len() < MOST_SAID {
                    record.stopped.push(finding);
                }
            }
            RunEvent::Warned { text } if record.warnings.len() < MOST_SAID => {
                let text = record.texts.said(text);
                record.warnings.extend(text);
            }
            _ => self.device(record, event, now),
        }
    }

    fn device(&mut self, record: &mut RunRecord, event: &RunEvent, now: u64) {
        match event {
            RunEvent::DeviceStarted { device, wave } => {
                self.open(record, device, *wave, now);
            }
            RunEvent::StepStarted { device, step, name } => {
                let name = record.texts.name(name);
                let cut = self.running.remove(device).filter(|cut| cut.earlier && cut.step == *step);
                let retries = cut.map(|cut| cut.retries).unwrap_or_default();
                let running = Running { step: *step, name, began: now, retries, earlier: self.earlier };
                self.running.insert(Arc::clone(device), running);
            }
            RunEvent::StepRetried { device, step, attempt, reason } => {
                let Some(reason) = record.texts.said(reason) else { return };
                if let Some(running) = self.running.get_mut(device).filter(|running| running.step == *step) {
                    if running.retries.len() == MOST_RETRIES {
                        running.retries.pop();
                    }
                    running.retries.push((*attempt, reason));
                }
            }
            RunEvent::StepEnded { device, .. } => {
                let retries = self.running.remove(device).map(|running| running.retries).unwrap_or_default();
                let Some(mut step) = record.step(event, now, retries) else { return };
                step.earlier = self.earlier;
                match self.devices.get(device) {
                    Some(index) => record.present(|play| play.devices[*index].push(step)),
                    None => record.present(|play| {
                        if play.own.len() < MOST_STEPS {
                            play.own.push(step);
                        }
                    }),
                }
            }
            RunEvent::DeviceEnded { device, outcome, wave, error, took, waited, .. } => {
                let index = self.open(record, device, *wave, now);
                let stopped = self.running.remove(device).map(|running| running.stopped(now));
                let error = error.as_deref().and_then(|error| record.texts.said(error));
                record.present(|play| {
                    let found = &mut play.devices[index];
                    stopped.into_iter().for_each(|step| found.push(step));
                    (found.outcome, found.error) = (Word::named(outcome), error);
                    (found.took, found.waited) = (millis(*took), millis(*waited));
                });
            }
            RunEvent::VerifyFailed { device, outcome, error, .. } => {
                let error = error.as_deref().and_then(|error| record.texts.said(error));
                if let Some(index) = self.devices.get(device) {
                    record.present(|play| {
                        let found = &mut play.devices[*index];
                        (found.outcome, found.error) = (Word::named(outcome), error);
                    });
                }
            }
            _ => {}
        }
    }

    /// The place of a device in the present play, made when it is not there yet.
    fn open(&mut self, record: &mut RunRecord, device: &Arc<str>, wave: usize, now: u64) -> usize {
        if let Some(index) = self.devices.get(device) {
            return *index;
        }
        let id = record.texts.name(device);
        let wave = u32::try_from(wave).unwrap_or(u32::MAX);
        let mut index = 0;
        record.present(|play| {
            index = play.devices.len();
            play.devices.push(DeviceRecord {
                id,
                outcome: Word::Stopped,
                wave,
                began: now,
                took: 0,
                waited: 0,
                error: None,
                steps: Vec::new(),
                more: 0,
            });
        });
        self.devices.insert(Arc::clone(device), index);
        index
    }
}

impl Running {
    /// It did not end before its device's run did.
    fn stopped(self, now: u64) -> StepRecord {
        StepRecord {
            step: u32::try_from(self.step).unwrap_or(u32::MAX),
            name: self.name,
            outcome: Word::Stopped,
            changed: false,
            earlier: false,
            ignored: false,
            rescued: false,
            attempts: u32::try_from(self.retries.len()).unwrap_or(u32::MAX).saturating_add(1),
            began: self.began,
            took: now.saturating_sub(self.began),
            text: None,
            value: None,
            at: None,
            note: None,
            help: None,
            retries: self.retries,
        }
    }
}

impl DeviceRecord {
    fn push(&mut self, step: StepRecord) {
        if self.steps.len() < MOST_STEPS {
            return self.steps.push(step);
        }
        self.more = self.more.saturating_add(1);
        // What failed the device is worth more than the last thing that went well.
        if step.outcome.is_bad() && !step.ignored {
            self.steps.pop();
            self.steps.push(step);
        }
    }
}

impl RunRecord {
    fn new(texts: Texts, run: Text, hub: Text, local: bool, began: std::time::SystemTime) -> Self {
        let (plays, stopped, warnings) = (Vec::new(), Vec::new(), Vec::new());
        let counts = Counts::default();
        Self { texts, run, hub, local, began, plays, stopped, warnings, counts, took: 0, exit: 0, reason: None }
    }

    fn present(&mut self, change: impl FnOnce(&mut PlayRecord)) {
        if let Some(play) = self.plays.last_mut() {
            change(play);
        }
    }

    fn play(&mut self, name: &str, file: &str, size: usize, steps: &[Arc<str>], waves: usize, now: u64) {
        let (name, file) = (self.texts.name(name), self.texts.name(file));
        let steps = steps.iter().map(|name| self.texts.name(name)).collect();
        let (spans, devices, own, counts) = (Vec::new(), Vec::new(), Vec::new(), Counts::default());
        self.plays.push(PlayRecord {
            name,
            file,
            steps,
            began: now,
            took: 0,
            size,
            waves,
            spans,
            devices,
            own,
            counts,
        });
    }

    fn finding(&mut self, found: &Diagnostic) -> Finding {
        Finding {
            label: self.texts.name(&found.label),
            message: self.texts.said(&found.message),
            at: found.place.as_ref().map(|place| self.texts.name(&place.label())),
            note: found.note.as_deref().and_then(|note| self.texts.said(note)),
            help: self.texts.said(&found.help.join("\n")),
        }
    }

    fn step(&mut self, event: &RunEvent, now: u64, retries: Vec<(u32, Text)>) -> Option<StepRecord> {
        let RunEvent::StepEnded { step, name, outcome, ignored, rescued, attempts, took, .. } = event else {
            return None;
        };
        let RunEvent::StepEnded { summary, diagnostic, hidden, .. } = event else { return None };
        let finding = diagnostic.as_ref().map(|found| self.finding(found));
        let (text, value) = match outcome {
            Outcome::Skipped(skip) => (self.texts.said(&skip.to_string()), None),
            _ if *hidden => (self.texts.said(HIDDEN), None),
            Outcome::Done { value, .. } => (self.texts.said(summary), self.value(value, false)),
            Outcome::Failed(failure) => (self.texts.said(&failure.message), self.value(&failure.value, true)),
        };
        let took = millis(*took);
        Some(StepRecord {
            step: u32::try_from(*step).unwrap_or(u32::MAX),
            name: self.texts.name(name),
            outcome: Word::of(outcome),
            changed: matches!(outcome, Outcome::Done { changed: true, .. }),
            earlier: false,
            ignored: *ignored,
            rescued: *rescued,
            attempts: *attempts,
            began: now.saturating_sub(took),
            took,
            text,
            value,
            at: finding.and_then(|finding| finding.at),
            note: finding.filter(|_| !hidden).and_then(|finding| finding.note),
            help: finding.filter(|_| !hidden).and_then(|finding| finding.help),
            retries,
        })
    }

    /// A value as JSON; nothing says nothing. Secrets are hidden in it text by text: quotes in one would hide it from the mask.
    fn value(&mut self, value: &Value, matters: bool) -> Option<Text> {
        match value {
            Value::Null => None,
            value => {
                let mut value = value.clone();
                mask(&mut value);
                self.texts.value(&value.to_string(), matters)
            }
        }
    }
}

/// Whole milliseconds.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
