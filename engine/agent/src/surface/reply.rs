//! `reply()` and `ack()`: a handler's word to whoever waits for it.

use rhai::FuncRegistration;
use script::{Dynamic, Module, NativeCallContext};
use serde_json::{Map, Value, json};

use super::device::report;
use super::native::{self, Answer, call, fail};
use crate::call::AnswerError;

pub(super) fn register(module: &mut Module) {
    FuncRegistration::new("reply")
        .with_volatility(true)
        .set_into_module(module, |ncc: NativeCallContext<'_>, status: i64| reply(&ncc, status, &Dynamic::UNIT));
    FuncRegistration::new("reply")
        .with_volatility(true)
        .set_into_module(module, |ncc: NativeCallContext<'_>, status: i64, payload: Dynamic| {
            reply(&ncc, status, &payload)
        });
    FuncRegistration::new("ack")
        .with_volatility(true)
        .set_into_module(module, |ncc: NativeCallContext<'_>, value: Dynamic| ack(&ncc, &value, 200, ""));
    FuncRegistration::new("ack")
        .with_volatility(true)
        .set_into_module(module, |ncc: NativeCallContext<'_>, value: Dynamic, code: i64| ack(&ncc, &value, code, ""));
    FuncRegistration::new("ack")
        .with_volatility(true)
        .set_into_module(module, |ncc: NativeCallContext<'_>, value: Dynamic, code: i64, text: &str| {
            ack(&ncc, &value, code, text)
        });
}

/// Answers the call at once; the handler goes on. A second answer is logged and counted, and the handler goes on too.
fn reply(ncc: &NativeCallContext<'_>, status: i64, payload: &Dynamic) -> Answer<()> {
    let call = call(ncc)?;
    let Ok(status) = i32::try_from(status) else {
        return fail(format!("a status is a 32-bit number, {status} is not"));
    };
    match call.answer(status, &native::json(payload)?) {
        Ok(()) => Ok(()),
        Err(error @ AnswerError::Twice(_)) => {
            call.log(&error.to_string(), ncc.call_position());
            Ok(())
        }
        Err(error) => fail(error.to_string()),
    }
}

/// Acknowledges a desired value, in the convention of IoT Plug and Play: `av` its version, `ac` a status, `ad` words.
fn ack(ncc: &NativeCallContext<'_>, value: &Dynamic, code: i64, text: &str) -> Answer<()> {
    let call = call(ncc)?;
    let Some((path, version)) = &call.desired else {
        return fail("ack() acknowledges a desired value, so it belongs in on_desired");
    };
    if path.is_empty() {
        return fail("ack() needs a path: on_desired(\"name\", ..) instead of on_desired(\"*\", ..)");
    }
    let mut answer = json!({ "value": native::json(value)?, "ac": code, "av": version });
    if !text.is_empty() {
        answer["ad"] = text.into();
    }
    let patch = path.rsplit('.').fold(answer, |inner, key| {
        let mut around = Map::new();
        around.insert(key.to_owned(), inner);
        Value::Object(around)
    });
    match patch {
        Value::Object(patch) => report(ncc, &call, patch),
        _ => unreachable!("a path has at least one name"),
    }
}
