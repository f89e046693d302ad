//! One run of one handler: its deadlines, its one answer, its end. What natives of the script see of the agent.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use base::{Diagnostic, format_duration};
use script::{Budget, Dynamic, Handler, Position, ScriptError, ScriptResult};
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep};
use wire::limits::METHOD_PAYLOAD_BYTES;

use crate::answer::{Answer, TOO_MUCH, of_error, thrown, whole};
use crate::config::Deadlines;
use crate::device::Device;
use crate::event::{AgentEvent, HandlerName, HandlerOutcome};
use crate::messages::Verdict;
use crate::outbox::Reply;
use crate::scripts::Scripts;
use crate::{faults, methods, reboot};

/// What a caller waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The connection that the call came over.
    pub(crate) connection: u64,
    /// What the answer is addressed to.
    pub(crate) rid: String,
}

#[derive(Debug)]
enum Slot {
    /// Nobody waits for an answer.
    None,
    Open(Caller),
    Answered(i32),
}

/// Why an answer was not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum AnswerError {
    #[error("reply() answers a method call, and there is none here")]
    NoCaller,
    #[error("this call was answered already, with {0}")]
    Twice(i32),
    #[error("a reply has at most {limit} KiB, this one has {0} bytes", limit = METHOD_PAYLOAD_BYTES / 1024)]
    TooLarge(usize),
    #[error("{TOO_MUCH}")]
    TooMuch,
}

/// One run of one handler.
pub(crate) struct Call {
    pub(crate) device: Rc<Device>,
    pub(crate) scripts: Arc<Scripts>,
    pub(crate) handler: HandlerName,
    /// What `ack()` acknowledges: path and version of a desired value.
    pub(crate) desired: Option<(Arc<str>, u64)>,
    /// What `reject()` and `abandon()` say of a message; none where there is no message.
    pub(crate) verdict: Option<RefCell<Option<Verdict>>>,
    /// A restart follows this call.
    pub(crate) then_reboot: Cell<bool>,
    slot: RefCell<Slot>,
    acknowledged: RefCell<Option<oneshot::Receiver<()>>>,
    cancelled: Cell<bool>,
    cancel: Notify,
    started: Instant,
}

/// A function of a script and what it is called with.
pub(crate) struct Work {
    pub(crate) handler: Handler,
    pub(crate) args: Vec<Dynamic>,
    pub(crate) deadlines: Deadlines,
}

impl Call {
    /// A call that is about to run; with a caller, it owes an answer.
    pub(crate) fn new(
        device: &Rc<Device>,
        scripts: Arc<Scripts>,
        handler: HandlerName,
        caller: Option<Caller>,
    ) -> Self {
        Self {
            device: Rc::clone(device),
            scripts,
            handler,
            desired: None,
            verdict: None,
            then_reboot: Cell::new(false),
            slot: RefCell::new(caller.map_or(Slot::None, Slot::Open)),
            acknowledged: RefCell::default(),
            cancelled: Cell::new(false),
            cancel: Notify::new(),
            started: Instant::now(),
        }
    }

    /// Whether somebody waits for an answer still.
    pub(crate) fn is_open(&self) -> bool {
        matches!(*self.slot.borrow(), Slot::Open(_))
    }

    /// Sends the answer, at once, once.
    pub(crate) fn answer(&self, status: i32, payload: &Value) -> Result<(), AnswerError> {
        let HandlerName::Method(name) = &self.handler else { return Err(AnswerError::NoCaller) };
        let mut slot = self.slot.borrow_mut();
        let caller = match &mut *slot {
            Slot::None => return Err(AnswerError::NoCaller),
            Slot::Answered(status) => {
                self.device.lane.counters.replies_twice.up();
                return Err(AnswerError::Twice(*status));
            }
            Slot::Open(caller) => caller,
        };
        let payload = serde_json::to_vec(payload).expect("a JSON value is JSON");
        if payload.len() > METHOD_PAYLOAD_BYTES {
            return Err(AnswerError::TooLarge(payload.len()));
        }
        let (sender, receiver) = if self.device.cuts() {
            let (sender, receiver) = oneshot::channel();
            (Some(sender), Some(receiver))
        } else {
            (None, None)
        };
        let (connection, rid) = (caller.connection, std::mem::take(&mut caller.rid));
        *self.acknowledged.borrow_mut() = receiver;
        *slot = Slot::Answered(status);
        let reply = Reply { connection, rid, status, payload, acknowledged: sender };
        faults::deliver(&self.device, name, reply);
        Ok(())
    }

    /// Hears when the hub has the answer, if that was asked for.
    pub(crate) fn acknowledged(&self) -> Option<oneshot::Receiver<()>> {
        self.acknowledged.borrow_mut().take()
    }

    /// Ends the run; who waits for an answer gets this one.
    pub(crate) fn cancel(&self, status: i32, why: &str) {
        if self.is_open() {
            self.answer(status, &json!({ "error": why })).expect("open, and a short text is small enough");
        }
        self.cancelled.set(true);
        self.cancel.notify_one();
    }

    /// What the script prints, line by line.
    pub(crate) fn print(&self, text: &str) {
        for line in text.lines() {
            self.device.say(AgentEvent::Said { device: self.device.identity.clone(), line: line.to_owned() });
        }
    }

