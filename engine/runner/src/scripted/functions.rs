//! The functions of a runner script: every verb of the registry, `devices`, `wait_until` and `parallel`. Arguments become
//! JSON before anything waits, for script values may share cells.

use std::any::TypeId;
use std::rc::Rc;

use base::Span;
use rhai::{EvalAltResult, FnPtr, FuncRegistration, Module, NativeCallContext, RhaiFunc, Shared};
use script::{Dynamic, ScriptHost, context, wait};
use serde_json::{Value, json};

use super::call::title;
use super::keeper::{Keeper as _, deed, times};
use super::parallel::parallel;
use super::session::Session;
use super::thrown::{refuse, throw};
use super::{call, wait as waits};
use crate::{Class, Failure, Registry, Selection, Target};

pub(crate) type Answer = Result<Dynamic, Box<EvalAltResult>>;
pub(crate) type Native = fn(&NativeCallContext<'_>, &str, Vec<Dynamic>) -> Answer;

/// The device and the options map beside a verb's parameters by place.
pub(crate) const BESIDE_POSITIONAL: usize = 2;

/// The host of runner scripts with these verbs.
pub(crate) fn host(registry: &Registry, clock: &base::Clock) -> ScriptHost {
    let mut module = Module::new();
    for (_, action) in registry.iter() {
        let device = usize::from(action.on_device());
        let most = action.positional().len() + BESIDE_POSITIONAL;
        (device.max(1)..=most).for_each(|count| register(&mut module, action.name(), count, verb));
    }
    (1..=3).for_each(|count| register(&mut module, "wait_until", count, wait_until));
    (0..=1).for_each(|count| register(&mut module, "devices", count, devices));
    (2..=3).for_each(|count| register(&mut module, "parallel", count, parallel));
    times::<Session>(&mut module, clock);
    ScriptHost::builder(clock)
        .module(module)
        .on_print(|context, text| {
            if let Some(session) = context.and_then(|context| context.downcast_ref::<Session>()) {
                session.print(text);
            }
        })
        .build()
}

pub(crate) fn register(module: &mut Module, name: &'static str, count: usize, native: Native) {
    let function = move |ncc: Option<NativeCallContext<'_>>, args: &mut [&mut Dynamic]| {
        let Some(ncc) = ncc else { return Err(format!("`{name}` has no context").into()) };
        native(&ncc, name, args.iter_mut().map(|arg| arg.take()).collect())
    };
    FuncRegistration::new(name).set_into_module_raw(
        module,
        vec![TypeId::of::<Dynamic>(); count],
        RhaiFunc::Pure { func: Shared::new(function), has_context: true, is_pure: false, is_volatile: true },
    );
}

/// The session of the running script.
pub(super) fn session(ncc: &NativeCallContext<'_>) -> Result<Rc<Session>, Box<EvalAltResult>> {
    context::<Session>(ncc).ok_or_else(|| refuse(ncc, format!("`{}` belongs in a runner script", ncc.fn_name())))
}

/// The place of the call in the script.
pub(super) fn span(ncc: &NativeCallContext<'_>, session: &Session) -> Span {
    let at = ncc.call_position();
    let start = session.source.offset(at.line().unwrap_or(1), at.position().unwrap_or(1));
    let name = ncc.fn_name();
    let written = session.source.text().get(start..).is_some_and(|rest| rest.starts_with(name));
    Span::new(start, start + if written { name.len() } else { 1 })
}

/// Any verb of the registry: `verb(device, positional.., #{ options })`.
fn verb(ncc: &NativeCallContext<'_>, name: &str, args: Vec<Dynamic>) -> Answer {
    let session = session(ncc)?;
    let Some(action) = session.registry.get(name).cloned() else {
        return Err(refuse(ncc, format!("no verb `{name}`")));
    };
    let mut args: Vec<Value> = args.into_iter().map(|arg| script::to_json(&arg)).collect();
    let id = if action.on_device() { Some(device_id(ncc, args.remove(0))?) } else { None };
    let span = span(ncc, &session);
    let deed = deed(ncc, &title(&*action, &args), &json!([id, args]));
    let prepared =
        call::prepare(&session, &action, args, span).map_err(|failure| throw(ncc, &failure, id.as_deref()))?;
    let device = id.clone();
    let result = wait(ncc, async move { session.call(prepared, device, deed).await })?;
    result.map(|value| script::from_json(&value)).map_err(|failure| throw(ncc, &failure, id.as_deref()))
}

