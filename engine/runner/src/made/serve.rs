//! The step's side: runs a script to its end and serves what it asks for, with the step's own device, scope and inventory. Each call
//! is told what came of it in an earlier process, or waits for its turn and its line in the journal.

use std::rc::Rc;
use std::sync::Arc;

use base::format_duration;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use script::{Budget, Dynamic, Script};
use serde_json::{Map, Value};
use tokio::time::sleep_until;

use super::bridge::{Asked, Bridge, Came, Request, came};
use crate::deeds::Inside;
use crate::run::fact_failed;
use crate::{
    Class, Deed, Deeds, Effect, Failure, Look, Manner, Outcome, Progress, Sight, Skip, StepContext, Told, Watch,
};

/// Names of the runner whose values change by themselves; facts do too.
const CHANGING: [&str; 3] = ["run", "wave", "parameters"];

/// Runs the script to its end.
pub(super) async fn run(
    script: &Script,
    bridge: Bridge,
    variables: Vec<(String, Dynamic)>,
    step: &StepContext<'_>,
) -> Result<Outcome, Failure> {
    let bridge = Rc::new(bridge);
    let mut inbox = bridge.inbox.borrow_mut().take().expect("a bridge is made for one run");
    let variables = begun(variables, &bridge, step)?;
    let budget = Budget::runner().cancelled_by(bridge.cut.clone());
    let mut running = script.run(variables, Rc::clone(&bridge) as _, budget);
    let mut calls = FuturesUnordered::new();
    let result = loop {
        tokio::select! {
            biased;
            Some(()) = calls.next(), if !calls.is_empty() => {}
            result = &mut running => break result,
            Some(request) = inbox.recv() => {
                say(&bridge, step);
                if let Some(request) = at_once(step, request) {
                    calls.push(serve(step, &bridge, request));
                }
            }
        }
        say(&bridge, step);
    };
    // What is in flight is not cut off: then nobody would know what came of it.
    while calls.next().await.is_some() {}
    say(&bridge, step);
    if let Some(failure) = bridge.stopped.take() {
        return Err(failure);
    }
    let planned = bridge.planned.take();
    if !planned.is_empty() {
        // What comes after a call that was not made may well fail.
        let rest = if result.is_err() { "; the rest depends on it" } else { "" };
        return Ok(Outcome::Skipped(Skip::Check(format!("{}{rest}", planned.join("; ")))));
    }
    if let Some(failure) = step.deeds.filter(|_| !bridge.cut.is_cancelled()).and_then(|deeds| deeds.left_out("")) {
        return Err(failure);
    }
    let value = result.map(|value| script::to_json(&value)).map_err(|error| bridge.failed(&error))?;
    // The step's line shows what came of the whole, not of the last call inside.
    (step.progress)(Progress::Says(short(&value)));
    Ok(Outcome::Done { value, changed: bridge.effect == Effect::Changes })
}

/// Longer values would push everything else off the line.
const WIDEST: usize = 80;

fn short(value: &Value) -> String {
    let text = if value.is_null() { String::new() } else { value.to_string() };
    match text.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text,
    }
}

/// The variables as they were when the script began.
fn begun(
    variables: Vec<(String, Dynamic)>,
    bridge: &Bridge,
    step: &StepContext<'_>,
) -> Result<Vec<(String, Dynamic)>, Failure> {
    let Some(deeds) = step.deeds.filter(|deeds| deeds.keeps()) else { return Ok(variables) };
    let changing = |name: &str| CHANGING.contains(&name) || step.inventory.fact_names().contains(&name);
    if !variables.iter().any(|(name, _)| changing(name)) {
        return Ok(variables);
    }
    let deed = Deed { place: "0".into(), name: "variables".into(), args: "".into(), at: "".into() };
    match deeds.told(&deed, &Manner::looking()) {
        Told::Stop(failure) => Err(bridge.stop(failure)),
        Told::Again(Outcome::Done { value, .. }) => {
            let then = |name: &String| value.get(name).map(script::from_json);
            Ok(variables.into_iter().map(|(name, now)| (name.clone(), then(&name).unwrap_or(now))).collect())
        }
        Told::Again(_) | Told::New => {
            let kept = variables.iter().filter(|(name, _)| changing(name));
            let kept: Map<_, _> = kept.map(|(name, value)| (name.clone(), script::to_json(value))).collect();
            deeds.seen(&deed, &Value::Object(kept));
            Ok(variables)
        }
    }
}

/// Says what was printed; what a script prints again on its way to where it was cut off was said then.
fn say(bridge: &Bridge, step: &StepContext<'_>) {
    let again = step.deeds.is_some_and(|deeds| deeds.retells(""));
    bridge.printed.borrow_mut().drain(..).filter(|_| !again).for_each(|line| (step.say)("info", line));
}

