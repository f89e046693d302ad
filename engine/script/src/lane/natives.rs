//! What a native function of a room uses: wait for a future, reach the call's context, call closures back.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use rhai::{Dynamic, EvalAltResult, FnPtr, Module, NativeCallContext};

use super::order::Order;
use super::{Call, Pause, Tether};
use crate::dialect::{refuse, seconds};
use crate::error::{ErrorKind, ScriptError, ScriptResult};
use crate::host::Handler;

type Answer<T> = Result<T, Box<EvalAltResult>>;

/// Suspends the script until the future is done; its lane goes on meanwhile.
///
/// Values that come from scripts must be turned into JSON before they go into the future: they may share cells, and deep
/// ones need the coroutine's stack to be dropped.
///
/// # Errors
/// The call's deadline passed or it was cancelled (the script cannot catch this); or nothing can wait here: outside of a
/// call, or while a file is being loaded.
pub fn wait<T: 'static>(ncc: &NativeCallContext<'_>, future: impl Future<Output = T> + 'static) -> Answer<T> {
    let Some(tether) = tether(ncc) else { return refuse(format!("`{}` cannot wait outside of a call", ncc.fn_name())) };
    let Some(call) = tether.here() else { return refuse(format!("`{}` cannot wait here", ncc.fn_name())) };
    if !call.may_wait {
        return refuse(format!(
            "`{}` waits, which the top level of a file cannot: call it in a handler",
            ncc.fn_name()
        ));
    }
    if call.end.get().is_some() {
        return Err(call.terminated(ncc));
    }
    let slot = Rc::new(RefCell::new(None));
    let filled = Rc::clone(&slot);
    let done = async move {
        let value = future.await;
        *filled.borrow_mut() = Some(value);
    };
    tether.suspend(Pause::Wait(done.boxed_local()));
    let value = slot.borrow_mut().take();
    value.ok_or_else(|| call.terminated(ncc))
}

/// The context that was handed to the call, when it is a `C`.
pub fn context<C: Any>(ncc: &NativeCallContext<'_>) -> Option<Rc<C>> {
    let tether = tether(ncc)?;
    Rc::clone(tether.here()?.context.as_ref()?).downcast().ok()
}

/// The next place in the order of what the script does; nothing outside of a call.
pub fn place(ncc: &NativeCallContext<'_>) -> Option<String> {
    Some(tether(ncc)?.here()?.order.next())
}

fn tether(ncc: &NativeCallContext<'_>) -> Option<Arc<Tether>> {
    ncc.tag()?.read_lock::<Arc<Tether>>().map(|tether| Arc::clone(&tether))
}

/// Calls closures of the running script in coroutines of their own, several at once: for `parallel(list, |d| ..)`.
#[derive(Clone)]
pub struct Caller(Rc<Call>);

impl Caller {
    /// The caller behind a native function.
    ///
    /// # Errors
    /// Outside of a call, or while a file is being loaded.
    pub fn of(ncc: &NativeCallContext<'_>) -> Answer<Self> {
        let call = tether(ncc).and_then(|tether| tether.here().cloned());
        match call {
            Some(call) if call.origin.is_some() => Ok(Self(call)),
            _ => refuse(format!("`{}` must be called in a handler or a script", ncc.fn_name())),
        }
    }

    /// The closure with its own copies of what it captured, to be called now or later.
    ///
    /// # Errors
    /// What it captured is nested too deeply.
    pub fn handler(&self, function: &FnPtr) -> Answer<Handler> {
        match self.0.origin.as_ref().and_then(|origin| origin.handler(function)) {
            Some(handler) => Ok(handler),
            None => refuse("what this closure captured is nested too deeply"),
        }
    }

    /// The closure as it is: it sees and changes the variables of the script that waits for it. Not for several at once. Whoever
    /// takes it keeps the closure itself on the script's stack until the wait is over: what it captured may need that stack to
    /// be dropped.
    ///
    /// # Errors
    /// Outside of a script.
    pub fn shared(&self, function: &FnPtr) -> Answer<Handler> {
        match &self.0.origin {
            Some(origin) => Ok(origin.shared(function)),
            None => refuse("this closure belongs to no script"),
        }
    }

    /// Calls it as a branch: same context, same deadline and cancellation, the same budget anew.
    pub fn call(&self, handler: &Handler, args: Vec<Dynamic>) -> LocalBoxFuture<'static, ScriptResult<Dynamic>> {
        self.start(handler, args, Order::default())
    }

    /// The same, as the branch of this number of what stands at a [`place`].
    pub fn call_at(
        &self,
        handler: &Handler,
        args: Vec<Dynamic>,
        (place, number): (&str, usize),
    ) -> LocalBoxFuture<'static, ScriptResult<Dynamic>> {
        self.start(handler, args, Order::inside(place, number))
    }

    fn start(
        &self,
        handler: &Handler,
        args: Vec<Dynamic>,
        order: Order,
    ) -> LocalBoxFuture<'static, ScriptResult<Dynamic>> {
        if self.0.end.get().is_some() {
            return async { Err(ScriptError::new("the calling script has ended", ErrorKind::Cancelled)) }.boxed_local();
        }
        handler.start(self.0.branch(order), args)
    }
}

/// The functions that wait and that every script has: `sleep(seconds)`, `sleep("90s")`.
pub(crate) fn register(module: &mut Module) {
    module.set_native_fn("sleep", |ncc: NativeCallContext<'_>, seconds: i64| nap(&ncc, &seconds.into()));
    module.set_native_fn("sleep", |ncc: NativeCallContext<'_>, seconds: f64| nap(&ncc, &seconds.into()));
    module.set_native_fn("sleep", |ncc: NativeCallContext<'_>, text: rhai::ImmutableString| nap(&ncc, &text.into()));
}

fn nap(ncc: &NativeCallContext<'_>, time: &Dynamic) -> Answer<()> {
    let time = seconds(time)?;
    wait(ncc, async move { tokio::time::sleep(time).await })
}
