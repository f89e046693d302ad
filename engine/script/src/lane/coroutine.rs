//! The one file with `unsafe`: a coroutine on its own stack, and the tether by which native functions of a script find it.
//!
//! Native functions get a `NativeCallContext` and nothing else, so the way back to the coroutine travels in the engine's
//! default tag. Rhai wants a tag that is `Send + Sync`; the yielder and the call behind it are neither. What makes it sound:
//!
//! 1. [`Tether::here`] and [`Tether::suspend`] look at the address of a local variable first: they touch the call or the
//!    yielder only while running on that coroutine's own stack. A coroutine never changes its thread (it is `!Send`), so
//!    this also means "on the right thread", and "between a resume and the next suspend".
//! 2. The yielder lives at the bottom of that stack until the body ends, and the body drops last: while code runs on the
//!    stack, the pointer is valid. A guard clears it when the body ends or unwinds.
//! 3. The call is dropped only on the thread that made it; elsewhere it is leaked.
//!
//! Knows nothing of budgets or of Rhai.
#![expect(unsafe_code, reason = "the pointer to a coroutine's yielder and its tether across Rhai's tag; rules above")]

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, ThreadId};

use corosensei::stack::{DefaultStack, Stack};
use corosensei::{CoroutineResult, Yielder};
use futures_util::future::LocalBoxFuture;

use super::Call;

/// Why a coroutine gave its thread back.
pub(crate) enum Pause {
    /// It goes on when this is done.
    Wait(LocalBoxFuture<'static, ()>),
    /// It only lets the others of its lane have a turn.
    Turn,
}

/// A coroutine that runs a script's call and ends with a `T`.
pub(crate) struct Coroutine<T>(corosensei::Coroutine<(), Pause, T, DefaultStack>);

impl<T: 'static> Coroutine<T> {
    /// Prepares `body` to run on `stack`; nothing runs yet.
    pub(crate) fn new(stack: DefaultStack, call: Rc<Call>, body: impl FnOnce(&Arc<Tether>) -> T + 'static) -> Self {
        let range = stack.limit().get()..stack.base().get();
        Self(corosensei::Coroutine::with_stack(stack, move |yielder, ()| {
            let tether = Arc::new(Tether {
                yielder: Cell::new(Some(NonNull::from(yielder))),
                stack: range,
                home: thread::current().id(),
                call: ManuallyDrop::new(call),
            });
            let _untied = Untied(&tether);
            body(&tether)
        }))
    }

    /// Runs it until it pauses or ends.
    pub(crate) fn resume(&mut self) -> Result<T, Pause> {
        match self.0.resume(()) {
            CoroutineResult::Return(value) => Ok(value),
            CoroutineResult::Yield(pause) => Err(pause),
        }
    }

    /// Whether it has ended, by value or by panic.
    pub(crate) fn done(&self) -> bool {
        self.0.done()
    }

    /// The stack of a coroutine that has ended.
    pub(crate) fn into_stack(self) -> Option<DefaultStack> {
        self.done().then(|| self.0.into_stack())
    }
}

/// The way from code on a coroutine's stack to its coroutine and its call.
pub(crate) struct Tether {
    yielder: Cell<Option<NonNull<Yielder<(), Pause>>>>,
    stack: Range<usize>,
    home: ThreadId,
    call: ManuallyDrop<Rc<Call>>,
}

// SAFETY: `yielder` and `call` are read only after `stack_left` has shown that this very coroutine is running (rule 1),
// that is on one thread; `stack` and `home` never change; `drop` looks at the thread (rule 3).
unsafe impl Send for Tether {}
// SAFETY: as above.
unsafe impl Sync for Tether {}

impl Tether {
    /// Bytes left on the coroutine's stack; `None` when the caller does not run on it.
    #[inline]
    pub(crate) fn stack_left(&self) -> Option<usize> {
        let marker = 0u8;
        let at = std::hint::black_box(&raw const marker) as usize;
        self.stack.contains(&at).then(|| at - self.stack.start)
    }

    /// Bytes of the whole stack.
    pub(crate) fn stack_size(&self) -> usize {
        self.stack.len()
    }

    /// The call that runs here; `None` when the caller does not run on the coroutine's stack.
    #[inline]
    pub(crate) fn here(&self) -> Option<&Rc<Call>> {
        self.stack_left().map(|_| &*self.call)
    }

    /// Gives the thread back until the lane resumes the coroutine. False, at once, when the caller does not run on it.
    pub(crate) fn suspend(&self, pause: Pause) -> bool {
        if self.stack_left().is_none() {
            return false;
        }
        let Some(yielder) = self.yielder.get() else { return false };
        // SAFETY: we run on the coroutine's stack (checked above), whose bottom frame owns the yielder and has not ended
        // (its guard would have cleared the pointer): the reference is valid for this call.
        unsafe { yielder.as_ref() }.suspend(pause);
        true
    }
}

impl Drop for Tether {
    fn drop(&mut self) {
        if self.home == thread::current().id() {
            // SAFETY: dropped once, here, on the thread that owns the `Rc`.
            unsafe { ManuallyDrop::drop(&mut self.call) };
        }
    }
}

/// Clears the yielder when the body ends.
struct Untied<'a>(&'a Tether);

impl Drop for Untied<'_> {
    fn drop(&mut self) {
        self.0.yielder.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coroutine<T: 'static>(body: impl FnOnce(&Arc<Tether>) -> T + 'static) -> Coroutine<T> {
        Coroutine::new(DefaultStack::new(256 * 1024).unwrap(), Rc::new(Call::for_test()), body)
    }

    #[test]
    fn pauses_and_goes_on() {
        let mut running = coroutine(|tether| {
            assert!(tether.here().is_some());
            let before = tether.stack_left().unwrap();
            assert!(tether.suspend(Pause::Turn));
            before > 128 * 1024
        });
        assert!(matches!(running.resume(), Err(Pause::Turn)));
        assert!(!running.done());
        assert!(matches!(running.resume(), Ok(true)));
        assert!(running.into_stack().is_some());
    }

    #[test]
    fn a_tether_is_useless_elsewhere() {
        let mut running = coroutine(Arc::clone);
        let Ok(tether) = running.resume() else { panic!("it does not pause") };
        assert!(tether.here().is_none() && !tether.suspend(Pause::Turn));
        let far = Arc::clone(&tether);
        thread::spawn(move || assert!(far.here().is_none() && !far.suspend(Pause::Turn))).join().unwrap();
        let mut other =
            coroutine(move |own| (tether.here().is_none(), tether.suspend(Pause::Turn), own.here().is_some()));
        assert!(matches!(other.resume(), Ok((true, false, true))));
    }

    #[test]
    fn the_last_tether_may_die_on_another_thread() {
        let mut running = coroutine(Arc::clone);
        let Ok(tether) = running.resume() else { panic!("it does not pause") };
        drop(running);
        thread::spawn(move || drop(tether)).join().unwrap();
    }

    #[test]
    fn a_suspended_coroutine_unwinds_when_it_is_dropped() {
        let dropped = Rc::new(Cell::new(false));
        struct Flag(Rc<Cell<bool>>);
        impl Drop for Flag {
            fn drop(&mut self) {
                self.0.set(true);
            }
        }
        let flag = Flag(Rc::clone(&dropped));
        let mut running = coroutine(move |tether| {
            let _flag = flag;
            tether.suspend(Pause::Turn);
        });
        assert!(running.resume().is_err());
        drop(running);
        assert!(dropped.get());
    }
}
