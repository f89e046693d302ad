//! One run of a script: what its functions share. Reaches them as the call's context, never by a global.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::{Diagnostic, Source};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::plan::{self, Planned};
use crate::run::{Account, Ended, Events, Tally, doubts_sentence};
use crate::{Failure, Inventory, Registry, Reporter, RunEvent, RunOptions, Selection, Target};

/// What the functions of one script share.
pub(crate) struct Session {
    pub(crate) source: Source,
    pub(crate) registry: Registry,
    pub(crate) inventory: Rc<dyn Inventory>,
    pub(crate) expressions: script::Expressions,
    pub(crate) options: RunOptions,
    pub(crate) reporters: Vec<Rc<dyn Reporter>>,
    /// Ends the script: an interruption, or a hub that refuses.
    pub(crate) stop: CancellationToken,
    /// The run's own targets, once somebody asked for them.
    targets: RefCell<Option<Rc<[Target]>>>,
    /// The names of its steps so far: their indices in events.
    steps: RefCell<Vec<Arc<str>>>,
    /// What the calls of each device have come to.
    ends: RefCell<BTreeMap<Arc<str>, Calls>>,
    /// Why the run ends, whatever the script makes of it.
    ending: RefCell<Option<(u8, String)>>,
    would_change: Cell<bool>,
    /// What it did in an earlier process.
    pub(super) account: Account,
    /// Calls of which nobody knows whether they were carried out.
    doubts: RefCell<Vec<String>>,
}

/// What the calls of one device have come to.
#[derive(Default)]
struct Calls {
    /// How the last one ended; none when none has: `--check`, or an interruption.
    ended: Option<Ended>,
    error: Option<String>,
    took: Duration,
    waited: Duration,
}

impl Calls {
    fn ended(&self) -> Ended {
        self.ended.unwrap_or(Ended::Skipped)
    }
}

impl Session {
    pub(crate) fn new(
        source: Source,
        (registry, inventory, expressions): (Registry, Rc<dyn Inventory>, script::Expressions),
        options: &RunOptions,
        reporters: &[Rc<dyn Reporter>],
    ) -> Self {
        let past = options.journal.as_ref().and_then(|journal| journal.past().play(0));
        Self {
            source,
            registry,
            inventory,
            expressions,
            stop: options.cancel.child_token(),
            options: options.clone(),
            reporters: reporters.to_vec(),
            targets: RefCell::default(),
            steps: RefCell::default(),
            ends: RefCell::default(),
            ending: RefCell::default(),
            would_change: Cell::new(false),
            account: past.map(|past| Account::new(past.deeds.own())).unwrap_or_default(),
            doubts: RefCell::default(),
        }
    }

