//! The functions of a plugin's script: every verb, on the step's own device, and `wait_until` with a closure. Arguments are as
//! in runner scripts; of what stands beside a verb only `timeout` is known here.

use std::rc::Rc;
use std::time::Duration;

use base::{Clock, Diagnostics, Source, Span};
use futures_util::future::LocalBoxFuture;
use rhai::{EvalAltResult, FnPtr, Module, NativeCallContext};
use script::{Caller, Dynamic, ScriptHost, context, wait};
use serde_json::{Map, Value};

use super::bridge::{Asked, Bridge};
use crate::book::{Check, Known, Node};
use crate::scripted::{
    Answer, BESIDE_POSITIONAL, Keeper, Native, Wait, deed, device_id, duration, literal, parallel, refuse, register,
    split, throw, times, title, watch,
};
use crate::{Action, Class, Deed, Effect, Failure, Look, Ready, Registry, Sight};

/// What an options map may say beside a verb's own parameters.
pub(super) const BESIDE: [&str; 1] = ["timeout"];

/// The host of scripts that work in a step, with these verbs.
pub(super) fn host(registry: &Registry, clock: &Clock) -> ScriptHost {
    let mut module = Module::new();
    for (_, action) in registry.iter() {
        let most = action.positional().len() + BESIDE_POSITIONAL;
        let least = usize::from(action.on_device()).max(1);
        (least..=most).for_each(|count| register(&mut module, action.name(), count, verb as Native));
    }
    (1..=3).for_each(|count| register(&mut module, "wait_until", count, wait_until as Native));
    (2..=3).for_each(|count| register(&mut module, "parallel", count, parallel as Native));
    times::<Bridge>(&mut module, clock);
    ScriptHost::builder(clock)
        .module(module)
        .on_print(|context, text| {
            if let Some(bridge) = context.and_then(|context| context.downcast_ref::<Bridge>()) {
                bridge.print(text);
            }
        })
        .build()
}

fn bridge(ncc: &NativeCallContext<'_>) -> Result<Rc<Bridge>, Box<EvalAltResult>> {
    context::<Bridge>(ncc).ok_or_else(|| refuse(ncc, format!("`{}` belongs in a plugin's script", ncc.fn_name())))
}

/// The step's own device is the only one.
fn own(ncc: &NativeCallContext<'_>, bridge: &Bridge, value: Value) -> Result<(), Box<EvalAltResult>> {
    let id = device_id(ncc, value)?;
    if *id == *bridge.device {
        return Ok(());
    }
    Err(refuse(ncc, format!("`{}` works on its own device, {}, not on {id}", bridge.verb, bridge.device)))
}

/// Any verb: `verb(device, positional.., #{ options })`.
fn verb(ncc: &NativeCallContext<'_>, name: &str, args: Vec<Dynamic>) -> Answer {
    let bridge = bridge(ncc)?;
    let Some(action) = bridge.registry.get(name).cloned() else {
        return Err(refuse(ncc, format!("no verb `{name}`")));
    };
    let mut args: Vec<Value> = args.into_iter().map(|arg| script::to_json(&arg)).collect();
    if action.on_device() {
        own(ncc, &bridge, args.remove(0))?;
    }
    let fail = |failure: &Failure| throw(ncc, failure, None);
    let (named, arguments) = (title(&*action, &args), Value::Array(args.clone()));
    let (ready, effect, timeout) = prepare(&bridge, &*action, args).map_err(|failure| fail(&failure))?;
    let asked = Asked { deed: deed(ncc, &named, &arguments), ready, effect, timeout };
    let answer = wait(ncc, async move { bridge.call(asked).await })?;
    answer.map(|value| script::from_json(&value)).map_err(|failure| fail(&failure))
}

/// A verb ready to run, whether it changes the device, and its own deadline.
type Prepared = (Box<dyn Ready>, Effect, Option<Duration>);