    /// A slip that the script goes on after.
    pub(crate) fn log(&self, message: &str, position: Position) {
        let place = match &self.handler {
            HandlerName::Method(name) => self.scripts.methods.get(name).map(|handler| &handler.place),
            _ => None,
        };
        let at = match (place, position.line()) {
            (Some(place), Some(line)) => {
                format!(" ({}:{line}:{})", place.source.name(), position.position().unwrap_or(1))
            }
            _ => String::new(),
        };
        self.device.fault(Diagnostic::error(format!("{}: {message}{at}", self.handler)));
    }

    fn status(&self) -> Option<i32> {
        match &*self.slot.borrow() {
            Slot::Answered(status) => Some(*status),
            _ => None,
        }
    }

    /// What the script's end means for the caller and for the world.
    fn end(&self, result: ScriptResult<Dynamic>) -> HandlerOutcome {
        let counters = &self.device.lane.counters;
        let answered = self.status();
        match (result.map_err(|error| self.placed(error)), answered) {
            (Ok(_), Some(status)) => HandlerOutcome::Answered(status),
            (Ok(value), None) if self.is_open() => {
                let answered = whole(&value).ok_or(AnswerError::TooMuch);
                match answered.and_then(|payload| self.answer(200, &payload)) {
                    Ok(()) => HandlerOutcome::Answered(200),
                    Err(error) => {
                        self.failed(&Diagnostic::error(error.to_string()), &Answer::error(500, &error.to_string()))
                    }
                }
            }
            (Ok(_), None) => HandlerOutcome::Done,
            (Err(error), Some(status)) => {
                counters.late_failures.up();
                HandlerOutcome::FailedLate { status, finding: error.diagnostic() }
            }
            (Err(error), None) => match thrown(&error).filter(|_| self.is_open()) {
                // An answer by way of `throw` is an answer.
                Some(answer) if self.answer(answer.status, &answer.payload).is_ok() => {
                    HandlerOutcome::Answered(answer.status)
                }
                _ => self.failed(&error.diagnostic(), &of_error(&error, self.device.lane.habits.errors)),
            },
        }
    }

    /// Where a limit ended the call, Rhai does not say: then the handler is the place.
    fn placed(&self, error: ScriptError) -> ScriptError {
        let place = error.place.clone().or_else(|| match &self.handler {
            HandlerName::Method(name) => self.scripts.methods.get(name).map(|handler| handler.place.clone()),
            _ => None,
        });
        ScriptError { place, ..error }
    }

    fn failed(&self, finding: &Diagnostic, answer: &Answer) -> HandlerOutcome {
        self.device.lane.counters.failures.up();
        let mut status = None;
        if self.is_open() {
            let sent = self.answer(answer.status, &answer.payload).or_else(|error| {
                // What was thrown is larger than an answer may be.
                self.answer(500, &json!({ "error": error.to_string() }))
            });
            status = sent.ok().and_then(|()| self.status());
        }
        HandlerOutcome::Failed { status, finding: finding.clone() }
    }
}

/// Runs a handler to its end on a task of its own.
pub(crate) fn start(call: Rc<Call>, work: Work) {
    let tasks = call.device.lane.tasks.clone();
    // Counted from here on, so that whoever looks between now and its first turn sees it.
    call.device.enter(&call);
    tasks.spawn_local(async move {
        run_entered(call, work).await;
    });
}

/// Runs a handler to its end.
pub(crate) async fn run(call: Rc<Call>, work: Work) -> HandlerOutcome {
    call.device.enter(&call);
    run_entered(call, work).await
}

async fn run_entered(call: Rc<Call>, work: Work) -> HandlerOutcome {
    let device = Rc::clone(&call.device);
    let budget = Budget::handler().deadline(work.deadlines.work);
    let context: Rc<dyn Any> = Rc::<Call>::clone(&call);
    let script = work.handler.call(work.args, context, budget);
    let result = tokio::select! {
        biased;
        () = call.cancel.notified() => None,
        result = answering(&call, script, &work.deadlines) => Some(result),
    };
    let outcome = match result {
        Some(result) if !call.cancelled.get() => call.end(result),
        _ => HandlerOutcome::Cancelled,
    };
    device.say(AgentEvent::Handler {
        device: device.identity.clone(),
        handler: call.handler.clone(),
        outcome: outcome.clone(),
        took: call.started.elapsed(),
    });
    device.save_soon();
    if call.then_reboot.get() && !call.cancelled.get() {
        reboot::follow(&call).await;
    }
    device.leave(&call);
    if let HandlerName::Method(name) = &call.handler {
        methods::next_in_line(&device, name);
    }
    outcome
}

/// The script's run; its caller gets an answer in time, whatever the script does.
async fn answering(
    call: &Call,
    script: impl Future<Output = Result<Dynamic, ScriptError>>,
    deadlines: &Deadlines,
) -> ScriptResult<Dynamic> {
    let mut script = pin!(script);
    // Most handlers end at once: those need no timer.
    if let std::task::Poll::Ready(result) = futures_util::poll!(script.as_mut()) {
        return result;
    }
    if call.is_open() {
        tokio::select! {
            biased;
            result = script.as_mut() => return result,
            () = sleep(deadlines.answer) => {}
        }
        if call.is_open() {
            let why = format!("{} gave no answer within {}", call.handler, format_duration(deadlines.answer));
            call.answer(504, &json!({ "error": why })).expect("open, and a short text is small enough");
        }
    }
    script.await
}
