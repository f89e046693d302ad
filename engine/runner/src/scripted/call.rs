//! One call of a verb from a script: arguments become the same parameters that YAML would give, and the step runs as a
//! play's step does.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::{Diagnostics, Span, parse_duration};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::session::Session;
use crate::book::{Body, Check, Filled, Known, Node, Offline, Retries, Step, Template};
use crate::run::{CallEnd, run_step};
use crate::{Action, Class, Deed, Effect, Failure, Manner, Target};

/// What stands beside a verb in a playbook and in the options map here.
pub(crate) const BESIDE: [&str; 5] = ["timeout", "retries", "delay", "backoff", "offline"];

/// A verb with its arguments, ready to run.
pub(super) struct Prepared {
    step: Step,
    name: Arc<str>,
}

impl Prepared {
    /// How it is done.
    pub(super) fn manner(&self) -> Manner {
        match &self.step.body {
            Body::Verb { ready, effect, .. } => Manner::of(&**ready, *effect),
            Body::Block { .. } => Manner::looking(),
        }
    }
}

/// Makes a step of a verb from its arguments: those given by place, then an options map.
pub(super) fn prepare(
    session: &Session,
    action: &Rc<dyn Action>,
    arguments: Vec<Value>,
    span: Span,
) -> Result<Prepared, Failure> {
    let name = title(&**action, &arguments);
    let (parameters, beside) = split(&**action, arguments)?;
    let (index, name) = session.step(&name);
    let ready = check(session, &**action, &parameters, span)?;
    let effect = ready.effect().unwrap_or_else(|| action.effect());
    let body = Body::Verb { verb: action.name(), span, effect, ready: ready.into() };
    let name_of_step = Template::of(Value::String(name.to_string()), span);
    let step = Step {
        retries: retries(&beside)?,
        timeout: beside.get("timeout").map(duration).transpose()?.map(Filled::Constant),
        offline: offline(beside.get("offline"))?,
        body,
        ..Step::new(index, name_of_step, session.source.clone(), span)
    };
    Ok(Prepared { step, name })
}

/// A call as people know it: `invoke_method ping`.
pub(crate) fn title(action: &dyn Action, arguments: &[Value]) -> String {
    let detail = action.positional().first().and_then(|_| arguments.first()).and_then(Value::as_str);
    match detail {
        Some(detail) if action.on_device() => format!("{} {detail}", action.name()),
        _ => action.name().to_owned(),
    }
}

fn check(
    session: &Session,
    action: &dyn Action,
    parameters: &Map<String, Value>,
    span: Span,
) -> Result<Box<dyn crate::Ready>, Failure> {
    let node = Node::from_json(&literal(Value::Object(parameters.clone())), span);
    let facts = session.inventory.fact_names().iter().copied();
    let names = facts.chain(["device", "run"]).map(str::to_owned).collect();
    let (mut found, known) = (Diagnostics::default(), Known { names, ..Known::default() });
    let mut check = Check::new(&session.source, &mut found, &known, &session.expressions);
    check.verb = Some((action.name(), span));
    let ready = action.check(&node, &mut check);
    match (ready, found.0.into_iter().find(|finding| finding.severity == base::Severity::Error)) {
        (Some(ready), None) => Ok(ready),
        (_, finding) => {
            let finding = finding.unwrap_or_else(|| base::Diagnostic::error("these parameters are not understood"));
            let message = match &finding.note {
                Some(note) => format!("{}: {} ({note})", action.name(), finding.message),
                None => format!("{}: {}", action.name(), finding.message),
            };
            Err(Failure { help: finding.help, ..Failure::new(Class::Failed, message) })
        }
    }
}

/// A script's text is what it is: `${{` in it is not an expression.
pub(crate) fn literal(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("${{", "$${{")),
        Value::Array(items) => items.into_iter().map(literal).collect(),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(key, value)| (key, literal(value))).collect())
        }
        other => other,
    }
}

/// Parameters, and what stands beside them.
pub(crate) type Split = (Map<String, Value>, Map<String, Value>);

