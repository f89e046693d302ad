//! Drives a call's coroutine: awaits what it waits for, keeps its deadline, and ends it cleanly when nobody wants it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use corosensei::stack::DefaultStack;
use futures_util::future::LocalBoxFuture;
use tokio::time::{Instant, sleep_until};

use super::coroutine::{Coroutine, Pause, Tether};
use super::stacks::Slot;
use super::{Call, End, Stacks};
use crate::error::{ErrorKind, ScriptError, ScriptResult};

/// Resumes that a call gets to end by itself once it was told to; natives answer each with an error at once.
const LAST_RESUMES: usize = 16;

/// Runs `body` in a coroutine on the present lane, from its slot in the queue to its result.
pub(crate) async fn drive<T: 'static>(
    stacks: Arc<Stacks>,
    call: Rc<Call>,
    body: impl FnOnce(&Arc<Tether>) -> T + 'static,
) -> ScriptResult<T> {
    let slot = slot(&stacks, &call).await?;
    let Some(stack) = stacks.take(&slot) else { return Err(no_stack()) };
    let mut running = Running::new(stack, call, body, stacks, Some(slot));
    loop {
        match running.resume()? {
            Ok(value) => return Ok(value),
            Err(Pause::Turn) => tokio::task::yield_now().await,
            Err(Pause::Wait(future)) => {
                running.waiting = Some(future);
                running.wait().await;
            }
        }
    }
}

/// Runs `body` in a coroutine to its end, at once: for loading, where nothing can wait.
pub(crate) fn drive_now<T: 'static>(
    stacks: &Arc<Stacks>,
    mut call: Call,
    body: impl FnOnce(&Arc<Tether>) -> T + 'static,
) -> ScriptResult<T> {
    call.may_wait = false;
    let Some(stack) = stacks.usual() else { return Err(no_stack()) };
    let mut running = Running::new(stack, Rc::new(call), body, Arc::clone(stacks), None);
    loop {
        if let Ok(value) = running.resume()? {
            return Ok(value);
        }
    }
}

fn no_stack() -> ScriptError {
    ScriptError::new("there is no room for another script: too many of them are under way", ErrorKind::Limit)
}

/// Queues for a slot, no longer than the call's own deadline.
async fn slot(stacks: &Stacks, call: &Call) -> ScriptResult<Slot> {
    tokio::select! {
        biased;
        slot = stacks.slot(call.depth, call.budget.stack) => slot.ok_or_else(no_stack),
        () = deadline(call.until) => Err(ScriptError::new("the deadline passed before the script could start", ErrorKind::Deadline)),
        () = cancelled(call) => Err(ScriptError::new("cancelled before the script could start", ErrorKind::Cancelled)),
    }
}

async fn deadline(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

async fn cancelled(call: &Call) {
    match &call.budget.cancel {
        Some(token) => token.cancelled().await,
        None => std::future::pending().await,
    }
}

/// A coroutine under way; dropping it ends the script.
struct Running<T: 'static> {
    coroutine: Option<Coroutine<T>>,
    waiting: Option<LocalBoxFuture<'static, ()>>,
    call: Rc<Call>,
    stacks: Arc<Stacks>,
    _slot: Option<Slot>,
}

impl<T> Running<T> {
    fn new(
        stack: DefaultStack,
        call: Rc<Call>,
        body: impl FnOnce(&Arc<Tether>) -> T + 'static,
        stacks: Arc<Stacks>,
        slot: Option<Slot>,
    ) -> Self {
        let coroutine = Some(Coroutine::new(stack, Rc::clone(&call), body));
        Self { coroutine, waiting: None, call, stacks, _slot: slot }
    }

    /// One resume. A panic of a native function is this call's failure, not the lane's.
    fn resume(&mut self) -> ScriptResult<Result<T, Pause>> {
        let coroutine = self.coroutine.as_mut().expect("taken only when it is dropped");
        catch_unwind(AssertUnwindSafe(|| coroutine.resume())).map_err(|_| {
            ScriptError::new("a function of iotplay itself failed (a panic); see the log", ErrorKind::Runtime)
        })
    }

    /// Awaits what the script waits for, or the end of the call.
    async fn wait(&mut self) {
        let Some(future) = self.waiting.as_mut() else { return };
        let end = tokio::select! {
            // The end of a call comes before the ends of its branches, which have the same deadline.
            biased;
            () = deadline(self.call.until) => Some(End::Deadline),
            () = cancelled(&self.call) => Some(End::Cancelled),
            () = future => None,
        };
        self.waiting = None;
        if let Some(end) = end {
            self.call.finish(end);
        }
    }
}

impl<T: 'static> Drop for Running<T> {
    fn drop(&mut self) {
        self.waiting = None;
        let Some(mut coroutine) = self.coroutine.take() else { return };
        if !coroutine.done() && !std::thread::panicking() {
            // Natives now answer with an error instead of waiting, and the script cannot catch it. A coroutine that goes
            // on regardless is unwound by force when it is dropped.
            self.call.finish(End::Cancelled);
            for _ in 0..LAST_RESUMES {
                let ended = catch_unwind(AssertUnwindSafe(|| coroutine.resume().is_ok())).unwrap_or(true);
                if ended || coroutine.done() {
                    break;
                }
            }
        }
        if let Some(stack) = coroutine.into_stack() {
            self.stacks.give_back(stack, self.call.was_deep());
        }
    }
}
