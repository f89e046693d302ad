//! What went wrong in a script: the message in plain words, the innermost place, and the way there.

use base::{Diagnostic, Place};
use rhai::{Dynamic, EvalAltResult};
use thiserror::Error;

use crate::dialect::{decapitalize, name_of};
use crate::value::is_shallow_within;

/// The result of a call.
pub type ScriptResult<T> = Result<T, ScriptError>;

/// A call that ended without a value.
#[derive(Clone, Debug, Error)]
#[error("{message}")]
pub struct ScriptError {
    /// A fragment that says what happened.
    pub message: String,
    /// Which kind of end it was.
    pub kind: ErrorKind,
    /// The innermost place that is known.
    pub place: Option<Place>,
    /// The script functions that were being called, outermost first.
    pub trace: Box<[String]>,
    /// How to mend it.
    pub help: Option<Box<str>>,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub enum ErrorKind {
    /// The script threw this value.
    Thrown(Dynamic),
    /// The script, or a function it called, failed.
    Runtime,
    /// The call's deadline passed.
    Deadline,
    /// The call was ended from outside.
    Cancelled,
    /// A limit of the call's budget was reached.
    Limit,
    /// The text cannot be read.
    Parse,
}

impl ScriptError {
    /// As a finding with a snippet.
    pub fn diagnostic(&self) -> Diagnostic {
        let mut shown = Diagnostic::error(&self.message).help(self.help.as_deref().unwrap_or_default());
        if let Some(place) = &self.place {
            shown = shown.at(place.clone());
        }
        shown
    }

    pub(crate) fn new(message: impl Into<String>, kind: ErrorKind) -> Self {
        Self { message: message.into(), kind, place: None, trace: Box::default(), help: None }
    }
}

/// The error within all calls, the name of the file whose function raised it, and the functions on the way.
pub(crate) fn innermost(error: &EvalAltResult) -> (&EvalAltResult, Option<&str>, Vec<String>) {
    let (mut inner, mut source, mut trace) = (error, None, Vec::new());
    loop {
        match inner {
            EvalAltResult::ErrorInFunctionCall(name, file, cause, _) => {
                if !file.is_empty() {
                    source = Some(file.as_str());
                }
                let anonymous = name.starts_with("anon$");
                trace.push(if anonymous { "closure".to_owned() } else { name.clone() });
                inner = cause;
            }
            EvalAltResult::ErrorInModule(_, cause, _) => inner = cause,
            _ => return (inner, source, trace),
        }
    }
}

/// An error in plain words, with help where a slip is known.
pub(crate) fn sentence(error: &EvalAltResult) -> (String, Option<String>) {
    use EvalAltResult as E;
    match error {
        E::ErrorRuntime(value, _) => (thrown(value), None),
        E::ErrorVariableNotFound(name, _) => (format!("unknown name `{name}`"), None),
        E::ErrorFunctionNotFound(signature, _) => function_not_found(signature),
        E::ErrorMismatchDataType(wanted, found, _) => (format!("expected {wanted}, found {found}"), None),
        E::ErrorTooManyOperations(_) => {
            ("the script did too much: its budget of operations is used up".to_owned(), None)
        }
        E::ErrorDataTooLarge(what, _) => (format!("a value grew too large: {}", decapitalize(what)), None),
        E::ErrorDataRace(..) => (
            "a list or map is used by a function and by the closure that it calls".to_owned(),
            Some("give the closure a copy: `let copy = list;` before it".to_owned()),
        ),
        E::ErrorStackOverflow(_) => ("calls are nested too deeply".to_owned(), None),
        E::ErrorTerminated(token, _) => (thrown(token), None),
        E::ErrorParsing(what, _) => (decapitalize(&what.to_string()), None),
        other => {
            let text = other.to_string();
            let plain = text.rsplit_once(" (line ").map_or(text.as_str(), |(message, _)| message);
            (decapitalize(plain), None)
        }
    }
}

/// Bytes of text in a thrown value that is shown: as many as a handler's text may have.
const MOST_SHOWN: usize = 1024 * 1024;

/// A thrown value as a line: a text as it is, a map by its `message`, anything else as JSON.
fn thrown(value: &Dynamic) -> String {
    if let Ok(text) = value.as_immutable_string_ref() {
        return text.to_string();
    }
    if let Ok(map) = value.as_map_ref()
        && let Some(text) = map.get("message").and_then(|text| text.clone().into_string().ok())
    {
        return text;
    }
    if value.is_unit() {
        return "the script threw".to_owned();
    }
    if !is_shallow_within(value, MOST_SHOWN) {
        return "the script threw a value that is nested too deeply or too large to be shown".to_owned();
    }
    format!("the script threw {}", crate::to_json(value))
}

/// `+ (map, i64)` or `foo (i64)` in words.
fn function_not_found(signature: &str) -> (String, Option<String>) {
    let Some((name, types)) = signature.split_once(" (") else {
        return (format!("unknown function `{signature}`"), None);
    };
    let types = types.strip_suffix(')').unwrap_or(types);
    let shown = format!("{}({})", name.trim(), types.replace("&str | ImmutableString | String", "text"));
    if name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return (format!("no function `{shown}`"), None);
    }
    let help = (name == "!").then(|| "`!` binds tighter than `==`: write `not a == b` or `!(a == b)`".to_owned());
    let operands: Vec<&str> = types.split(", ").map(str::trim).collect();
    let missing = operands
        .contains(&"()")
        .then(|| "one side is `()`, nothing: give it a value with `?? 0` or `?? \"\"`".to_owned());
    (
        format!(
            "`{name}` does not work with {}",
            operands.iter().map(|name| operand(name)).collect::<Vec<_>>().join(" and ")
        ),
        help.or(missing),
    )
}

/// A type of Rhai's signatures in words.
fn operand(name: &str) -> &str {
    match name {
        "&str | ImmutableString | String" => "text",
        "i64" => "an integer",
        "f64" => "a number",
        "bool" => "true or false",
        "char" => "a character",
        "array" => "a list",
        "map" => "a map",
        other => other,
    }
}

/// The type of a value in words, for messages of other rooms: "an integer", "text", "a map".
pub fn type_in_words(value: &Dynamic) -> &'static str {
    name_of(value)
}
