//! `--output json` (one document at the end) and `ndjson` (one object per event). The field names are a contract: they are
//! added to, never renamed. Times are seconds as numbers; what `no_log` hides is absent.

use std::cell::RefCell;
use std::io::Write;
use std::time::Duration;

use base::Diagnostic;
use serde_json::{Map, Value, json};

use super::masked::mask;
use crate::{Counts, Failure, Outcome, Progress, Reporter, RunEvent, Skip};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One document when the run has ended: `{ run, hub, plays: [{ name, file, size, counts, devices: [..] }], said,
    /// warnings, counts, exit, reason, seconds }`.
    Document,
    /// One object per event, one a line, each with `event`.
    Lines,
}

/// Writes events as JSON.
pub struct Json {
    form: Form,
    out: RefCell<Box<dyn Write>>,
    document: RefCell<Document>,
}

#[derive(Default)]
struct Document {
    head: Map<String, Value>,
    plays: Vec<Value>,
    said: Vec<Value>,
    warnings: Vec<Value>,
}

impl Json {
    /// Writes to `out` (the process's stdout).
    pub fn new(form: Form, out: Box<dyn Write>) -> Self {
        Self { form, out: RefCell::new(out), document: RefCell::default() }
    }

    // What cannot be written is lost: a closed pipe must not end a run that is under way.
    fn write(&self, mut value: Value) {
        mask(&mut value);
        let mut out = self.out.borrow_mut();
        let _ = writeln!(out, "{value}").and_then(|()| out.flush());
    }
}

impl Reporter for Json {
    fn on(&self, event: &RunEvent) {
        match self.form {
            Form::Lines => self.write(object(event)),
            Form::Document => {
                if let Some(document) = self.document.borrow_mut().take(event) {
                    self.write(document);
                }
            }
        }
    }
}

impl Document {
    /// Keeps what the document holds; gives the whole when the run has ended.
    fn take(&mut self, event: &RunEvent) -> Option<Value> {
        match event {
            RunEvent::RunStarted { run, hub } => {
                self.head.insert("run".into(), json!(run));
                self.head.insert("hub".into(), json!({ "title": hub.title, "local": hub.local }));
            }
            RunEvent::PlayStarted { name, file, devices, waves, estimate, .. } => {
                let estimate = estimate.as_ref().map(|it| seconds(it.least));
                self.plays.push(json!({
                    "name": name, "file": file, "size": devices, "waves": waves, "estimate": estimate, "devices": [],
                }));
            }
            RunEvent::VerifyFailed { device, .. } => self.fell(device, body(event)),
            RunEvent::DeviceEnded { .. } => {
                if let Some(Value::Array(devices)) = self.plays.last_mut().and_then(|play| play.get_mut("devices")) {
                    devices.push(body(event));
                }
            }
            RunEvent::PlayEnded { counts } => {
                if let Some(Value::Object(play)) = self.plays.last_mut() {
                    play.insert("counts".into(), counted(*counts));
                }
            }
            RunEvent::Said { .. } => self.said.push(body(event)),
            RunEvent::Warned { text } => self.warnings.push(json!(text)),
            RunEvent::Stopped { diagnostic } => {
                self.head.insert("error".into(), finding(diagnostic));
            }
            RunEvent::RunEnded { .. } => {
                let mut whole = std::mem::take(&mut self.head);
                whole.insert("plays".into(), Value::Array(std::mem::take(&mut self.plays)));
                whole.insert("said".into(), Value::Array(std::mem::take(&mut self.said)));
                whole.insert("warnings".into(), Value::Array(std::mem::take(&mut self.warnings)));
                if let Value::Object(end) = body(event) {
                    whole.extend(end);
                }
                return Some(Value::Object(whole));
            }
            _ => {}
        }
        None
    }

    /// What `verify` found of a device that had ended: what it counts as now, and why.
    fn fell(&mut self, id: &str, found: Value) {
        let devices = self.plays.last_mut().and_then(|play| play.get_mut("devices")).and_then(Value::as_array_mut);
        let device = devices.and_then(|devices| devices.iter_mut().rfind(|device| device["device"] == id));
        if let (Some(Value::Object(device)), Value::Object(found)) = (device, found) {
            device.extend(found);
        }
    }
}

/// An event as one object, `event` first.
fn object(event: &RunEvent) -> Value {
    let mut whole = Map::new();
    whole.insert("event".into(), json!(name(event)));
    if let Value::Object(body) = body(event) {
        whole.extend(body);
    }
    Value::Object(whole)
}

fn name(event: &RunEvent) -> &'static str {
    match event {
        RunEvent::RunStarted { .. } => "run_started",
        RunEvent::PlayStarted { .. } => "play_started",
        RunEvent::WaveStarted { .. } => "wave_started",
        RunEvent::DeviceStarted { .. } => "device_started",
        RunEvent::StepStarted { .. } => "step_started",
        RunEvent::StepProgress { .. } => "step_progress",
        RunEvent::StepRetried { .. } => "step_retried",
        RunEvent::StepEnded { .. } => "step_ended",
        RunEvent::Said { .. } => "said",
        RunEvent::Warned { .. } => "warned",
        RunEvent::DeviceWaiting { .. } => "device_waiting",
        RunEvent::WindowShut { .. } => "window_shut",
        RunEvent::Stopped { .. } => "stopped",
        RunEvent::DeviceEnded { .. } => "device_ended",
        RunEvent::VerifyFailed { .. } => "verify_failed",
        RunEvent::WaveEnded { .. } => "wave_ended",
        RunEvent::PlayEnded { .. } => "play_ended",
        RunEvent::RunEnded { .. } => "run_ended",
    }
}

