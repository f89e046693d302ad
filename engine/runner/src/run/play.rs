//! One play under way: what all its devices share, who has ended how, and why it stops.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Notify, OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;

use super::batches::Lines;
use super::device::{Broken, DeviceEnd};
use super::events::Events;
use super::exit::{self, Ended, Tally, graver};
use super::gather::Gather;
use super::past;
use super::step::Came;
use super::values::Values;
use super::wave::Wave;
use crate::book::{Body, Book, Play, Step};
use crate::journal::{Journal, PastPlay};
use crate::{Class, Failure, Inventory, RunOptions};

/// What a `run_once` step came to, for all who come later.
pub(super) type Once = Rc<OnceCell<Result<Came, Box<Broken>>>>;

/// What all devices of a play share.
pub(super) struct PlayRun<'a> {
    pub(super) book: &'a Book,
    pub(super) play: &'a Play,
    pub(super) options: &'a RunOptions,
    pub(super) events: Events<'a>,
    pub(super) inventory: &'a dyn Inventory,
    pub(super) expressions: &'a script::Expressions,
    pub(super) fact_names: &'static [&'static str],
    pub(super) values: Values<'a>,
    /// All names that steps register: a missing one of these has a message of its own.
    pub(super) registers: BTreeSet<Arc<str>>,
    pub(super) forks: Arc<Semaphore>,
    /// The play ends now.
    pub(super) stop: CancellationToken,
    /// Nobody is waited for any more.
    pub(super) give_up: CancellationToken,
    /// Nobody starts another step: a person's word is waited for.
    pub(super) halted: CancellationToken,
    /// Time that was spent before a shut window: the play's `timeout` does not count it.
    pub(super) shut: Cell<Duration>,
    /// A device began or ended to be waited for.
    pub(super) moved: Notify,
    /// Where devices meet whom one call serves.
    pub(super) gather: Rc<Gather>,
    pub(super) waves: RefCell<Vec<Wave>>,
    pub(super) tally: RefCell<Tally>,
    /// Devices under way, and whether a call that must not be repeated blindly is in flight.
    pub(super) active: RefCell<BTreeMap<Arc<str>, (usize, bool)>>,
    /// Kept only when `after` looks at them.
    pub(super) results: RefCell<Vec<DeviceEnd>>,
    /// `devices`, in `after`.
    pub(super) ended_devices: RefCell<Option<Rc<Value>>>,
    /// Ids that failed: later plays leave them out.
    pub(super) lost: RefCell<BTreeSet<Arc<str>>>,
    /// Ids that were skipped: what comes between waves leaves them out.
    pub(super) skipped: RefCell<BTreeSet<Arc<str>>>,
    /// `--check`: something would change.
    pub(super) would_change: Cell<bool>,
    ending: RefCell<Option<(u8, String)>>,
    once: RefCell<BTreeMap<usize, Once>>,
    throttles: RefCell<BTreeMap<usize, Arc<Semaphore>>>,
    pub(super) size: usize,
    /// Where calls are written before they are sent.
    pub(super) journal: Option<&'a Journal>,
    /// What earlier processes did of this play.
    pub(super) past: Option<Rc<PastPlay>>,
    /// A person is to be asked, and there is none: the run ends for now.
    pub(super) paused: Cell<bool>,
    /// Devices of an earlier process that had begun a `run_once` step.
    pub(super) owners: RefCell<BTreeMap<usize, Arc<str>>>,
    pub(super) moved_once: Notify,
    /// Who goes through blocks with `serial`.
    pub(super) lines: RefCell<Lines>,
    /// Why the play ends with a batch of such a block.
    pub(super) tripped: RefCell<Option<String>>,
    /// Calls in doubt, as the recap names them.
    pub(super) doubts: RefCell<Vec<String>>,
}

/// The doors that a play uses.
#[derive(Clone, Copy)]
pub(super) struct Doors<'a> {
    pub(super) events: Events<'a>,
    pub(super) inventory: &'a dyn Inventory,
    pub(super) expressions: &'a script::Expressions,
}

