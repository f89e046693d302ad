//! Between a plugin's script and the step that runs it: the script's calls wait as messages, the step answers them one by one
//! with its own device, scope and inventory. The script's side may outlive the step's; then its calls fail.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::{Source, format_duration};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use script::{Budget, Dynamic, Expressions, Script, ScriptError};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::run::fact_failed;
use crate::scripted::caught;
use crate::{Class, Effect, Failure, Outcome, Progress, Ready, Registry, Skip, StepContext};

/// A script asks one thing at a time; its branches a few.
const QUEUE: usize = 16;

/// What a script asks of its step.
enum Request {
    Call(Box<dyn Ready>, Effect, Option<Duration>, oneshot::Sender<Result<Value, Failure>>),
    Look(oneshot::Sender<Result<Value, Failure>>),
}

/// The script's side: the context of its call.
pub(super) struct Bridge {
    pub(super) verb: &'static str,
    pub(super) effect: Effect,
    pub(super) device: Arc<str>,
    pub(super) registry: Registry,
    pub(super) expressions: Expressions,
    /// A rehearsal: nothing that changes is sent.
    pub(super) check_mode: bool,
    /// What a rehearsal would have sent.
    planned: RefCell<Vec<String>>,
    /// The script's places are places of the playbook.
    in_playbook: bool,
    source: Source,
    requests: mpsc::Sender<Request>,
    inbox: RefCell<Option<mpsc::Receiver<Request>>>,
    printed: RefCell<Vec<String>>,
    /// The failure that was thrown last: what is not caught is this one, not its shadow in the script.
    last: RefCell<Option<Failure>>,
}

impl Bridge {
    pub(super) fn new(
        verb: &'static str,
        effect: Effect,
        source: &Source,
        registry: &Registry,
        step: &StepContext<'_>,
    ) -> Self {
        let (requests, inbox) = mpsc::channel(QUEUE);
        Self {
            verb,
            effect,
            device: Arc::clone(&step.target.id),
            registry: registry.clone(),
            expressions: step.expressions.clone(),
            check_mode: step.check_mode,
            planned: RefCell::default(),
            in_playbook: false,
            source: source.clone(),
            requests,
            inbox: RefCell::new(Some(inbox)),
            printed: RefCell::default(),
            last: RefCell::default(),
        }
    }

    /// For a script that stands in the playbook itself.
    pub(super) fn in_playbook(self) -> Self {
        Self { in_playbook: true, ..self }
    }

    pub(super) fn print(&self, text: &str) {
        self.printed.borrow_mut().push(text.to_owned());
    }

    /// A verb's value.
    pub(super) async fn call(
        &self,
        ready: Box<dyn Ready>,
        effect: Effect,
        timeout: Option<Duration>,
    ) -> Result<Value, Failure> {
        self.ask(|answer| Request::Call(ready, effect, timeout, answer)).await
    }

    /// What a rehearsal would send; each thing once, for a loop of a thousand calls is one line.
    fn plan(&self, text: String) {
        let mut planned = self.planned.borrow_mut();
        if !planned.contains(&text) {
            planned.push(text);
        }
    }

    /// The device's first fact, read at its source.
    pub(super) async fn look(&self) -> Result<Value, Failure> {
        self.ask(Request::Look).await
    }

    async fn ask(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<Value, Failure>>) -> Request,
    ) -> Result<Value, Failure> {
        let (answer, answered) = oneshot::channel();
        let gone = || Failure::new(Class::Failed, "the step has ended");
        self.requests.send(request(answer)).await.map_err(|_| gone())?;
        let result = answered.await.map_err(|_| gone())?;
        if let Err(failure) = &result {
            *self.last.borrow_mut() = Some(failure.clone());
        }
        result
    }

    /// What an uncaught error of the script means for the step.
    fn failed(&self, error: &ScriptError) -> Failure {
        let thrown = caught(error);
        let message = thrown["message"].as_str().unwrap_or(&error.message);
        let mut failure = match self.last.borrow_mut().take() {
            Some(last) if last.message == message => last,
            _ => {
                let class = serde_json::from_value(thrown["class"].clone()).unwrap_or(Class::Failed);
                Failure::new(class, message)
            }
        };
        // That place is in the playbook of the verb inside, which has none.
        failure.span = None;
        if self.in_playbook && error.place.is_some() {
            failure.span = error.place.as_ref().map(|place| place.span);
            return failure;
        }
        let place = error.place.as_ref().map_or_else(|| self.source.name().to_owned(), base::Place::label);
        failure.note = Some(failure.note.map_or_else(|| format!("in {place}"), |note| format!("{note}; in {place}")));
        failure
    }
}

