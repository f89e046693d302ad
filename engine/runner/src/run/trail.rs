//! Where a device is on its way, and what earlier processes have written of it. A step that has ended there is not done again:
//! what it came to is taken from the journal. Pure.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use crate::journal::{PastDeeds, PastDevice, PastEnd, PastList, PastStep};

/// One run of a step on a device: loop items and repeated blocks count up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) step: usize,
    pub(super) n: u32,
}

/// A device's way.
#[derive(Default)]
pub(super) struct Trail {
    past: Option<Rc<PastDevice>>,
    /// By step: runs and visits so far (a loop is one visit and many runs).
    counts: RefCell<BTreeMap<usize, (u32, u32)>>,
    /// The run that is under way.
    pub(super) here: Cell<Mark>,
    pub(super) attempt: Cell<u32>,
    /// A call of an earlier process whose end is not known: when it was sent.
    pub(super) open: Cell<Option<SystemTime>>,
    /// What the present step came to is a guess about such a call.
    pub(super) doubtful: Cell<bool>,
    /// Inside a block that has ended: nothing is done, and what has no end was cut off there.
    retracing: Cell<bool>,
    /// A later step of the present list can tell whether a call was carried out.
    pub(super) probe: Cell<bool>,
    /// Calls in doubt that such a step is to tell of: mark, name, when.
    pub(super) doubts: RefCell<Vec<(Mark, Arc<str>, SystemTime)>>,
    /// Registered names whose values are not in the journal.
    withheld: RefCell<BTreeSet<Arc<str>>>,
}

impl Trail {
    pub(super) fn new(past: Option<Rc<PastDevice>>) -> Self {
        Self { past, ..Self::default() }
    }

    /// The next run of a step.
    pub(super) fn next(&self, step: usize) -> Mark {
        let mut counts = self.counts.borrow_mut();
        let (runs, _) = counts.entry(step).or_default();
        let mark = Mark { step, n: *runs };
        *runs += 1;
        mark
    }

    /// The next visit of a step: a number of its own, since a loop's items come later.
    pub(super) fn visit(&self, step: usize) -> u32 {
        let mut counts = self.counts.borrow_mut();
        let (_, visits) = counts.entry(step).or_default();
        *visits += 1;
        *visits - 1
    }

    pub(super) fn step(&self, mark: Mark) -> Option<&PastStep> {
        self.past.as_ref()?.step(mark.step, mark.n)
    }

    pub(super) fn end(&self, mark: Mark) -> Option<&PastEnd> {
        self.step(mark)?.end.as_ref()
    }

    /// What the present attempt of a script did.
    pub(super) fn deeds(&self, mark: Mark) -> Option<&PastDeeds> {
        self.past.as_ref()?.deeds(mark.step, mark.n)
    }

    pub(super) fn list(&self, step: usize, visit: u32) -> Option<&PastList> {
        self.past.as_ref()?.list(step, visit)
    }

    /// The variables of its own, as they were when it began.
    pub(super) fn vars(&self) -> Option<&serde_json::Value> {
        self.past.as_ref()?.vars.as_ref()
    }

    /// Whether the next so many runs of a step need nothing but the journal.
    pub(super) fn is_told(&self, step: usize, runs: usize) -> bool {
        let done = self.counts.borrow().get(&step).map_or(0, |(runs, _)| *runs);
        let last = u32::try_from(runs.saturating_sub(1)).unwrap_or(u32::MAX);
        runs == 0 || self.is_retracing() || self.end(Mark { step, n: done.saturating_add(last) }).is_some()
    }

    pub(super) fn is_retracing(&self) -> bool {
        self.retracing.get()
    }

    /// Begins or ends to retrace; gives what was before.
    pub(super) fn retrace(&self, retracing: bool) -> bool {
        self.retracing.replace(retracing)
    }

    pub(super) fn withhold(&self, name: &Arc<str>) {
        self.withheld.borrow_mut().insert(Arc::clone(name));
    }

    pub(super) fn unwithhold(&self, name: &str) {
        self.withheld.borrow_mut().remove(name);
    }

    pub(super) fn is_withheld(&self, name: &str) -> bool {
        self.withheld.borrow().contains(name)
    }
}