impl<'a> PlayRun<'a> {
    pub(super) fn new(
        book: &'a Book,
        play: &'a Play,
        options: &'a RunOptions,
        doors: Doors<'a>,
        values: Values<'a>,
        size: usize,
    ) -> Self {
        let mut registers = BTreeSet::new();
        for steps in [&play.before, &play.steps, &play.after, &play.on_abort] {
            collect_registers(steps, &mut registers);
        }
        let journal = past::journal(options);
        let index = book.plays.iter().position(|known| std::ptr::eq(known, play));
        let past = journal.zip(index).and_then(|(journal, index)| journal.past().play(index));
        let owners = past.as_ref().map(|past| past.owners.clone()).unwrap_or_default();
        let stop = options.cancel.child_token();
        let forks = options.forks.or(play.forks).unwrap_or(super::fork::DEFAULT_FORKS).max(1);
        Self {
            book,
            play,
            options,
            events: doors.events,
            inventory: doors.inventory,
            expressions: doors.expressions,
            fact_names: doors.inventory.fact_names(),
            values,
            registers,
            forks: Arc::new(Semaphore::new(forks.min(Semaphore::MAX_PERMITS))),
            gather: Rc::new(Gather::new(options, stop.clone())),
            stop,
            give_up: CancellationToken::new(),
            halted: CancellationToken::new(),
            shut: Cell::default(),
            moved: Notify::new(),
            waves: RefCell::default(),
            tally: RefCell::default(),
            active: RefCell::default(),
            results: RefCell::default(),
            ended_devices: RefCell::default(),
            lost: RefCell::default(),
            skipped: RefCell::default(),
            would_change: Cell::new(false),
            ending: RefCell::default(),
            once: RefCell::default(),
            throttles: RefCell::default(),
            size,
            journal,
            past,
            paused: Cell::new(false),
            owners: RefCell::new(owners),
            moved_once: Notify::new(),
            lines: RefCell::default(),
            tripped: RefCell::default(),
            doubts: RefCell::default(),
        }
    }