fn body(event: &RunEvent) -> Value {
    match event {
        RunEvent::RunStarted { run, hub } => {
            json!({ "run": run, "hub": { "title": hub.title, "local": hub.local } })
        }
        RunEvent::PlayStarted { play, name, file, devices, waves, estimate, .. } => {
            let by = estimate.as_ref().map(|it| &it.by);
            let estimate = estimate.as_ref().map(|it| seconds(it.least));
            json!({
                "play": play, "name": name, "file": file, "devices": devices, "waves": waves, "estimate": estimate,
                "estimate_by": by,
            })
        }
        RunEvent::WaveStarted { index, of, size } => json!({ "index": index, "of": of, "size": size }),
        RunEvent::DeviceStarted { device, wave } => json!({ "device": device, "wave": wave }),
        RunEvent::StepStarted { device, step, name } => json!({ "device": device, "step": step, "name": name }),
        RunEvent::StepProgress { device, step, progress } => match progress {
            Progress::Elapsed { spent, of } => {
                json!({ "device": device, "step": step, "seconds": seconds(*spent), "of": of.map(seconds) })
            }
            Progress::Says(text) => json!({ "device": device, "step": step, "says": text }),
            Progress::Together { done, of, by } => {
                json!({ "device": device, "step": step, "done": done, "of": of, "by": by })
            }
        },
        RunEvent::StepRetried { device, step, attempt, reason } => {
            json!({ "device": device, "step": step, "attempt": attempt, "reason": reason })
        }
        RunEvent::StepEnded { .. } => step_ended(event),
        RunEvent::Said { device, level, text } => json!({ "device": device, "level": level, "text": text }),
        RunEvent::Warned { text } => json!({ "text": text }),
        RunEvent::WindowShut { opens, left, waiting } => {
            json!({ "opens": opens, "left": seconds(*left), "waiting": waiting })
        }
        RunEvent::DeviceWaiting { device, at_most } => json!({ "device": device, "at_most": seconds(*at_most) }),
        RunEvent::Stopped { diagnostic } => finding(diagnostic),
        RunEvent::DeviceEnded { device, outcome, wave, error, took, waited, vars } => json!({
            "device": device, "outcome": outcome, "wave": wave, "error": error, "seconds": seconds(*took),
            "waited": seconds(*waited), "vars": &**vars,
        }),
        RunEvent::VerifyFailed { device, outcome, wave, error } => {
            json!({ "device": device, "outcome": outcome, "wave": wave, "error": error })
        }
        RunEvent::WaveEnded { index, counts, waiting } => {
            json!({ "index": index, "counts": counted(*counts), "waiting": waiting })
        }
        RunEvent::PlayEnded { counts } => json!({ "counts": counted(*counts) }),
        RunEvent::RunEnded { counts, took, exit, reason } => {
            json!({ "counts": counted(*counts), "seconds": seconds(*took), "exit": exit, "reason": reason })
        }
    }
}

fn step_ended(event: &RunEvent) -> Value {
    let RunEvent::StepEnded { device, step, name, outcome, ignored, rescued, attempts, took, .. } = event else {
        return Value::Null;
    };
    let RunEvent::StepEnded { summary, diagnostic, hidden, .. } = event else { return Value::Null };
    let mut whole = json!({
        "device": device, "step": step, "name": name, "outcome": word(outcome), "ignored": ignored,
        "rescued": rescued, "attempts": attempts, "seconds": seconds(*took),
    });
    let Value::Object(fields) = &mut whole else { return whole };
    match outcome {
        Outcome::Done { value, changed } => {
            fields.insert("changed".into(), json!(changed));
            if !hidden {
                fields.insert("value".into(), value.clone());
            }
        }
        Outcome::Failed(failure) if !hidden => {
            fields.insert("error".into(), failed(failure));
            fields
                .insert("at".into(), json!(diagnostic.as_ref().and_then(|found| Some(found.place.as_ref()?.label()))));
        }
        Outcome::Failed(_) => {}
        Outcome::Skipped(skip) => {
            fields.insert("reason".into(), json!(reason(skip)));
        }
    }
    if !hidden && !summary.is_empty() {
        fields.insert("summary".into(), json!(summary));
    }
    whole
}

fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { .. } => "ok".to_owned(),
        Outcome::Failed(failure) => failure.class.to_string(),
        Outcome::Skipped(_) => "skipped".to_owned(),
    }
}

fn failed(failure: &Failure) -> Value {
    json!({
        "class": failure.class.to_string(), "message": failure.message, "status": failure.status,
        "in_doubt": failure.in_doubt, "value": failure.value, "note": failure.note, "help": failure.help,
    })
}

fn reason(skip: &Skip) -> &str {
    match skip {
        Skip::When => "when",
        Skip::Tags => "tags",
        Skip::Offline { rest: true } => "offline",
        Skip::Offline { rest: false } => "offline_step",
        Skip::NotReached => "not_reached",
        Skip::Check(text) => text,
    }
}

fn finding(diagnostic: &Diagnostic) -> Value {
    json!({
        "label": diagnostic.label, "message": diagnostic.message,
        "at": diagnostic.place.as_ref().map(base::Place::label), "help": diagnostic.help,
    })
}

fn counted(counts: Counts) -> Value {
    json!({ "ok": counts.ok, "failed": counts.failed, "unreachable": counts.unreachable, "skipped": counts.skipped })
}

/// Whole milliseconds, as seconds.
fn seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1_000.0
}
