//! `parallel(list, |d| .., #{ forks })`: one branch per element, so many at once. Never throws for one of them.

use futures_util::StreamExt as _;
use futures_util::future::FutureExt as _;
use rhai::{EvalAltResult, FnPtr, NativeCallContext};
use script::{Caller, Dynamic, ScriptError, place, wait};
use serde_json::{Value, json};

use super::session::Session;
use super::thrown::{caught, refuse};

/// Branches at once when neither the options nor `-f` say: each has a stack of its own.
const FORKS: usize = 50;
/// More would not fit into the address space of a process with a stack each.
const MOST_FORKS: usize = 1_000;

/// The same in every script that has branches. In a runner script `-f` says how many at once.
pub(crate) fn parallel(
    ncc: &NativeCallContext<'_>,
    _: &str,
    args: Vec<Dynamic>,
) -> Result<Dynamic, Box<EvalAltResult>> {
    let asked = script::context::<Session>(ncc).and_then(|session| session.options.forks);
    let caller = Caller::of(ncc)?;
    let place = place(ncc).unwrap_or_default();
    let mut args = args.into_iter();
    let (Some(list), Some(closure)) = (args.next(), args.next()) else {
        return Err(refuse(ncc, "parallel(list, |d| .., #{ forks })"));
    };
    let Value::Array(list) = script::to_json(&list) else {
        return Err(refuse(ncc, "parallel: the first argument is a list, such as devices()"));
    };
    let Some(closure) = closure.try_cast::<FnPtr>() else {
        return Err(refuse(ncc, "parallel: the second argument is a closure, such as |d| ping(d.id)"));
    };
    let forks = match args.next().map(|options| script::to_json(&options)) {
        None => asked.unwrap_or(FORKS),
        Some(options) => match options.get("forks").and_then(Value::as_u64) {
            Some(forks) => usize::try_from(forks).unwrap_or(MOST_FORKS),
            None => return Err(refuse(ncc, "parallel: the options are #{ forks: NUMBER }")),
        },
    };
    let handler = caller.handler(&closure)?;
    let results = wait(ncc, async move {
        let branches = list.into_iter().enumerate().map(|(number, item)| {
            let (caller, handler, place) = (caller.clone(), handler.clone(), place.clone());
            async move {
                let result = caller.call_at(&handler, vec![script::from_json(&item)], (&place, number)).await;
                branch(item, result)
            }
            .boxed_local()
        });
        let forks = forks.clamp(1, MOST_FORKS);
        futures_util::stream::iter(branches).buffered(forks).collect::<Vec<Value>>().await
    })?;
    Ok(script::from_json(&Value::Array(results)))
}

/// `{ device, ok, value, error }`.
fn branch(item: Value, result: Result<Dynamic, ScriptError>) -> Value {
    let device = item.get("id").cloned().unwrap_or(item);
    match result {
        Ok(value) => json!({ "device": device, "ok": true, "value": script::to_json(&value), "error": null }),
        Err(error) => {
            let mut thrown = caught(&error);
            if let (Value::Object(map), Some(place)) = (&mut thrown, &error.place) {
                map.insert("at".into(), json!(place.label()));
            }
            json!({ "device": device, "ok": false, "value": null, "error": thrown })
        }
    }
}