/// Parameters and what stands beside them, from arguments by place and the options map.
pub(crate) fn split(action: &dyn Action, arguments: Vec<Value>) -> Result<Split, Failure> {
    let names = action.positional();
    let mut arguments = arguments.into_iter().peekable();
    let (mut parameters, mut beside) = (Map::new(), Map::new());
    for name in names {
        if let Some(value) = arguments.next() {
            parameters.insert((*name).to_owned(), value);
        }
    }
    match (arguments.next(), arguments.next()) {
        (None, _) => {}
        (Some(Value::Object(options)), None) => {
            for (key, value) in options {
                let target = if BESIDE.contains(&key.as_str()) { &mut beside } else { &mut parameters };
                target.insert(key, value);
            }
        }
        _ => {
            let device = if action.on_device() { "device, " } else { "" };
            let list: String = names.iter().map(|name| format!("{name}, ")).collect();
            let message = format!("{0} takes {0}({device}{list}#{{ options }})", action.name());
            return Err(Failure::new(Class::Failed, message));
        }
    }
    Ok((parameters, beside))
}

fn retries(beside: &Map<String, Value>) -> Result<Retries, Failure> {
    let number = |name: &str| beside.get(name).map(|value| (value, value.as_f64()));
    let wrong = |name: &str, value: &Value| Failure::new(Class::Failed, format!("`{name}` is a number, not {value}"));
    let retries = match number("retries") {
        None => None,
        Some((_, Some(count))) if (0.0..=f64::from(u32::MAX)).contains(&count) => Some(count as u32),
        Some((value, _)) => return Err(wrong("retries", value)),
    };
    let backoff = match number("backoff") {
        None => None,
        Some((_, Some(factor))) => Some(factor),
        Some((value, None)) => return Err(wrong("backoff", value)),
    };
    Ok(Retries { until: None, retries, delay: beside.get("delay").map(duration).transpose()?, backoff })
}

/// A number is seconds, a text is a duration.
pub(crate) fn duration(value: &Value) -> Result<Duration, Failure> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    parse_duration(&text).map_err(|error| Failure::new(Class::Failed, error.to_string()))
}

fn offline(value: Option<&Value>) -> Result<Offline, Failure> {
    match value {
        None => Ok(Offline::Fail),
        Some(Value::String(word)) if word == "fail" => Ok(Offline::Fail),
        Some(Value::Object(map)) if map.len() == 1 && map.contains_key("wait") => {
            duration(&map["wait"]).map(Offline::Wait)
        }
        Some(other) => {
            let message = format!("`offline` in a script is \"fail\" or #{{ wait: \"2h\" }}, not {other}");
            Err(Failure::new(Class::Failed, message))
        }
    }
}

/// Runs it. Gives its value, `()` in `--check`.
pub(super) async fn perform(
    session: &Rc<Session>,
    prepared: Prepared,
    target: Option<Target>,
    deed: Deed,
) -> Result<Value, Failure> {
    let device = target.as_ref().map(|target| Arc::clone(&target.id));
    let changes = matches!(&prepared.step.body, Body::Verb { effect: Effect::Changes, .. });
    if let Some(device) = &device {
        session.begin(device);
    }
    let started = Instant::now();
    let (end, waited) = run_step(session, prepared.step, &prepared.name, target, deed).await;
    match end {
        CallEnd::Value(value) => {
            if let Some(device) = device {
                session.note_end(&device, None, started.elapsed(), waited);
            }
            Ok(value)
        }
        CallEnd::Skipped => {
            if changes {
                session.note_change();
            }
            Ok(Value::Null)
        }
        CallEnd::Failed(failure) => {
            if let Some(device) = device {
                session.note_end(&device, Some(&failure), started.elapsed(), waited);
            }
            if failure.class == Class::Hub {
                session.end(crate::run::HUB, format!("the hub refused or is away: {}", failure.message));
            }
            Err(failure)
        }
    }
}
