//! One device: its twin, memory, outbox and running handlers. Shared by its session and its handlers, all on one lane.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use base::{Diagnostic, rfc3339_millis};
use rand::Rng as _;
use tokio::sync::{Notify, oneshot};
use wire::{Identity, PropertyBag};

use crate::call::Call;
use crate::desired::DesiredQueue;
use crate::event::{AgentEvent, HandlerName};
use crate::faults::Seeded;
use crate::lane::Lane;
use crate::memory::{Memory, MemoryError};
use crate::messages::Inbox;
use crate::methods::Queues;
use crate::outbox::{Full, Outbox};
use crate::reports::Taken;
use crate::timers::Timer;
use crate::twin::Twin;

/// One device.
pub(crate) struct Device {
    pub(crate) identity: Identity,
    pub(crate) lane: Rc<Lane>,
    pub(crate) outbox: Outbox,
    pub(crate) twin: RefCell<Twin>,
    pub(crate) queues: RefCell<Queues>,
    pub(crate) timers: RefCell<BTreeMap<Arc<str>, Timer>>,
    pub(crate) desired: RefCell<DesiredQueue>,
    /// Messages that are not done with; made for the first one.
    pub(crate) inbox: RefCell<Option<Box<Inbox>>>,
    /// Programs that run for its scripts.
    pub(crate) programs: Cell<u8>,
    /// Between a restart's start and its end.
    pub(crate) rebooting: Cell<bool>,
    /// The outbox drops messages, and this was told.
    pub(crate) full: Cell<bool>,
    /// What is wrong with it; nothing with most.
    pub(crate) seeded: Option<Box<Seeded>>,
    memory: RefCell<Memory>,
    /// The memory differs from the file.
    changed: Cell<bool>,
    /// A write of the file is under way; whoever waits for it hears this.
    saving: Cell<bool>,
    saved: Notify,
    running: RefCell<Vec<Rc<Call>>>,
}

impl Device {
    /// A device with what it remembers.
    pub(crate) fn new(identity: Identity, lane: Rc<Lane>, memory: Memory) -> Rc<Self> {
        let lane_bounds = lane.habits.outbox;
        let seeded = Seeded::of(&lane.habits.faults, &identity);
        Rc::new(Self {
            identity,
            lane,
            outbox: Outbox::new(lane_bounds),
            twin: RefCell::default(),
            queues: RefCell::default(),
            timers: RefCell::default(),
            desired: RefCell::default(),
            inbox: RefCell::default(),
            programs: Cell::new(0),
            rebooting: Cell::new(false),
            full: Cell::new(false),
            seeded,
            memory: RefCell::new(memory),
            // A boot that was never written down could not be told from the next one.
            changed: Cell::new(true),
            saving: Cell::new(false),
            saved: Notify::new(),
            running: RefCell::default(),
        })
    }

    /// Tells the world.
    pub(crate) fn say(&self, event: AgentEvent) {
        self.lane.say(event);
    }

    /// Tells of something that no handler sees.
    pub(crate) fn fault(&self, finding: Diagnostic) {
        self.lane.fault(&self.identity, finding);
    }

    /// An id for a message that has none of its own.
    pub(crate) fn message_id(&self) -> String {
        self.outbox.message_id(|| self.lane.rng.borrow_mut().random())
    }

    /// Puts a message in the outbox; what had to make room for it is counted, and the first of a row is told.
    pub(crate) fn post(&self, properties: PropertyBag, body: Vec<u8>) -> Result<oneshot::Receiver<Taken>, Full> {
        let (taken, dropped) = self.outbox.message(properties, body)?;
        (0..dropped).for_each(|_| self.lane.counters.messages_dropped.up());
        if dropped > 0 && !self.full.replace(true) {
            self.fault(Diagnostic::warning("the outbox is full: from here on each message drops the oldest"));
        }
        Ok(taken)
    }

