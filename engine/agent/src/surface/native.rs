//! What the native functions share: the module they live in, the call they run for, and how they fail.

use std::rc::Rc;
use std::time::Duration;

use rhai::{EvalAltResult, Map, Position};
use script::{Dynamic, Module, NativeCallContext, context, type_in_words};
use serde_json::Value;

use crate::answer::{TOO_MUCH, whole};
use crate::call::Call;

/// What a native function answers to its script.
pub(super) type Answer<T> = Result<T, Box<EvalAltResult>>;

/// All functions and types.
pub(crate) fn module() -> Module {
    let mut module = Module::new();
    super::device::register(&mut module);
    super::state::register(&mut module);
    super::upload::register(&mut module);
    super::request::register(&mut module);
    super::reply::register(&mut module);
    super::message::register(&mut module);
    super::machine::register(&mut module);
    module
}

/// The call that the script runs for.
pub(super) fn call(ncc: &NativeCallContext<'_>) -> Answer<Rc<Call>> {
    context::<Call>(ncc).map_or_else(|| fail(format!("`{}` works inside a handler only", ncc.fn_name())), Ok)
}

/// An error with this text, at the place of the call.
pub(super) fn fail<T>(message: impl Into<String>) -> Answer<T> {
    Err(EvalAltResult::ErrorRuntime(message.into().into(), Position::NONE).into())
}

/// The same for an error of the agent.
pub(super) fn failed<T>(error: &impl std::error::Error) -> Answer<T> {
    fail(error.to_string())
}

/// A thrown map: uncaught, it answers the call with this status.
pub(super) fn throw<T>(status: i64, error: &str) -> Answer<T> {
    let mut payload = Map::new();
    payload.insert("error".into(), error.into());
    let mut map = Map::new();
    map.insert("status".into(), status.into());
    map.insert("payload".into(), payload.into());
    Err(EvalAltResult::ErrorRuntime(map.into(), Position::NONE).into())
}

/// A value as JSON, whole: one that would be cut off on its way is refused, so that nothing is lost unseen.
pub(super) fn json(value: &Dynamic) -> Answer<Value> {
    whole(value).map_or_else(|| fail(TOO_MUCH), Ok)
}

/// A map as JSON, in the same way.
pub(super) fn object(map: Map) -> Answer<serde_json::Map<String, Value>> {
    match json(&map.into())? {
        Value::Object(members) => Ok(members),
        _ => Ok(serde_json::Map::new()),
    }
}

/// A number of seconds, or a text such as `90s`.
pub(crate) fn duration_of(value: &Dynamic) -> Result<Duration, String> {
    if let Ok(text) = value.as_immutable_string_ref() {
        return base::parse_duration(&text).map_err(|error| error.to_string());
    }
    let seconds = value.as_int().map(|whole| whole as f64).or_else(|_| value.as_float());
    match seconds.map(Duration::try_from_secs_f64) {
        Ok(Ok(time)) => Ok(time),
        Ok(Err(_)) => Err(format!("{value} is no duration")),
        Err(_) => {
            Err(format!("a duration is a number of seconds or a text such as `90s`, this is {}", type_in_words(value)))
        }
    }
}
