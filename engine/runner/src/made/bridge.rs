//! The script's side of the bridge between a script and the step that runs it: its calls wait as messages, the step answers them
//! one by one (`serve`). It may outlive the step's side; then its calls fail.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::Source;
use script::{Expressions, ScriptError};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::scripted::caught;
use crate::{Class, Deed, Effect, Failure, Look, Outcome, Ready, Registry, Sight, StepContext, Told, Watch};

/// A script asks one thing at a time; its branches a few.
const QUEUE: usize = 16;

/// A verb that is to run.
pub(super) struct Asked {
    pub(super) deed: Deed,
    pub(super) ready: Box<dyn Ready>,
    pub(super) effect: Effect,
    pub(super) timeout: Option<Duration>,
}

/// What came of it.
pub(super) type Came = Result<Value, Failure>;

/// What a script asks of its step.
pub(super) enum Request {
    Call(Box<Asked>, oneshot::Sender<Came>),
    /// Looks at the device's first fact; without somebody who looks for many, at its source.
    Look(Option<Rc<dyn Watch>>, Look, oneshot::Sender<Result<Option<Sight>, Failure>>),
    /// Whether an earlier process knows what came of something that only looks.
    Told(Deed, oneshot::Sender<Told>),
    /// What came of something that waited.
    Waited(Deed, Outcome),
    /// What the script saw.
    Seen(Deed, Value),
}

/// The script's side: the context of its call.
pub(super) struct Bridge {
    pub(super) verb: &'static str,
    pub(super) effect: Effect,
    pub(super) device: Arc<str>,
    pub(super) registry: Registry,
    pub(super) expressions: Expressions,
    /// The fact that a wait with a closure looks at.
    pub(super) fact: Option<&'static str>,
    /// A rehearsal: nothing that changes is sent.
    pub(super) check_mode: bool,
    /// What it does is written down.
    pub(super) keeps: bool,
    /// Ends the script, whatever it catches.
    pub(super) cut: CancellationToken,
    /// What a rehearsal would have sent.
    pub(super) planned: RefCell<Vec<String>>,
    /// The script's places are places of the playbook.
    in_playbook: bool,
    source: Source,
    requests: mpsc::Sender<Request>,
    pub(super) inbox: RefCell<Option<mpsc::Receiver<Request>>>,
    pub(super) printed: RefCell<Vec<String>>,
    /// The failure that was thrown last: what is not caught is this one, not its shadow in the script.
    last: RefCell<Option<Failure>>,
    /// Why it was cut off.
    pub(super) stopped: RefCell<Option<Failure>>,
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
            fact: step.inventory.fact_names().first().copied(),
            check_mode: step.check_mode,
            keeps: step.deeds.is_some_and(crate::Deeds::keeps),
            cut: step.cancel.child_token(),
            planned: RefCell::default(),
            in_playbook: false,
            source: source.clone(),
            requests,
            inbox: RefCell::new(Some(inbox)),
            printed: RefCell::default(),
            last: RefCell::default(),
            stopped: RefCell::default(),
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
    pub(super) async fn call(&self, asked: Asked) -> Came {
        self.noted(self.ask(|answer| Request::Call(Box::new(asked), answer)).await?)
    }

    /// What a rehearsal would send; each thing once, for a loop of a thousand calls is one line.
    pub(super) fn plan(&self, text: String) {
        let mut planned = self.planned.borrow_mut();
        if !planned.contains(&text) {
            planned.push(text);
        }
    }

    /// Looks at the device.
    pub(super) async fn look(&self, watch: Option<Rc<dyn Watch>>, look: Look) -> Result<Option<Sight>, Failure> {
        let seen = self.ask(|answer| Request::Look(watch, look, answer)).await?;
        self.noted(seen)
    }

    /// Something that only waits: what an earlier process knows of it, else what comes of it now.
    pub(super) async fn wait(&self, deed: Deed, wait: impl Future<Output = Came>) -> Came {
        if !self.keeps {
            return self.noted(wait.await);
        }
        if let Some(outcome) = self.told(&deed).await? {
            return self.noted(came(outcome));
        }
        let value = wait.await;
        if self.cut.is_cancelled() {
            return value;
        }
        let outcome = match &value {
            Ok(value) => Outcome::read(value.clone()),
            Err(failure) => Outcome::Failed(failure.clone()),
        };
        // Nobody reads it any more when the step has ended.
        let _ = self.requests.send(Request::Waited(deed, outcome)).await;
        self.noted(value)
    }

    /// Something that the script sees and that would be different later.
    pub(super) async fn see(&self, deed: Deed, value: impl FnOnce() -> Value) -> Came {
        if !self.keeps {
            return Ok(value());
        }
        if let Some(Outcome::Done { value, .. }) = self.told(&deed).await? {
            return Ok(value);
        }
        let value = value();
        let _ = self.requests.send(Request::Seen(deed, value.clone())).await;
        Ok(value)
    }

    async fn told(&self, deed: &Deed) -> Result<Option<Outcome>, Failure> {
        match self.ask(|answer| Request::Told(deed.clone(), answer)).await? {
            Told::New => Ok(None),
            Told::Again(outcome) => Ok(Some(outcome)),
            Told::Stop(failure) => Err(self.stop(failure)),
        }
    }

    /// The script ends here.
    pub(super) fn stop(&self, failure: Failure) -> Failure {
        self.stopped.borrow_mut().get_or_insert_with(|| failure.clone());
        self.cut.cancel();
        failure
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Failure> {
        let (answer, answered) = oneshot::channel();
        let gone = || Failure::new(Class::Failed, "the step has ended");
        self.requests.send(request(answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())
    }

    fn noted<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(failure) = &result {
            *self.last.borrow_mut() = Some(failure.clone());
        }
        result
    }

    /// What an uncaught error of the script means for the step.
    pub(super) fn failed(&self, error: &ScriptError) -> Failure {
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

/// An outcome as a script gets it.
pub(super) fn came(outcome: Outcome) -> Came {
    match outcome {
        Outcome::Done { value, .. } => Ok(value),
        Outcome::Skipped(_) => Ok(Value::Null),
        Outcome::Failed(failure) => Err(failure),
    }
}
