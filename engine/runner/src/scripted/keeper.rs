//! What scripts see and wait for beside verbs: the time, and sleeping. Kept by whoever runs the script, so that one that is run again
//! sees what it saw, and does not sleep again what it has slept.

use std::any::{Any, TypeId};
use std::rc::Rc;
use std::time::Duration;

use base::{Clock, parse_time, rfc3339_millis};
use futures_util::future::LocalBoxFuture;
use rhai::{FuncRegistration, ImmutableString, Module, NativeCallContext, RhaiFunc, Shared};
use script::{Dynamic, context, place, wait};
use serde_json::{Value, json};

use super::call::duration;
use super::functions::Answer;
use super::thrown::{refuse, throw};
use crate::Failure;
use crate::deeds::Deed;
use crate::journal::{digest, masked};

/// So much of a digest tells arguments apart.
const DIGITS: usize = 16;

/// Who keeps what a script sees: the context of its calls.
pub(crate) trait Keeper: Any {
    /// Whether anything is kept.
    fn keeps(&self) -> bool;

    /// The value that was seen in an earlier process, else this one.
    fn seen(self: Rc<Self>, deed: Deed, value: Value) -> LocalBoxFuture<'static, Result<Value, Failure>>;

    /// What came of a wait in an earlier process, else what comes of this one.
    fn waited(
        self: Rc<Self>,
        deed: Deed,
        work: LocalBoxFuture<'static, Result<Value, Failure>>,
    ) -> LocalBoxFuture<'static, Result<Value, Failure>>;
}

/// Something that the script does, at its place in the order; secrets in its arguments count as one.
pub(crate) fn deed(ncc: &NativeCallContext<'_>, name: &str, arguments: &Value) -> Deed {
    let at = ncc.call_position();
    let at = match (ncc.call_source(), at.line()) {
        (Some(file), Some(line)) => format!("{file}:{line}:{}", at.position().unwrap_or(1)),
        _ => String::new(),
    };
    Deed {
        place: place(ncc).unwrap_or_default().into(),
        name: name.into(),
        args: digest(&masked(&arguments.to_string()))[..DIGITS].into(),
        at: at.into(),
    }
}

/// `now()`, `age(time)` and `sleep(duration)`, kept.
pub(crate) fn times<K: Keeper>(module: &mut Module, clock: &Clock) {
    let time = clock.clone();
    native::<K, 0>(module, "now", [], move |ncc, keeper, _| see(ncc, keeper, json!(rfc3339_millis(time.now()))));
    let time = clock.clone();
    native::<K, 1>(module, "age", [TypeId::of::<ImmutableString>()], move |ncc, keeper, [text]| {
        let text = text.into_string().unwrap_or_default();
        let Some(from) = parse_time(&text) else {
            return Err(refuse(ncc, format!("`{text}` is not a time such as 2026-11-23T13:27:42.118Z")));
        };
        let now = see(ncc, keeper, json!(rfc3339_millis(time.now())))?.into_string().unwrap_or_default();
        let now = parse_time(&now).unwrap_or_else(|| time.now());
        let age = now.duration_since(from);
        Ok(age.map_or_else(|error| -error.duration().as_secs_f64(), |age| age.as_secs_f64()).into())
    });
    for kind in [TypeId::of::<i64>(), TypeId::of::<f64>(), TypeId::of::<ImmutableString>()] {
        native::<K, 1>(module, "sleep", [kind], |ncc, keeper, [time]| {
            let time = script::to_json(&time);
            let nap = duration(&time).map_err(|failure| throw(ncc, &failure, None))?;
            sleep(ncc, keeper, &time, nap)
        });
    }
}

fn see<K: Keeper>(ncc: &NativeCallContext<'_>, keeper: Option<Rc<K>>, value: Value) -> Answer {
    let Some(keeper) = keeper.filter(|keeper| keeper.keeps()) else { return Ok(script::from_json(&value)) };
    let deed = deed(ncc, ncc.fn_name(), &Value::Null);
    let seen = wait(ncc, keeper.seen(deed, value))?;
    seen.map(|value| script::from_json(&value)).map_err(|failure| throw(ncc, &failure, None))
}

fn sleep<K: Keeper>(ncc: &NativeCallContext<'_>, keeper: Option<Rc<K>>, said: &Value, time: Duration) -> Answer {
    let nap = async move {
        tokio::time::sleep(time).await;
        Ok(Value::Null)
    };
    let Some(keeper) = keeper.filter(|keeper| keeper.keeps()) else {
        return wait(ncc, nap)?.map(|_: Value| Dynamic::UNIT).map_err(|failure: Failure| throw(ncc, &failure, None));
    };
    let deed = deed(ncc, "sleep", said);
    let slept = wait(ncc, keeper.waited(deed, Box::pin(nap)))?;
    slept.map(|_| Dynamic::UNIT).map_err(|failure| throw(ncc, &failure, None))
}

fn native<K: Keeper, const N: usize>(
    module: &mut Module,
    name: &'static str,
    types: [TypeId; N],
    body: impl Fn(&NativeCallContext<'_>, Option<Rc<K>>, [Dynamic; N]) -> Answer + Send + Sync + 'static,
) {
    let function = move |ncc: Option<NativeCallContext<'_>>, args: &mut [&mut Dynamic]| {
        let Some(ncc) = ncc else { return Err(format!("`{name}` has no context").into()) };
        let mut args = args.iter_mut().map(|arg| arg.take());
        let args = std::array::from_fn(|_| args.next().unwrap_or(Dynamic::UNIT));
        body(&ncc, context::<K>(&ncc), args)
    };
    FuncRegistration::new(name).set_into_module_raw(
        module,
        types,
        RhaiFunc::Pure { func: Shared::new(function), has_context: true, is_pure: false, is_volatile: true },
    );
}
