//! The functions that every script and expression has: `now time age duration version parse_json to_json base64 sha256 changed`.
//! Time comes from the clock that is handed in.

use std::time::{Duration, SystemTime};

use base::Clock;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rhai::{Dynamic, EvalAltResult, FnPtr, FuncRegistration, ImmutableString, Module, NativeCallContext, Position};
use sha2::{Digest as _, Sha256};

use super::{Version, missing, replacing};
use crate::value::{change_of, from_json_bytes, is_shallow_within, to_json};

type Answer<T> = Result<T, Box<EvalAltResult>>;

pub(crate) fn refuse<T>(message: impl Into<String>) -> Answer<T> {
    Err(EvalAltResult::ErrorRuntime(message.into().into(), Position::NONE).into())
}

/// The functions as a module, to be mounted in an engine.
pub(crate) fn functions(clock: &Clock) -> Module {
    let mut module = Module::new();
    missing::register(&mut module);
    replacing::register(&mut module);
    times(&mut module, clock);
    versions(&mut module);
    texts(&mut module);
    changes(&mut module);
    module
}

fn times(module: &mut Module, clock: &Clock) {
    let now = clock.clone();
    volatile("now").set_into_module(module, move || base::rfc3339_millis(now.now()));
    let now = clock.clone();
    volatile("age").set_into_module(module, move |text: ImmutableString| -> Answer<f64> {
        Ok(seconds_between(moment(&text)?, now.now()))
    });
    module.set_native_fn("age", |_: ()| Ok(Dynamic::UNIT));
    module.set_native_fn("time", |text: ImmutableString| -> Answer<f64> {
        Ok(seconds_between(SystemTime::UNIX_EPOCH, moment(&text)?))
    });
    module.set_native_fn("time", |_: ()| Ok(Dynamic::UNIT));
    module.set_native_fn("duration", |text: ImmutableString| -> Answer<f64> {
        Ok(seconds(&Dynamic::from(text))?.as_secs_f64())
    });
    module.set_native_fn("duration", |number: i64| Ok(number as f64));
    module.set_native_fn("duration", |number: f64| Ok(number));
    module.set_native_fn("duration", |_: ()| Ok(Dynamic::UNIT));
}

fn versions(module: &mut Module) {
    module.set_custom_type::<Version>("version");
    module.set_native_fn("version", |text: ImmutableString| -> Answer<Version> {
        Version::parse(&text).map_or_else(|| refuse(format!("`{text}` is not a version such as 1.10.2")), Ok)
    });
    module.set_native_fn("version", |number: i64| -> Answer<Version> {
        Version::parse(&number.to_string()).map_or_else(|| refuse("a version is not negative"), Ok)
    });
    module.set_native_fn("version", |_: ()| Ok(Dynamic::UNIT));
    module.set_native_fn("to_string", |version: &mut Version| Ok(version.to_string()));
    module.set_native_fn("to_debug", |version: &mut Version| Ok(version.to_string()));
    module.set_native_fn("==", |a: Version, b: Version| Ok(a == b));
    module.set_native_fn("!=", |a: Version, b: Version| Ok(a != b));
    module.set_native_fn("<", |a: Version, b: Version| Ok(a < b));
    module.set_native_fn("<=", |a: Version, b: Version| Ok(a <= b));
    module.set_native_fn(">", |a: Version, b: Version| Ok(a > b));
    module.set_native_fn(">=", |a: Version, b: Version| Ok(a >= b));
}

fn texts(module: &mut Module) {
    // Rhai's own shows what a closure captured, which can be exponentially long.
    module.set_native_fn("to_debug", |function: FnPtr| Ok(format!("Fn({})", function.fn_name())));
    module.set_native_fn("parse_json", |text: ImmutableString| -> Answer<Dynamic> {
        from_json_bytes(text.as_bytes()).or_else(|error| refuse(format!("this text is not JSON: {error}")))
    });
    FuncRegistration::new("to_json")
        .set_into_module(module, |ncc: NativeCallContext<'_>, value: Dynamic| written(&ncc, &value));
    // Rhai has one for maps, which would come first.
    FuncRegistration::new("to_json").set_into_module(module, |ncc: NativeCallContext<'_>, map: &mut rhai::Map| {
        written(&ncc, &Dynamic::from_map(map.clone()))
    });
    module.set_native_fn("base64", |text: ImmutableString| Ok(BASE64_STANDARD.encode(text.as_bytes())));
    module.set_native_fn("base64", |bytes: rhai::Blob| Ok(BASE64_STANDARD.encode(bytes)));
    module.set_native_fn("sha256", |text: ImmutableString| Ok(hex(&Sha256::digest(text.as_bytes()))));
    module.set_native_fn("sha256", |bytes: rhai::Blob| Ok(hex(&Sha256::digest(bytes))));
}

/// Whether the step that registered a value changed something: the host marks such values, see [`mark_change`](crate::mark_change).
fn changes(module: &mut Module) {
    module.set_native_fn("changed", |value: Dynamic| -> Answer<bool> {
        let help = "`changed` is about what a step registered, as a whole: `changed(reply)`; this value is none";
        change_of(&value).map_or_else(|| refuse(help), Ok)
    });
}

fn written(ncc: &NativeCallContext<'_>, value: &Dynamic) -> Answer<String> {
    let most = ncc.engine().max_string_size();
    if most > 0 && !is_shallow_within(value, most) {
        return refuse("this value is too large for a text, is nested too deeply, or holds itself");
    }
    Ok(to_json(value).to_string())
}

fn volatile(name: &str) -> FuncRegistration {
    FuncRegistration::new(name).with_volatility(true)
}

fn moment(text: &str) -> Answer<SystemTime> {
    base::parse_time(text)
        .map_or_else(|| refuse(format!("`{text}` is not a time such as 2026-11-23T13:27:42.118Z")), Ok)
}

/// Seconds with milliseconds, negative when `to` lies before `from`.
fn seconds_between(from: SystemTime, to: SystemTime) -> f64 {
    to.duration_since(from).map_or_else(|error| -error.duration().as_secs_f64(), |since| since.as_secs_f64())
}

/// A duration from a script: a number is seconds, a text is `90s` or `1h30m`.
pub(crate) fn seconds(value: &Dynamic) -> Answer<Duration> {
    let number = match (value.as_int(), value.as_float()) {
        (Ok(whole), _) => whole as f64,
        (_, Ok(number)) => number,
        _ => match value.as_immutable_string_ref() {
            Ok(text) => return base::parse_duration(&text).or_else(|error| refuse(error.to_string())),
            Err(_) => {
                return refuse(format!(
                    "a duration is a number of seconds or a text such as `90s`, this is {}",
                    missing::name_of(value)
                ));
            }
        },
    };
    Duration::try_from_secs_f64(number).or_else(|_| refuse(format!("{number} is not a number of seconds")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
