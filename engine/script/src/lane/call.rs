//! One call of a script: its budget, its context, and how it ends. Shared by the code on the coroutine and its driver.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use rhai::{Dynamic, EvalAltResult, NativeCallContext, Position};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::order::Order;
use crate::dialect::Limits;
use crate::host::Origin;

/// Operations between two turns of the others on the lane: some 0.1 ms.
const TURN: u64 = 1_000;
/// When less stack is left, the call ends. Rhai's deepest step between two looks at it needs less.
const STACK_RESERVE: usize = 256 * 1024;
/// Below this, a stack has touched so much memory that keeping it would be a waste.
const DEEP: usize = 512 * 1024;
/// Of a runner's script: one at a time, values without a limit, so the stack that dropping them needs is large.
const RUNNER_STACK: usize = if cfg!(target_pointer_width = "64") { 256 * 1024 * 1024 } else { 32 * 1024 * 1024 };
/// Of a branch of one: many at a time.
const BRANCH_STACK: usize = if cfg!(target_pointer_width = "64") { 64 * 1024 * 1024 } else { 8 * 1024 * 1024 };

/// What a call may use.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Operations of the script; none is unlimited. Raise it only together with the stack: dropping nested values needs
    /// 84 bytes of stack per operation.
    pub operations: Option<u64>,
    /// The whole call, waiting included.
    pub deadline: Option<Duration>,
    /// Elements of a list or map, those inside of it counted too; none is unlimited.
    pub items: Option<usize>,
    /// Bytes of a text; none is unlimited.
    pub text: Option<usize>,
    /// Script functions that call each other.
    pub calls: usize,
    /// The stack's bytes of address space; none is the host's usual size.
    pub stack: Option<usize>,
    /// Ends the call from outside.
    pub cancel: Option<CancellationToken>,
}

impl Budget {
    /// Of a device's handler: 100,000 operations, 10,000 items, 1 MiB of text, 32 nested calls; no deadline yet.
    pub fn handler() -> Self {
        Self {
            operations: Some(100_000),
            deadline: None,
            items: Some(10_000),
            text: Some(1024 * 1024),
            calls: 32,
            stack: None,
            cancel: None,
        }
    }

    /// Of a runner's script: only a deadline, and a large stack.
    pub fn runner() -> Self {
        Self {
            operations: None,
            deadline: None,
            items: None,
            text: None,
            calls: 128,
            stack: Some(RUNNER_STACK),
            cancel: None,
        }
    }

    /// With a deadline for the whole call.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Ended by this token.
    #[must_use]
    pub fn cancelled_by(mut self, token: CancellationToken) -> Self {
        self.cancel = Some(token);
        self
    }

    /// The same budget for a branch of the call.
    pub(crate) fn for_branch(&self) -> Self {
        Self { stack: self.stack.map(|_| BRANCH_STACK), ..self.clone() }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            // Counted by the call itself: Rhai forgets what a closure used that a native function called.
            operations: 0,
            items: self.items.unwrap_or(0),
            text: self.text.unwrap_or(0),
            calls: self.calls,
            // One variable may hold the longest text, so their number bounds memory as well.
            variables: 1_000,
        }
    }
}

/// Why a call was ended before it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Deadline,
    Cancelled,
    Operations,
    Stack,
}

/// One call under way.
pub(crate) struct Call {
    pub(crate) budget: Budget,
    pub(crate) context: Option<Rc<dyn Any>>,
    /// The file that is running; none while one is loaded.
    pub(crate) origin: Option<Origin>,
    pub(crate) until: Option<Instant>,
    /// 0 for a call, 1 for its branches, and so on.
    pub(crate) depth: usize,
    /// Counts what the call does, in order.
    pub(crate) order: Order,
    /// False while a file is loaded: nobody could wait for it.
    pub(crate) may_wait: bool,
    pub(crate) end: Cell<Option<End>>,
    /// Where it waited when it was ended: Rhai forgets the place of a termination.
    ended_at: RefCell<Option<(Option<String>, Position)>>,
    used: Cell<u64>,
    deep: Cell<bool>,
}

impl Call {
    pub(crate) fn new(budget: Budget, context: Option<Rc<dyn Any>>, origin: Option<Origin>) -> Self {
        let until = budget.deadline.map(|deadline| Instant::now() + deadline);
        Self {
            budget,
            context,
            origin,
            until,
            depth: 0,
            order: Order::default(),
            may_wait: true,
            end: Cell::new(None),
            ended_at: RefCell::new(None),
            used: Cell::new(0),
            deep: Cell::new(false),
        }
    }

    /// A branch of it: same context, same deadline and cancellation, the same budget anew.
    pub(crate) fn branch(&self, order: Order) -> Self {
        let mut branch = Self::new(self.budget.for_branch(), self.context.clone(), self.origin.clone());
        branch.until = self.until;
        branch.depth = self.depth + 1;
        branch.order = order;
        branch
    }

    #[cfg(test)]
    pub(crate) fn for_test() -> Self {
        Self::new(Budget::handler(), None, None)
    }

    /// Counts one operation; says whether it is time to let others have a turn, or why the call must end.
    pub(crate) fn step(&self, stack_left: usize) -> Result<bool, End> {
        if let Some(end) = self.end.get() {
            return Err(end);
        }
        let used = self.used.get() + 1;
        self.used.set(used);
        if stack_left < STACK_RESERVE {
            return Err(self.finish(End::Stack));
        }
        if self.budget.operations.is_some_and(|most| used > most) {
            return Err(self.finish(End::Operations));
        }
        if !used.is_multiple_of(TURN) {
            return Ok(false);
        }
        if self.until.is_some_and(|until| Instant::now() >= until) {
            return Err(self.finish(End::Deadline));
        }
        if self.budget.cancel.as_ref().is_some_and(CancellationToken::is_cancelled) {
            return Err(self.finish(End::Cancelled));
        }
        Ok(self.may_wait)
    }

    /// Notes how much stack is in use.
    pub(crate) fn note_depth(&self, stack_size: usize, stack_left: usize) {
        if stack_size - stack_left > DEEP {
            self.deep.set(true);
        }
    }

    pub(crate) fn was_deep(&self) -> bool {
        self.deep.get()
    }

    /// The first reason stays.
    pub(crate) fn finish(&self, end: End) -> End {
        let first = self.end.get().unwrap_or(end);
        self.end.set(Some(first));
        first
    }

    /// The error that unwinds the script; scripts cannot catch it.
    pub(crate) fn terminated(&self, ncc: &NativeCallContext<'_>) -> Box<EvalAltResult> {
        let at = ncc.call_position();
        self.ended_at.borrow_mut().get_or_insert_with(|| (ncc.call_source().map(str::to_owned), at));
        EvalAltResult::ErrorTerminated(Dynamic::UNIT, at).into()
    }

    /// The file, if known, and the position at which the script waited when it was ended.
    pub(crate) fn ended_at(&self) -> Option<(Option<String>, Position)> {
        self.ended_at.borrow().clone()
    }
}