/// The verb with its parameters, checked as YAML's are.
fn prepare(bridge: &Bridge, action: &dyn Action, args: Vec<Value>) -> Result<Prepared, Failure> {
    let fail = |message: String| Failure::new(Class::Failed, message);
    if bridge.effect == Effect::Reads && action.effect() == Effect::Changes {
        return Err(fail(format!("{} is declared `reads`, and {} changes a device", bridge.verb, action.name())));
    }
    let (parameters, beside) = split(action, args)?;
    if let Some(key) = beside.keys().find(|key| !BESIDE.contains(&key.as_str())) {
        return Err(fail(format!("`{key}` stands beside a verb in a playbook; in a step's script write a loop")));
    }
    let timeout = beside.get("timeout").map(duration).transpose()?;
    let ready = check(bridge, action, parameters)?;
    let effect = ready.effect().unwrap_or_else(|| action.effect());
    Ok((ready, effect, timeout))
}

fn check(bridge: &Bridge, action: &dyn Action, parameters: Map<String, Value>) -> Result<Box<dyn Ready>, Failure> {
    let node = Node::from_json(&literal(Value::Object(parameters)), Span::default());
    let (mut found, known, source) = (Diagnostics::default(), Known::default(), Source::new("", ""));
    let mut check = Check::new(&source, &mut found, &known, &bridge.expressions);
    check.verb = Some((action.name(), Span::default()));
    action.check(&node, &mut check).ok_or_else(|| {
        let finding = found.0.into_iter().next();
        let message = finding.map_or_else(|| "these parameters are not understood".to_owned(), |it| it.message);
        Failure::new(Class::Failed, format!("{}: {message}", action.name()))
    })
}

/// `wait_until(device, |twin| .., #{ options })`.
fn wait_until(ncc: &NativeCallContext<'_>, name: &str, args: Vec<Dynamic>) -> Answer {
    let bridge = bridge(ncc)?;
    let Some(at) = args.iter().position(|arg| arg.is::<FnPtr>()) else { return verb(ncc, name, args) };
    let caller = Caller::of(ncc)?;
    let mut args = args.into_iter();
    for device in args.by_ref().take(at) {
        own(ncc, &bridge, script::to_json(&device))?;
    }
    let closure =
        args.next().and_then(Dynamic::try_cast::<FnPtr>).ok_or_else(|| refuse(ncc, "wait_until wants a closure"))?;
    // The script itself waits: nobody else touches its variables meanwhile.
    let handler = caller.shared(&closure)?;
    let options = args.next().map(|options| script::to_json(&options)).unwrap_or_default();
    let settings = Wait::new(None, &options).map_err(|failure| throw(ncc, &failure, None))?;
    let settings = if bridge.check_mode { settings.once() } else { settings };
    let deed = deed(ncc, "wait_until", &options);
    // Of a closure that looks for itself nobody reads the device.
    let looks = at > 0 || handler.parameters() != Some(0);
    let watch = bridge.fact.filter(|_| looks).and_then(|fact| watch(&bridge.registry, fact, &bridge.device));
    let answer = wait(ncc, async move {
        let place = std::sync::Arc::clone(&deed.place);
        let see = async |look: Look| match looks {
            true => bridge.look(watch.clone(), look).await,
            false => {
                tokio::time::sleep_until(look.due).await;
                Ok(Some(Sight { value: Value::Null, sure: true }))
            }
        };
        bridge.wait(deed, settings.looks(see, &caller, &handler, &place)).await
    });
    // Only now: what it captured may need the script's stack to be dropped.
    drop(closure);
    answer?.map(|value| script::from_json(&value)).map_err(|failure| throw(ncc, &failure, None))
}

impl Keeper for Bridge {
    fn keeps(&self) -> bool {
        self.keeps
    }

    fn seen(self: Rc<Self>, deed: Deed, value: Value) -> LocalBoxFuture<'static, Result<Value, Failure>> {
        Box::pin(async move { self.see(deed, || value).await })
    }

    fn waited(
        self: Rc<Self>,
        deed: Deed,
        work: LocalBoxFuture<'static, Result<Value, Failure>>,
    ) -> LocalBoxFuture<'static, Result<Value, Failure>> {
        Box::pin(async move { self.wait(deed, work).await })
    }
}