    pub(super) fn expressions(&self) -> &'a script::Expressions {
        self.expressions
    }

    pub(super) fn inventory(&self) -> &'a dyn Inventory {
        self.inventory
    }

    /// The play ends early: with this code, for this reason. Of several the graver one is kept.
    pub(super) fn end(&self, code: u8, reason: String) {
        let mut ending = self.ending.borrow_mut();
        match &*ending {
            Some((known, _)) if graver(*known, code) == *known => {}
            _ => *ending = Some((code, reason)),
        }
    }

    /// No further device, no further wave.
    pub(super) fn is_ending(&self) -> bool {
        self.stop.is_cancelled() || self.halted.is_cancelled()
    }

    /// Why it ended early, and the exit code for it.
    pub(super) fn ending(&self) -> Option<(u8, String)> {
        let ending = self.ending.borrow().clone();
        match ending {
            Some((exit::INTERRUPTED, _)) => ending,
            _ if self.options.cancel.is_cancelled() => Some((exit::INTERRUPTED, self.interrupted())),
            _ => ending,
        }
    }

    fn interrupted(&self) -> String {
        let in_call = self.active.borrow().values().filter(|(_, in_call)| *in_call).count();
        match in_call {
            0 => "interrupted".to_owned(),
            1 => {
                "interrupted: 1 device was in a call whose reply is not known; do not send it again blindly".to_owned()
            }
            n => format!(
                "interrupted: {n} devices were in calls whose replies are not known; do not send them again blindly"
            ),
        }
    }

    /// A failure of the hub itself ends the run.
    pub(super) fn hub_gone(&self, failure: &Failure) {
        if failure.class == Class::Hub {
            self.end(exit::HUB, format!("the hub refused or is away: {}", failure.message));
            self.stop.cancel();
        }
    }

    /// What a device counts as that was under way when the play stopped.
    pub(super) fn stopped_as(&self) -> (Ended, Option<String>) {
        if !self.stop.is_cancelled() && !self.halted.is_cancelled() {
            return (Ended::Unreachable, Some("was not connected until the run ended".to_owned()));
        }
        match &*self.ending.borrow() {
            Some((exit::FAILED, reason)) => (Ended::Timeout, Some(reason.clone())),
            Some((_, reason)) => (Ended::Skipped, Some(reason.clone())),
            None => (Ended::Skipped, Some("interrupted".to_owned())),
        }
    }

    /// The cell of a `run_once` step, and whether the asking device is the first.
    pub(super) fn once(&self, step: usize) -> (Once, bool) {
        let mut once = self.once.borrow_mut();
        let first = !once.contains_key(&step);
        (Rc::clone(once.entry(step).or_default()), first)
    }

    /// The turns of a step with `throttle`.
    pub(super) fn throttle(&self, step: &Step) -> Option<Arc<Semaphore>> {
        let turns = step.throttle?.clamp(1, Semaphore::MAX_PERMITS);
        let mut throttles = self.throttles.borrow_mut();
        Some(Arc::clone(throttles.entry(step.index).or_insert_with(|| Arc::new(Semaphore::new(turns)))))
    }

    /// A device begins (or ends) to be waited for: its wave goes on without it.
    pub(super) fn waiting(&self, wave: usize, begins: bool) {
        if let Some(wave) = self.waves.borrow_mut().get_mut(wave) {
            wave.waiting = if begins { wave.waiting + 1 } else { wave.waiting.saturating_sub(1) };
        }
        self.moved.notify_one();
    }

    /// A call that must not be repeated blindly is in flight, or not any more.
    pub(super) fn calling(&self, device: &str, in_call: bool) {
        if let Some((_, flag)) = self.active.borrow_mut().get_mut(device) {
            *flag = in_call;
        }
    }

    /// A device's run has ended.
    pub(super) fn ended(&self, end: DeviceEnd) {
        self.disowned(&end.id);
        if !end.open {
            self.note(|| end.line(!self.play.after.is_empty()));
        }
        self.count(end);
    }

    /// It counts, and is said.
    pub(super) fn count(&self, end: DeviceEnd) {
        self.active.borrow_mut().remove(&end.id);
        for line in self.lines.borrow().values() {
            line.forget(&end.id);
        }
        self.tally.borrow_mut().add(end.ended);
        if let Some(wave) = self.waves.borrow_mut().get_mut(end.wave) {
            wave.tally.add(end.ended);
        }
        match end.ended {
            Ended::Ok => {}
            Ended::Skipped if self.play.serial.is_empty() => {}
            Ended::Skipped => {
                self.skipped.borrow_mut().insert(Arc::clone(&end.id));
            }
            _ => {
                self.lost.borrow_mut().insert(Arc::clone(&end.id));
            }
        }
        self.events.say(&end.event());
        if !self.play.after.is_empty() {
            self.results.borrow_mut().push(end);
        }
    }

    /// Whether a device's run has ended well.
    pub(super) fn is_ok(&self, device: &str) -> bool {
        let not_ok = [&self.lost, &self.skipped].iter().any(|ids| ids.borrow().contains(device));
        !not_ok && !self.active.borrow().contains_key(device)
    }

    /// `run` in expressions.
    pub(super) fn run_value(&self) -> Value {
        let tally = *self.tally.borrow();
        json!({
            "id": self.options.run, "check": self.options.check, "size": self.size, "ok": tally.ok,
            "failed": tally.all_failed(), "unreachable": tally.unreachable, "timeout": tally.timeout,
            "rejected": tally.rejected, "skipped": tally.skipped,
        })
    }

    /// `wave` in expressions.
    pub(super) fn wave_value(&self, index: usize) -> Value {
        self.waves.borrow().get(index).map_or(Value::Null, Wave::value)
    }
}

fn collect_registers(steps: &[Step], names: &mut BTreeSet<Arc<str>>) {
    for step in steps {
        names.extend(step.register.clone());
        if let Body::Block { block, rescue, always } = &step.body {
            [block, rescue, always].into_iter().for_each(|steps| collect_registers(steps, names));
        }
    }
}