/// A device is its id, or a map that has one, as `devices()` gives them.
pub(crate) fn device_id(ncc: &NativeCallContext<'_>, value: Value) -> Result<String, Box<EvalAltResult>> {
    match value {
        Value::String(id) => Ok(id),
        Value::Object(mut map) => match map.remove("id") {
            Some(Value::String(id)) => Ok(id),
            _ => Err(refuse(ncc, format!("`{}`: this map has no `id`, so it is no device", ncc.fn_name()))),
        },
        other => Err(refuse(ncc, format!("`{}` wants a device first, not {other}", ncc.fn_name()))),
    }
}

/// Finds a device; what the plan refuses is thrown.
pub(super) async fn target(session: &Session, id: &str) -> Result<Target, Failure> {
    session.target(id).await.map_err(|(diagnostic, exit)| refused(session, diagnostic, exit))
}

/// A refusal of the plan as a failure; one of the hub ends the run.
pub(super) fn refused(session: &Session, diagnostic: base::Diagnostic, exit: u8) -> Failure {
    let class = if exit == crate::run::HUB { Class::Hub } else { Class::Failed };
    if class == Class::Hub {
        session.end(exit, diagnostic.message.clone());
    }
    Failure { help: diagnostic.help, ..Failure::new(class, diagnostic.message) }
}

/// `devices()`: the run's own targets. `devices("condition")`: those of them, or of the hub, that satisfy it.
fn devices(ncc: &NativeCallContext<'_>, _: &str, args: Vec<Dynamic>) -> Answer {
    let session = session(ncc)?;
    let condition = match args.into_iter().next() {
        None => None,
        Some(text) => match text.into_string() {
            Ok(text) => Some(text),
            Err(_) => return Err(refuse(ncc, "devices(condition): the condition is a text")),
        },
    };
    let deed = deed(ncc, "devices", &json!(condition));
    let own = condition.is_none();
    let asked = Rc::clone(&session);
    let work = async move {
        let found = select(&asked, condition).await?;
        Ok(Value::Array(found.iter().map(as_value).collect()))
    };
    let found = wait(ncc, Rc::clone(&session).waited(deed, Box::pin(work)))?;
    let found = found.map_err(|failure| throw(ncc, &failure, None))?;
    if own {
        session.set_targets(found.as_array().into_iter().flatten().filter_map(as_target).collect());
    }
    Ok(script::from_json(&found))
}

async fn select(session: &Session, condition: Option<String>) -> Result<Vec<Target>, Failure> {
    let Some(condition) = condition else {
        let targets = session.targets().await;
        return match targets {
            Ok(targets) => Ok(targets.to_vec()),
            Err((diagnostic, exit)) => {
                // Asking for "all of them" on a hub that is not local is a mistake in the command, not in the script.
                session.end(exit, diagnostic.message.clone());
                session.events().stopped(diagnostic.clone());
                Err(refused(session, diagnostic, exit))
            }
        };
    };
    let selection = Selection::Query(condition);
    let found = session.inventory.select(&selection).await.map_err(crate::plan::stop);
    let mut found = found.map_err(|(diagnostic, exit)| refused(session, diagnostic, exit))?;
    if session.is_limited() {
        let own = session.targets().await.map_err(|(diagnostic, exit)| refused(session, diagnostic, exit))?;
        found.retain(|target| own.iter().any(|known| known.id == target.id));
    }
    Ok(found)
}

/// The run's own targets as the script has them, also when an earlier process has chosen them.
fn as_target(value: &Value) -> Option<Target> {
    let mut attributes = value.as_object()?.clone();
    let id = attributes.remove("id")?;
    Some(Target { id: id.as_str()?.into(), attributes: std::sync::Arc::new(Value::Object(attributes)) })
}

fn as_value(target: &Target) -> Value {
    let mut value = target.attributes.as_object().cloned().unwrap_or_default();
    value.insert("id".into(), json!(target.id));
    Value::Object(value)
}

/// `wait_until` with a closure; with anything else it is the verb.
fn wait_until(ncc: &NativeCallContext<'_>, name: &str, args: Vec<Dynamic>) -> Answer {
    match args.iter().position(|arg| arg.is::<FnPtr>()) {
        Some(0 | 1) => waits::wait_until(ncc, args),
        _ if args.is_empty() => Err(refuse(ncc, "wait_until wants a closure")),
        _ => verb(ncc, name, args),
    }
}
