//! What a step came to, beside what was expected of it. Every difference is a finding at its place in the case's file.

use base::{Diagnostic, Diagnostics, Span};
use serde_json::{Map, Value, json};

use super::case::{Case, Expect, Input, Printed, Step, Words};
use super::expected::{Looking, condition, shown};

/// What a method answers when nobody says otherwise.
const OK: i32 = 200;

/// What a step came to.
#[derive(Debug, Default)]
pub(super) struct Happened {
    pub(super) reply: Option<(i32, Value)>,
    /// All patches as one; none when nothing was reported.
    pub(super) reported: Option<Map<String, Value>>,
    pub(super) sent: Vec<Value>,
    pub(super) printed: Vec<String>,
    /// Handlers that failed, and slips that were logged.
    pub(super) errors: Vec<Diagnostic>,
    pub(super) rebooted: bool,
    pub(super) state: Map<String, Value>,
    pub(super) desired: Map<String, Value>,
    pub(super) twin_reported: Map<String, Value>,
}

impl Happened {
    /// What conditions see.
    fn names(&self) -> Map<String, Value> {
        let (status, payload) = match &self.reply {
            Some((status, payload)) => (json!(status), payload.clone()),
            None => (Value::Null, Value::Null),
        };
        let error = match &self.errors[..] {
            [] => Value::Null,
            errors => errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join("\n").into(),
        };
        let names = json!({
            "status": status,
            "payload": payload,
            "reported": self.reported,
            "sent": self.sent,
            "printed": self.printed,
            "error": error,
            "rebooted": self.rebooted,
            "state": self.state,
            "twin": { "desired": self.desired, "reported": self.twin_reported },
        });
        match names {
            Value::Object(names) => names,
            _ => Map::new(),
        }
    }
}

/// Adds a patch to those before it. Unlike a twin, a removal stays visible.
pub(super) fn overlay(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        match (target.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(patch)) => overlay(below, patch),
            (_, value) => drop(target.insert(key, value)),
        }
    }
}

/// All differences of a step.
pub(super) fn judge(case: &Case, step: &Step, happened: &Happened, expressions: &script::Expressions) -> Diagnostics {
    let names = happened.names();
    let expect = &step.expect;
    let look = Looking { source: &case.source, expressions, names: &names, exactly: expect.exactly };
    let mut judging = Judging { case, step, happened, look, found: Vec::new() };
    judging.answer(expect);
    judging.errors(expect);
    judging.rest(expect);
    Diagnostics(judging.found)
}

struct Judging<'a> {
    case: &'a Case,
    step: &'a Step,
    happened: &'a Happened,
    look: Looking<'a>,
    found: Vec<Diagnostic>,
}

impl Judging<'_> {
    fn wrong(&mut self, at: Span, message: String) {
        self.found.push(Diagnostic::error(message).at(self.case.source.place(at)));
    }

    fn answer(&mut self, expect: &Expect) {
        let Input::Method { name, .. } = &self.step.input else { return };
        let Some((status, payload)) = &self.happened.reply else {
            return self.wrong(self.step.at, format!("{name} was not answered"));
        };
        let before = self.found.len();
        match &expect.status {
            Some(expected) => expected.compare("status", Some(&json!(status)), &self.look, &mut self.found),
            // A failure that is expected has its own status, and so has the handler that fails unforeseen.
            None if *status == OK || expect.error.is_some() || !self.happened.errors.is_empty() => {}
            None => self.wrong(self.step.at, format!("status is {status}, expected {OK}, since nothing is said of it")),
        }
        if self.found.len() > before
            && let Some(last) = self.found.pop()
        {
            self.found.push(last.help(format!("the answer was {status} {}", shown(payload))));
        }
        if let Some(expected) = &expect.payload {
            expected.compare("payload", Some(payload), &self.look, &mut self.found);
        }
    }

    /// Who fails unforeseen fails the case, whatever else was expected.
    fn errors(&mut self, expect: &Expect) {
        let errors = &self.happened.errors;
        match &expect.error {
            Some(Words { text, at }) => {
                if errors.is_empty() {
                    self.wrong(*at, format!("no handler failed, expected an error with `{text}`"));
                } else if !errors.iter().any(|error| error.message.contains(text.as_str())) {
                    let place = self.case.source.place(*at);
                    let finding = Diagnostic::error(format!("no error has `{text}` in it")).at(place);
                    self.found.push(finding.note(format!("got {}", errors[0].message)));
                }
            }
            None if expect.status.is_none() => self.found.extend(errors.iter().cloned()),
            // The answer was expected; what went wrong besides was not.
            None => self.found.extend(errors.iter().filter(|error| !error.label.starts_with("answered")).cloned()),
        }
    }

    fn rest(&mut self, expect: &Expect) {
        let happened = self.happened;
        let reported = happened.reported.clone().map_or(Value::Null, Value::Object);
        let sent = Value::Array(happened.sent.clone());
        let state = Value::Object(happened.state.clone());
        let parts = [
            ("reported", &expect.reported, &reported),
            ("sent", &expect.sent, &sent),
            ("state", &expect.state, &state),
        ];
        for (path, expected, actual) in parts {
            if let Some(expected) = expected {
                expected.compare(path, Some(actual), &self.look, &mut self.found);
            }
        }
        match &expect.printed {
            Some(Printed::Lines(expected)) => {
                expected.compare("printed", Some(&json!(happened.printed)), &self.look, &mut self.found);
            }
            Some(Printed::Somewhere(words)) if !happened.printed.iter().any(|line| line.contains(&words.text)) => {
                let message = format!("`{}` was not printed, but {}", words.text, shown(&json!(happened.printed)));
                self.wrong(words.at, message);
            }
            _ => {}
        }
        match expect.rebooted {
            Some((true, at)) if !happened.rebooted => self.wrong(at, "the device did not restart".into()),
            Some((false, at)) if happened.rebooted => self.wrong(at, "the device restarted".into()),
            _ => {}
        }
        for (expr, at) in &expect.that {
            if let Err(finding) = condition(expr, *at, &self.look) {
                self.found.push(finding);
            }
        }
    }
}
