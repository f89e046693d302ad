//! What a script catches as `err`: `class`, `status`, `payload`, `message`; and what an uncaught one means for the run.

use rhai::{EvalAltResult, NativeCallContext};
use script::{Dynamic, ErrorKind, ScriptError};
use serde_json::{Value, json};

use crate::{Class, Failure};

/// A failure as a script sees it.
pub(super) fn value(failure: &Failure, device: Option<&str>) -> Value {
    json!({
        "class": failure.class.to_string(), "status": failure.status,
        "payload": failure.value.get("payload").cloned().unwrap_or(Value::Null),
        "message": failure.message, "device": device, "help": failure.help,
    })
}

/// Throws a failure at the place of the call.
pub(crate) fn throw(ncc: &NativeCallContext<'_>, failure: &Failure, device: Option<&str>) -> Box<EvalAltResult> {
    EvalAltResult::ErrorRuntime(script::from_json(&value(failure, device)), ncc.call_position()).into()
}

/// Throws a sentence: a mistake in how a function is used.
pub(crate) fn refuse(ncc: &NativeCallContext<'_>, message: impl Into<String>) -> Box<EvalAltResult> {
    throw(ncc, &Failure::new(Class::Failed, message), None)
}

/// The thrown map behind an error of a script; a plain `throw "text"` or a mistake in the script is of class `failed`.
pub(crate) fn caught(error: &ScriptError) -> Value {
    if let ErrorKind::Thrown(value) = &error.kind {
        let value = script::to_json(value);
        if value.get("class").is_some_and(Value::is_string) {
            return value;
        }
    }
    value(&Failure::new(Class::Failed, error.message.clone()), None)
}

/// The class of an uncaught error.
pub(crate) fn class(error: &ScriptError) -> Class {
    let class = caught(error).get("class").cloned().unwrap_or_default();
    serde_json::from_value(class).unwrap_or(Class::Failed)
}

/// The help lines and the device that an uncaught error brings along.
pub(crate) fn details(error: &ScriptError) -> (Vec<String>, Option<String>) {
    let ErrorKind::Thrown(value) = &error.kind else { return (Vec::new(), None) };
    let value: Value = script::to_json(&Dynamic::clone(value));
    let help = value.get("help").and_then(Value::as_array).into_iter().flatten();
    let help = help.filter_map(Value::as_str).map(str::to_owned).collect();
    (help, value.get("device").and_then(Value::as_str).map(str::to_owned))
}