    /// Now, as scripts and files write it.
    pub(crate) fn now(&self) -> String {
        rfc3339_millis(self.lane.clock.now())
    }

    /// What it remembers.
    pub(crate) fn memory(&self) -> Ref<'_, Memory> {
        self.memory.borrow()
    }

    /// What it remembers, to change it; [`save`](Self::save) or [`save_soon`](Self::save_soon) follows.
    pub(crate) fn memory_mut(&self) -> RefMut<'_, Memory> {
        self.changed.set(true);
        self.memory.borrow_mut()
    }

    /// Writes what changed, if there is a folder; it is on the disk when this returns. One write at a time.
    pub(crate) async fn save(&self) {
        let Some(folder) = &self.lane.habits.memory else { return };
        while self.saving.get() {
            self.saved.notified().await;
        }
        if !self.changed.replace(false) {
            return;
        }
        self.saving.set(true);
        let (folder, identity, memory) = (folder.clone(), self.identity.clone(), self.memory.borrow().clone());
        let written = tokio::task::spawn_blocking(move || folder.save(&identity, &memory)).await;
        self.saving.set(false);
        self.saved.notify_waiters();
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fault(file_fault(&error)),
            Err(error) => self.fault(Diagnostic::error(format!("writing the state failed: {error}"))),
        }
    }

    /// Writes what changed beside everything else. Calls that end together share a write.
    pub(crate) fn save_soon(self: &Rc<Self>) {
        if self.changed.get() && self.lane.habits.memory.is_some() {
            let device = Rc::clone(self);
            self.lane.tasks.spawn_local(async move { device.save().await });
        }
    }

    /// A handler starts.
    pub(crate) fn enter(&self, call: &Rc<Call>) {
        self.running.borrow_mut().push(Rc::clone(call));
        self.lane.counters.running.up();
    }

    /// A handler ended, one way or another.
    pub(crate) fn leave(&self, call: &Rc<Call>) {
        let mut running = self.running.borrow_mut();
        let before = running.len();
        running.retain(|other| !Rc::ptr_eq(other, call));
        if running.len() < before {
            self.lane.counters.running.down();
        }
        if running.is_empty() {
            *running = Vec::new();
            drop(running);
            self.outbox.ring();
        }
    }

    /// How many handlers run.
    pub(crate) fn running(&self) -> usize {
        self.running.borrow().len()
    }

    /// Those of one name.
    pub(crate) fn running_of(&self, handler: &HandlerName) -> Vec<Rc<Call>> {
        self.running.borrow().iter().filter(|call| call.handler == *handler).cloned().collect()
    }

    /// Calls that are not answered yet, running or queued.
    pub(crate) fn unanswered(&self) -> bool {
        let running = self.running.borrow().iter().any(|call| call.is_open());
        running || !self.queues.borrow().is_empty() || self.holds_answers()
    }

    /// Whether a restart cuts its connection, so that an answer must be known to have arrived before.
    pub(crate) fn cuts(&self) -> bool {
        let habits = &self.lane.habits;
        habits.board.is_some() || habits.sim.away || self.never_returns()
    }

    /// Ends all handlers but one, and what would start others.
    pub(crate) fn cancel_all(&self, why: &str, but: Option<&Rc<Call>>) {
        self.cancel_timers();
        self.queues.borrow_mut().clear();
        self.desired.borrow_mut().clear();
        let running = self.running.borrow().clone();
        for call in running.iter().filter(|call| !but.is_some_and(|but| Rc::ptr_eq(but, call))) {
            call.cancel(503, why);
        }
    }

    /// Ends all timers; a tick that runs goes on to its end.
    pub(crate) fn cancel_timers(&self) {
        self.timers.borrow_mut().clear();
    }
}

/// A state file's trouble as a finding.
pub(crate) fn file_fault(error: &MemoryError) -> Diagnostic {
    let cause = std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
    Diagnostic::error(format!("{error}{cause}"))
}