/// Runs the script to its end and serves what it asks for.
pub(super) async fn run(
    script: &Script,
    bridge: Bridge,
    variables: Vec<(String, Dynamic)>,
    step: &StepContext<'_>,
) -> Result<Outcome, Failure> {
    let bridge = Rc::new(bridge);
    let mut inbox = bridge.inbox.borrow_mut().take().expect("a bridge is made for one run");
    let budget = Budget::runner().cancelled_by(step.cancel.clone());
    let mut running = script.run(variables, Rc::clone(&bridge) as _, budget);
    let mut calls = FuturesUnordered::new();
    let result = loop {
        tokio::select! {
            biased;
            Some(()) = calls.next(), if !calls.is_empty() => {}
            result = &mut running => break result,
            Some(request) = inbox.recv() => calls.push(serve(step, &bridge, request)),
        }
        say(&bridge, step);
    };
    say(&bridge, step);
    let planned = bridge.planned.take();
    if !planned.is_empty() {
        // What comes after a call that was not made may well fail.
        let rest = if result.is_err() { "; the rest depends on it" } else { "" };
        return Ok(Outcome::Skipped(Skip::Check(format!("{}{rest}", planned.join("; ")))));
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

fn say(bridge: &Bridge, step: &StepContext<'_>) {
    bridge.printed.borrow_mut().drain(..).for_each(|line| (step.say)("info", line));
}

async fn serve(step: &StepContext<'_>, bridge: &Bridge, request: Request) {
    // Nobody listens any more when the branch that asked has ended.
    match request {
        Request::Look(answer) => {
            let seen = match step.inventory.fact_names().first() {
                Some(fact) => step.inventory.fact(&step.target.id, fact).await.map(|it| it.value).map_err(fact_failed),
                None => Ok(Value::Null),
            };
            let _ = answer.send(seen);
        }
        Request::Call(ready, effect, timeout, answer) => {
            let _ = answer.send(call(step, bridge, (&*ready, effect), timeout).await);
        }
    }
}

/// One verb, on the step's own device.
async fn call(
    step: &StepContext<'_>,
    bridge: &Bridge,
    (ready, effect): (&dyn Ready, Effect),
    timeout: Option<Duration>,
) -> Result<Value, Failure> {
    let inner = StepContext { timeout, failed_when: None, run: Arc::clone(&step.run), ..*step };
    if step.check_mode && !ready.rehearses() && (effect == Effect::Changes || ready.waits()) {
        if effect == Effect::Changes {
            let preview = ready.preview(&inner);
            bridge.plan(if preview.is_empty() { "would change the device".to_owned() } else { preview });
        }
        return Ok(Value::Null);
    }
    let outcome = match timeout.filter(|_| !ready.waits() && ready.gathers().is_none()) {
        None => ready.run(&inner).await,
        Some(limit) => crate::within(limit, ready.run(&inner)).await.unwrap_or_else(|| {
            let in_doubt = !ready.repeatable();
            let message = format!("did not end within {}", format_duration(limit));
            Failure { in_doubt, ..Failure::new(Class::Timeout, message) }.into()
        }),
    };
    match outcome {
        Outcome::Done { value, .. } => Ok(value),
        Outcome::Skipped(Skip::Check(text)) => {
            bridge.plan(text);
            Ok(Value::Null)
        }
        Outcome::Skipped(_) => Ok(Value::Null),
        Outcome::Failed(failure) => Err(failure),
    }
}
