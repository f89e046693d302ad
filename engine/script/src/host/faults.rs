//! Turns Rhai's errors into ours: the innermost place in the file it belongs to, and what ended the call.

use base::{Place, Source, Span};
use rhai::{Dynamic, EvalAltResult, ParseError, Position};

use crate::dialect::{explain, offset};
use crate::error::{ErrorKind, ScriptError, innermost, sentence};
use crate::lane::{Call, End};
use crate::value::is_shallow;

/// The place of a position: the word or sign that stands there.
pub(super) fn place(source: &Source, position: Position) -> Place {
    let start = offset(source.text(), position);
    let rest = &source.text()[start..];
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let length = if word > 0 { word } else { rest.chars().next().map_or(0, char::len_utf8) };
    source.place(Span::new(start, start + length))
}

/// A text that does not parse.
pub(super) fn parse_error(source: &Source, error: &ParseError) -> ScriptError {
    let at = offset(source.text(), error.position());
    let (message, help) = explain(error, &source.text()[at..]);
    ScriptError {
        place: Some(place(source, error.position())),
        help: help.map(Into::into),
        ..ScriptError::new(message, ErrorKind::Parse)
    }
}

/// An error of a call; `own` is the file whose function was called, `sources` are all files it can have come from.
/// `Err` is the value of a script that left with `exit`. Must run on the coroutine: it drops what the error holds.
pub(super) fn call_error(
    error: &EvalAltResult,
    own: &Source,
    sources: &[Source],
    call: &Call,
) -> Result<ScriptError, Dynamic> {
    let (inner, file, trace) = innermost(error);
    if let EvalAltResult::Exit(value, _) | EvalAltResult::Return(value, _) = inner {
        return Err(value.clone());
    }
    let waited = call.ended_at();
    let (file, position) = match &waited {
        Some((file, position)) if inner.position().is_none() => (file.as_deref(), *position),
        _ => (file, inner.position()),
    };
    let source = file.and_then(|name| sources.iter().find(|source| source.name() == name)).unwrap_or(own);
    let (message, help) = sentence(inner);
    let (message, kind) = match call.end.get() {
        Some(end) => ended(end, call),
        None => (message, kind(inner)),
    };
    Ok(ScriptError {
        message,
        kind,
        place: (!position.is_none()).then(|| place(source, position)),
        trace: trace.into(),
        help: if call.end.get().is_some() { None } else { help.map(Into::into) },
    })
}

fn ended(end: End, call: &Call) -> (String, ErrorKind) {
    match end {
        End::Deadline => {
            let after =
                call.budget.deadline.map_or_else(String::new, |d| format!(" after {}", base::format_duration(d)));
            (format!("the deadline passed{after}"), ErrorKind::Deadline)
        }
        End::Cancelled => ("cancelled".to_owned(), ErrorKind::Cancelled),
        End::Operations => {
            let most = call.budget.operations.unwrap_or_default();
            (format!("the script did too much: more than {most} operations"), ErrorKind::Limit)
        }
        End::Stack => ("calls are nested too deeply: the stack is used up".to_owned(), ErrorKind::Limit),
    }
}

fn kind(error: &EvalAltResult) -> ErrorKind {
    use EvalAltResult as E;
    match error {
        E::ErrorRuntime(value, _) if is_shallow(value) => ErrorKind::Thrown(value.flatten_clone()),
        E::ErrorTooManyOperations(_)
        | E::ErrorDataTooLarge(..)
        | E::ErrorStackOverflow(_)
        | E::ErrorTooManyVariables(_)
        | E::ErrorTooManyModules(_) => ErrorKind::Limit,
        E::ErrorParsing(..) => ErrorKind::Parse,
        _ => ErrorKind::Runtime,
    }
}
