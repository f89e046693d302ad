//! A call that was recorded, as the text of a case. Secrets are masked; what differs from run to run is only asked to be there.

use std::time::Duration;

use base::{Mask, format_duration, parse_time};
use serde_json::{Map, Value};

use super::expected::code;

/// Stands for a value that nobody can foresee.
const SOMETHING: &str = "${{ value != () }}";

/// What a mask leaves of a secret.
const MASKED: &str = "***";

/// A call, what was before it and what came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorded {
    pub(super) device: String,
    pub(super) boot_id: String,
    pub(super) now: String,
    pub(super) state: Map<String, Value>,
    pub(super) desired: Map<String, Value>,
    pub(super) reported_before: Map<String, Value>,
    pub(super) reboot: Duration,
    pub(super) away: bool,
    pub(super) method: String,
    pub(super) payload: Option<Value>,
    pub(super) status: i32,
    pub(super) answer: Value,
    pub(super) reported: Option<Map<String, Value>>,
    pub(super) sent: Vec<Value>,
    pub(super) printed: Vec<String>,
}

impl Recorded {
    /// The case: an item of the list `cases`. JSON is YAML, so values are written as JSON.
    pub(super) fn yaml(&self, number: usize) -> String {
        let mut text = format!("  - name: {}\n    given:\n", Value::from(format!("{} {number}", self.method)));
        let mut line = |indent: usize, key: &str, value: &Value| {
            text.push_str(&format!("{:indent$}{key}: {}\n", "", masked(value)));
        };
        line(6, "device", &self.device.as_str().into());
        line(6, "boot_id", &self.boot_id.as_str().into());
        line(6, "now", &self.now.as_str().into());
        line(6, "reboot", &format_duration(self.reboot).into());
        line(6, "away", &self.away.into());
        for (key, members) in [("state", &self.state), ("desired", &self.desired), ("reported", &self.reported_before)]
        {
            if !members.is_empty() {
                line(6, key, &members.clone().into());
            }
        }
        line(4, "method", &self.method.as_str().into());
        if let Some(payload) = &self.payload {
            line(4, "payload", payload);
        }
        text.push_str("    expect:\n");
        let mut line = |key: &str, value: Value| {
            text.push_str(&format!("      {key}: {}\n", masked(&foreseen(value))));
        };
        line("status", self.status.into());
        line("payload", self.answer.clone());
        line("reported", self.reported.clone().map_or(Value::Null, Value::Object));
        line("sent", self.sent.clone().into());
        line("printed", self.printed.clone().into());
        text
    }
}

/// Whole values are masked, not the text: it must stay YAML.
fn masked(value: &Value) -> Value {
    deep(value.clone(), &|text| Mask::process().apply(text).into_owned())
}

/// Moments, expressions that were data, and secrets cannot be expected as they are.
fn foreseen(value: Value) -> Value {
    deep(value, &|text| {
        let moment = text.len() >= 19 && parse_time(text).is_some();
        if moment || code(text).is_some() || Mask::process().hides(text) || text.contains(MASKED) {
            SOMETHING.to_owned()
        } else {
            text.to_owned()
        }
    })
}

fn deep(value: Value, turn: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => turn(&text).into(),
        Value::Array(items) => items.into_iter().map(|item| deep(item, turn)).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (turn(&key), deep(value, turn))).collect(),
        other => other,
    }
}
