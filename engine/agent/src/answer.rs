//! What a caller gets for a script's error: a thrown map's own status and payload, or an error with its place.

use script::{Dynamic, ErrorKind, ScriptError, is_shallow_within, to_json};
use serde_json::{Value, json};

use crate::config::ErrorDetail;

/// A status and a payload.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: i32,
    pub(crate) payload: Value,
}

impl Answer {
    /// An answer that is nothing but an error's text.
    pub(crate) fn error(status: i32, text: &str) -> Self {
        Self { status, payload: json!({ "error": text }) }
    }
}

/// What an error says to the caller.
pub(crate) fn of_error(error: &ScriptError, detail: ErrorDetail) -> Answer {
    if let Some(answer) = thrown(error) {
        return answer;
    }
    let status = if matches!(error.kind, ErrorKind::Deadline) { 504 } else { 500 };
    let message = match &error.kind {
        // A thrown text is the message itself, without words around it; any other value stays data.
        ErrorKind::Thrown(value) => whole(value).unwrap_or_else(|| TOO_MUCH.into()),
        _ => Value::from(error.message.as_str()),
    };
    let mut answer = Answer { status, payload: json!({ "error": message }) };
    if let (ErrorDetail::Full, Some(place)) = (detail, &error.place) {
        answer.payload["at"] = place.label().into();
    }
    answer
}

/// A thrown map with a status, or at least a payload, is an answer that the handler means.
pub(crate) fn thrown(error: &ScriptError) -> Option<Answer> {
    let ErrorKind::Thrown(value) = &error.kind else { return None };
    let map = value.read_lock::<rhai::Map>()?;
    let status = match map.get("status") {
        Some(status) => i32::try_from(status.as_int().ok()?).ok()?,
        None => 500,
    };
    if !map.contains_key("status") && !map.contains_key("payload") {
        return None;
    }
    Some(match map.get("payload").map_or(Some(Value::Null), whole) {
        Some(payload) => Answer { status, payload },
        None => Answer::error(500, TOO_MUCH),
    })
}

/// Bytes of text in a value that leaves a script: four times the largest that a hub takes. What has more is not written out
/// first to be measured.
const MOST_TEXT: usize = 1024 * 1024;

/// Why a value is not taken.
pub(crate) const TOO_MUCH: &str = "this value is too large, is nested too deeply, or holds itself";

/// A value as JSON, whole: nothing when something would have to be cut off.
pub(crate) fn whole(value: &Dynamic) -> Option<Value> {
    is_shallow_within(value, MOST_TEXT).then(|| to_json(value))
}
