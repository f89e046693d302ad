//! The stacks that coroutines run on: how many there may be, and those that are free for reuse.

use std::sync::{Arc, Mutex};

use corosensei::stack::DefaultStack;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Address space, not memory: only touched pages count. The bombs of `tests/bombs.rs` need it: comparing, printing and
/// dropping values nested as deeply as the limits allow, with the large frames of a debug build.
const SIZE: usize = match (cfg!(target_pointer_width = "64"), cfg!(debug_assertions)) {
    (true, true) => 128 * 1024 * 1024,
    (true, false) => 32 * 1024 * 1024,
    (false, _) => 8 * 1024 * 1024,
};
/// A stack takes two mappings and `vm.max_map_count` is 65,530 by default: with the branches
/// this leaves the process a quarter of them.
const LIVE: usize = 16_000;
/// Kept for reuse. A used stack holds some 12 KiB; a fresh one costs ten times a pooled one.
const FREE: usize = 1_024;

/// How large stacks are and how many may live; for boards with 32 bits, choose less of both.
#[derive(Clone, Copy, Debug)]
pub struct StackConfig {
    /// Bytes of address space for each.
    pub size: usize,
    /// Calls that may be under way at once; more of them queue. Half as many again may be branches of running calls.
    pub live: usize,
}

impl Default for StackConfig {
    fn default() -> Self {
        if cfg!(target_pointer_width = "64") { Self { size: SIZE, live: LIVE } } else { Self { size: SIZE, live: 64 } }
    }
}

/// The stacks of one host, shared by its lanes.
pub(crate) struct Stacks {
    config: StackConfig,
    free: Mutex<Vec<DefaultStack>>,
    calls: Arc<Semaphore>,
    /// Branches have their own places: a call that waits for its branches must not keep them from starting.
    branches: Arc<Semaphore>,
}

/// The right to one stack.
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
    size: usize,
}

impl Stacks {
    pub(crate) fn new(config: StackConfig) -> Arc<Self> {
        let half = (config.live / 2).max(1);
        Arc::new(Self {
            config,
            free: Mutex::new(Vec::new()),
            calls: Arc::new(Semaphore::new(config.live.max(1))),
            branches: Arc::new(Semaphore::new(half)),
        })
    }

    /// Waits for the right to a stack. `depth` is 0 for a call, 1 for its branches, 2 for theirs; `None` when branches
    /// of branches find no place: they must not wait for what their own callers hold.
    pub(crate) async fn slot(&self, depth: usize, size: Option<usize>) -> Option<Slot> {
        let permit = match depth {
            0 => Arc::clone(&self.calls).acquire_owned().await.ok()?,
            1 => Arc::clone(&self.branches).acquire_owned().await.ok()?,
            _ => Arc::clone(&self.branches).try_acquire_owned().ok()?,
        };
        Some(Slot { _permit: permit, size: size.unwrap_or(self.config.size) })
    }

    /// A stack for the slot; `None` when the system has no room for one.
    pub(crate) fn take(&self, slot: &Slot) -> Option<DefaultStack> {
        self.stack(slot.size)
    }

    /// A stack of the usual size, without a slot: for loading, which is rare and short.
    pub(crate) fn usual(&self) -> Option<DefaultStack> {
        self.stack(self.config.size)
    }

    fn stack(&self, size: usize) -> Option<DefaultStack> {
        let pooled = if size == self.config.size { self.lock().pop() } else { None };
        pooled.or_else(|| DefaultStack::new(size).ok())
    }

    /// Takes a stack back. One that was used deeply goes back to the system, with the memory it had touched.
    pub(crate) fn give_back(&self, stack: DefaultStack, used_deeply: bool) {
        use corosensei::stack::Stack as _;
        let size = stack.base().get() - stack.limit().get();
        // The guard page and rounding make it a little larger than asked for.
        if used_deeply || size.abs_diff(self.config.size) > 64 * 1024 {
            return;
        }
        let mut free = self.lock();
        if free.len() < FREE {
            free.push(stack);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<DefaultStack>> {
        self.free.lock().expect("a list of stacks: no panic while held")
    }
}