    pub(crate) fn events(&self) -> Events<'_> {
        Events(&self.reporters)
    }

    /// Whether the run says whom it means.
    pub(crate) fn is_limited(&self) -> bool {
        !self.options.limit.is_empty() || self.options.query.is_some()
    }

    /// The run's own targets: never silently a whole hub that is not local.
    ///
    /// # Errors
    /// As a play without `targets` is refused, with the exit code.
    pub(crate) async fn targets(&self) -> Result<Rc<[Target]>, (Diagnostic, u8)> {
        if let Some(targets) = &*self.targets.borrow() {
            return Ok(Rc::clone(targets));
        }
        match plan::select(None, &*self.inventory, &self.options).await {
            Planned::Devices(devices) => {
                let targets: Rc<[Target]> = devices.into();
                *self.targets.borrow_mut() = Some(Rc::clone(&targets));
                Ok(targets)
            }
            Planned::Refused(diagnostic, exit) => Err((*diagnostic, exit)),
        }
    }

    /// One device by its id; with `-l` or `-q`, only one of the run's own.
    ///
    /// # Errors
    /// An id that the hub does not know, or one that the run does not mean.
    pub(crate) async fn target(&self, id: &str) -> Result<Target, (Diagnostic, u8)> {
        if self.is_limited() {
            let targets = self.targets().await?;
            let found = targets.iter().find(|target| &*target.id == id).cloned();
            return found.ok_or_else(|| (Diagnostic::error(format!("{id} is not among the devices of this run")), 2));
        }
        if let Some(targets) = &*self.targets.borrow()
            && let Some(found) = targets.iter().find(|target| &*target.id == id)
        {
            return Ok(found.clone());
        }
        let selection = Selection::Ids(vec![id.to_owned()]);
        let found = self.inventory.select(&selection).await.map_err(plan::stop)?;
        found.into_iter().next().ok_or_else(|| (Diagnostic::error(format!("no such device: {id}")), 2))
    }

    /// The index of a step of this name.
    pub(crate) fn step(&self, name: &str) -> (usize, Arc<str>) {
        let mut steps = self.steps.borrow_mut();
        if let Some(index) = steps.iter().position(|known| &**known == name) {
            return (index, Arc::clone(&steps[index]));
        }
        steps.push(name.into());
        (steps.len() - 1, Arc::clone(&steps[steps.len() - 1]))
    }

    /// A call of a device begins.
    pub(crate) fn begin(&self, device: &Arc<str>) {
        if !self.ends.borrow().contains_key(device) {
            self.ends.borrow_mut().insert(Arc::clone(device), Calls::default());
            self.events().say(&RunEvent::DeviceStarted { device: Arc::clone(device), wave: 1 });
        }
    }

    /// A call of a device has ended: well, or so.
    pub(crate) fn note_end(&self, device: &Arc<str>, failure: Option<&Failure>, took: Duration, waited: Duration) {
        let mut ends = self.ends.borrow_mut();
        let calls = ends.entry(Arc::clone(device)).or_default();
        calls.ended = Some(failure.map_or(Ended::Ok, Ended::of));
        calls.error = failure.map(|failure| failure.message.clone());
        calls.took += took;
        calls.waited += waited;
    }

    /// Says how each device that was called has ended.
    pub(crate) fn devices_ended(&self) {
        let vars = Arc::new(Value::Object(Map::new()));
        for (device, calls) in self.ends.borrow().iter() {
            self.events().say(&RunEvent::DeviceEnded {
                device: Arc::clone(device),
                outcome: calls.ended().word(),
                wave: 1,
                error: calls.error.clone(),
                took: calls.took,
                waited: calls.waited,
                vars: Arc::clone(&vars),
            });
        }
    }

    pub(crate) fn note_change(&self) {
        self.would_change.set(true);
    }

    pub(crate) fn would_change(&self) -> bool {
        self.would_change.get()
    }

    /// Ends the run, whatever the script catches.
    pub(crate) fn end(&self, exit: u8, reason: String) {
        self.ending.borrow_mut().get_or_insert((exit, reason));
        self.stop.cancel();
    }

    pub(crate) fn ending(&self) -> Option<(u8, String)> {
        self.ending.borrow().clone()
    }

    /// Devices by how their last call ended.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.ends.borrow().values().for_each(|calls| tally.add(calls.ended()));
        tally
    }

    /// Calls in doubt, as the recap names them.
    pub(crate) fn doubt(&self, doubts: impl IntoIterator<Item = String>) {
        self.doubts.borrow_mut().extend(doubts);
    }

    pub(crate) fn doubts(&self) -> Option<String> {
        doubts_sentence(&self.doubts.borrow())
    }

    /// What is wrong when the script has ended without something that it did before.
    pub(crate) fn left_out(&self) -> Option<Failure> {
        self.account.left_out("")
    }

    /// The run's own targets, as an earlier process had them.
    pub(super) fn set_targets(&self, targets: Vec<Target>) {
        *self.targets.borrow_mut() = Some(targets.into());
    }

    /// What a script prints again on its way to where it was interrupted was said then.
    pub(crate) fn print(&self, text: &str) {
        if self.account.retells("") {
            return;
        }
        self.events().say(&RunEvent::Said { device: None, level: "info", text: text.to_owned() });
    }
}
