//! What `iotplay agent` says of each event: lines for people, objects for programs, and cases for `iotplay test`.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use agent::{AgentEvent, HandlerOutcome, Sink};
use base::{Clock, Diagnostic, rfc3339_millis};
use runner::Lines;
use serde_json::{Map, Value};

use crate::args::LogFormat;
use crate::process::{Trouble, err};
use crate::world;

/// How events are told.
pub(super) struct Telling {
    pub(super) lines: Lines,
    pub(super) format: LogFormat,
    /// Few enough devices for lines about single connections.
    pub(super) few: bool,
    pub(super) alone: bool,
    pub(super) record: Option<Record>,
}

impl Telling {
    /// The sink.
    pub(super) fn sink(self) -> Sink {
        Arc::new(move |event| {
            if let AgentEvent::Recorded { case } = &event {
                if let Some(record) = &self.record {
                    record.add(case);
                }
                return;
            }
            match self.format {
                LogFormat::Text => self.line(&event),
                LogFormat::Json => {
                    if let Some(object) = object(&rfc3339_millis(Clock::system().now()), &event) {
                        err(&object.to_string());
                    }
                }
            }
        })
    }

    /// What handlers print goes to stdout; what happens to devices to stderr.
    fn line(&self, event: &AgentEvent) {
        match event {
            AgentEvent::Said { device, line } => {
                self.lines.out(&format!("{device} |    {line}"));
            }
            AgentEvent::Connected { .. } | AgentEvent::Disconnected { .. } | AgentEvent::FaultShown { .. }
                if !self.few => {}
            // The command ends with it and says why.
            AgentEvent::Ended { .. } if self.alone => {}
            event => {
                if let Some(line) = world::agent_line(event) {
                    self.lines.line(&line);
                }
            }
        }
    }
}

/// Names are contracts, as flags are.
fn object(now: &str, event: &AgentEvent) -> Option<Value> {
    let mut object = Map::new();
    object.insert("time".to_owned(), now.into());
    let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
    match event {
        AgentEvent::Said { line, .. } => {
            put("event", "printed".into());
            put("line", line.as_str().into());
        }
        AgentEvent::Connected { .. } => put("event", "connected".into()),
        AgentEvent::Disconnected { why, .. } => {
            put("event", "disconnected".into());
            put("reason", why.as_str().into());
        }
        AgentEvent::Unreachable { why, again_in, .. } => {
            put("event", "unreachable".into());
            put("reason", why.as_str().into());
            put("againIn", again_in.as_secs_f64().into());
        }
        AgentEvent::Refused { finding, again_in, .. } => {
            put("event", "refused".into());
            put("reason", finding.message.as_str().into());
            put("againIn", again_in.as_secs_f64().into());
        }
        AgentEvent::Ended { finding, .. } | AgentEvent::Fault { finding, .. } => {
            put("event", if matches!(event, AgentEvent::Ended { .. }) { "ended" } else { "fault" }.into());
            put("reason", finding.message.as_str().into());
            put("at", place(finding));
        }
        AgentEvent::Handler { handler, outcome, took, .. } => {
            put("event", "handler".into());
            put("handler", handler.to_string().into());
            put("seconds", took.as_secs_f64().into());
            put_outcome(&mut put, outcome);
        }
        AgentEvent::FaultShown { what, .. } => {
            put("event", "faultShown".into());
            put("reason", what.as_str().into());
        }
        AgentEvent::Rebooting { .. } => put("event", "rebooting".into()),
        AgentEvent::Reloaded { methods } => {
            put("event", "reloaded".into());
            put("methods", methods.clone().into());
        }
        AgentEvent::Broken(found) => {
            put("event", "broken".into());
            let first = found.0.first();
            put("reason", first.map_or(Value::Null, |finding| finding.message.as_str().into()));
            put("at", first.map_or(Value::Null, place));
        }
        _ => return None,
    }
    if let Some(device) = device(event) {
        object.insert("device".to_owned(), device.into());
    }
    Some(Value::Object(object))
}

fn place(finding: &Diagnostic) -> Value {
    finding.place.as_ref().map_or(Value::Null, |place| place.label().into())
}

fn put_outcome(put: &mut impl FnMut(&str, Value), outcome: &HandlerOutcome) {
    let (word, status, finding) = match outcome {
        HandlerOutcome::Answered(status) => ("answered", Some(*status), None),
        HandlerOutcome::Done => ("done", None, None),
        HandlerOutcome::Failed { status, finding } => ("failed", *status, Some(finding)),
        HandlerOutcome::FailedLate { status, finding } => ("failedLate", Some(*status), Some(finding)),
        HandlerOutcome::Cancelled => ("cancelled", None, None),
    };
    put("outcome", word.into());
    put("status", status.into());
    if let Some(finding) = finding {
        put("reason", finding.message.as_str().into());
        put("at", place(finding));
    }
}

fn device(event: &AgentEvent) -> Option<String> {
    match event {
        AgentEvent::Said { device, .. }
        | AgentEvent::Connected { device }
        | AgentEvent::Disconnected { device, .. }
        | AgentEvent::Unreachable { device, .. }
        | AgentEvent::Refused { device, .. }
        | AgentEvent::Ended { device, .. }
        | AgentEvent::Handler { device, .. }
        | AgentEvent::Fault { device, .. }
        | AgentEvent::FaultShown { device, .. }
        | AgentEvent::Rebooting { device } => Some(device.to_string()),
        _ => None,
    }
}

/// A file of cases that grows.
pub(super) struct Record {
    path: PathBuf,
    file: Mutex<File>,
}

impl Record {
    /// Begins a file; one that is there already is somebody's work.
    pub(super) fn begin(path: &Path) -> Result<Self, Trouble> {
        let refuse = |error: std::io::Error| {
            Trouble::usage(format!("--record {}: {error}", path.display()))
                .help("give a file that is not there yet, such as scripts/recorded.test.yaml")
        };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(refuse)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(refuse)?;
        file.write_all(b"# Recorded from calls. What differs from run to run is only asked to be there.\ncases:\n")
            .map_err(refuse)?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    fn add(&self, case: &str) {
        let mut file = self.file.lock().expect("a file: nothing panics while it is held");
        if let Err(error) = file.write_all(case.as_bytes()) {
            err(&format!("warning: a case is not in {}: {error}", self.path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_event_is_one_object() {
        let event = AgentEvent::Unreachable {
            device: "press-7".parse().unwrap(),
            why: "two\nlines".into(),
            again_in: Duration::from_millis(1500),
        };
        assert_eq!(
            object("now", &event).unwrap().to_string(),
            r#"{"time":"now","event":"unreachable","reason":"two\nlines","againIn":1.5,"device":"press-7"}"#
        );
    }
}