/// What needs no waiting, in the order in which it was asked.
fn at_once(step: &StepContext<'_>, request: Request) -> Option<Request> {
    let looking = Manner::looking();
    match (request, step.deeds) {
        (Request::Told(deed, answer), deeds) => {
            // Nobody listens any more when the branch that asked has ended.
            let _ = answer.send(deeds.map_or(Told::New, |deeds| deeds.told(&deed, &looking)));
            None
        }
        (Request::Waited(deed, outcome), Some(deeds)) => {
            deeds.ended(&deed, &looking, &outcome);
            None
        }
        (Request::Seen(deed, value), Some(deeds)) => {
            deeds.seen(&deed, &value);
            None
        }
        (Request::Waited(..) | Request::Seen(..), None) => None,
        (request @ (Request::Call(..) | Request::Look(..)), _) => Some(request),
    }
}

async fn serve(step: &StepContext<'_>, bridge: &Bridge, request: Request) {
    match request {
        Request::Look(watch, at, answer) => {
            let seen = tokio::select! {
                biased;
                seen = look(step, watch.as_deref(), at) => seen,
                () = bridge.cut.cancelled() => return,
            };
            if let Err(failure) = &seen
                && failure.class == Class::Hub
            {
                bridge.stop(failure.clone());
            }
            let _ = answer.send(seen);
        }
        Request::Call(asked, answer) => {
            let _ = answer.send(told_or_called(step, bridge, &asked).await);
        }
        Request::Told(..) | Request::Waited(..) | Request::Seen(..) => {}
    }
}

async fn look(step: &StepContext<'_>, watch: Option<&dyn Watch>, look: Look) -> Result<Option<Sight>, Failure> {
    if let Some(watch) = watch {
        return watch.look(step.inventory, look).await;
    }
    sleep_until(look.due).await;
    let Some(fact) = step.inventory.fact_names().first() else {
        return Ok(Some(Sight { value: Value::Null, sure: true }));
    };
    let seen = step.inventory.fact(&step.target.id, fact).await.map_err(fact_failed)?;
    Ok(Some(Sight { value: seen.value, sure: true }))
}

/// One verb: what came of it in an earlier process, or what comes of it now.
async fn told_or_called(step: &StepContext<'_>, bridge: &Bridge, asked: &Asked) -> Came {
    let Asked { deed, ready, effect, .. } = asked;
    if step.check_mode && !ready.rehearses() && (*effect == Effect::Changes || ready.waits()) {
        if *effect == Effect::Changes {
            let inner = StepContext { timeout: asked.timeout, failed_when: None, run: Arc::clone(&step.run), ..*step };
            let preview = ready.preview(&inner);
            bridge.plan(if preview.is_empty() { "would change the device".to_owned() } else { preview });
        }
        return Ok(Value::Null);
    }
    let Some(deeds) = step.deeds else {
        return given(bridge, call(step, bridge, asked, None).await);
    };
    let manner = Manner::of(&**ready, *effect);
    match deeds.told(deed, &manner) {
        Told::New => {}
        Told::Again(outcome) => return came(outcome),
        Told::Stop(failure) => return Err(bridge.stop(failure)),
    }
    let stopped = || Failure::new(Class::Failed, "the run is being stopped");
    let Some(turn) = deeds.begin(deed, &manner).await else { return Err(bridge.stop(stopped())) };
    let inside = Inside { deeds, place: &deed.place };
    let outcome = call(step, bridge, asked, Some(&inside)).await;
    drop(turn);
    // What waited when the run was stopped waits again.
    if manner.waits && bridge.cut.is_cancelled() && !matches!(outcome, Outcome::Done { .. }) {
        return Err(bridge.stop(stopped()));
    }
    deeds.ended(deed, &manner, &outcome);
    given(bridge, outcome)
}

fn given(bridge: &Bridge, outcome: Outcome) -> Came {
    match outcome {
        Outcome::Skipped(Skip::Check(text)) => {
            bridge.plan(text);
            Ok(Value::Null)
        }
        // The run ends, whatever the script catches.
        Outcome::Failed(failure) if failure.class == Class::Hub => Err(bridge.stop(failure)),
        other => came(other),
    }
}

/// One verb, on the step's own device.
async fn call(step: &StepContext<'_>, bridge: &Bridge, asked: &Asked, deeds: Option<&Inside<'_>>) -> Outcome {
    let Asked { ready, timeout, .. } = asked;
    let deeds = deeds.map(|inside| inside as &dyn Deeds);
    let inner = StepContext { timeout: *timeout, failed_when: None, run: Arc::clone(&step.run), deeds, ..*step };
    if ready.waits() {
        return tokio::select! {
            biased;
            outcome = ready.run(&inner) => outcome,
            () = bridge.cut.cancelled() => Failure::new(Class::Failed, "the run is being stopped").into(),
        };
    }
    match timeout.filter(|_| ready.gathers().is_none()) {
        None => ready.run(&inner).await,
        Some(limit) => crate::within(limit, ready.run(&inner)).await.unwrap_or_else(|| {
            let in_doubt = !ready.repeatable();
            let message = format!("did not end within {}", format_duration(limit));
            Failure { in_doubt, ..Failure::new(Class::Timeout, message) }.into()
        }),
    }
}
