//! `serial` on a block: the devices of a wave go through it in batches, and a batch begins when nobody of the one before is in the
//! block any more. Who comes first is in the first batch; whoever never comes is not waited for.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;

use super::device::{Device, End};
use super::gather::Member;
use super::nest::Nest;
use super::play::PlayRun;
use super::step::Came;
use crate::book::Step;
use crate::journal::{Kind, Record};
use crate::{Class, Skip, plan};

/// All who go through one block of one wave.
pub(super) struct Line {
    sizes: Vec<usize>,
    now: RefCell<Batch>,
    /// Who was in the block when an earlier process ended: they come first.
    awaited: RefCell<BTreeSet<Arc<str>>>,
    moved: Notify,
}

/// The present batch.
#[derive(Default)]
struct Batch {
    /// From 0.
    index: usize,
    entered: usize,
    inside: usize,
    /// Whose run of the block failed, and nothing around goes on from that.
    failed: usize,
}

/// A device's place in a batch.
pub(super) struct Inside {
    line: Rc<Line>,
    left: Cell<bool>,
}

impl Line {
    fn new(sizes: Vec<usize>, index: usize, awaited: BTreeSet<Arc<str>>) -> Self {
        let now = RefCell::new(Batch { index, ..Batch::default() });
        Self { sizes, now, awaited: RefCell::new(awaited), moved: Notify::new() }
    }

    /// How many the present batch takes. Repeated blocks come round again: then it is the last size.
    fn size(&self) -> usize {
        let index = self.now.borrow().index;
        self.sizes.get(index).or(self.sizes.last()).copied().unwrap_or(1)
    }

    /// Takes a place of the present batch, if there is one.
    fn take(self: &Rc<Self>, device: &Arc<str>) -> Option<Rc<Inside>> {
        let size = self.size();
        let back = self.forget(device);
        let mut now = self.now.borrow_mut();
        if !back && (now.entered >= size || !self.awaited.borrow().is_empty()) {
            return None;
        }
        now.entered += 1;
        now.inside += 1;
        Some(Rc::new(Inside { line: Rc::clone(self), left: Cell::new(false) }))
    }

    /// Whether the present batch is done with: the next one may begin.
    fn is_done(&self) -> bool {
        self.now.borrow().inside == 0 && self.awaited.borrow().is_empty()
    }

    /// Begins the next batch; gives its index and how many of the one before failed.
    fn turn(&self) -> (usize, usize) {
        let mut now = self.now.borrow_mut();
        let (index, failed) = (now.index + 1, now.failed);
        *now = Batch { index, ..Batch::default() };
        (index, failed)
    }

    /// It was awaited, and has come or has ended.
    pub(super) fn forget(&self, device: &Arc<str>) -> bool {
        let was = self.awaited.borrow_mut().remove(device);
        if was {
            self.wake();
        }
        was
    }

    /// Whoever queues looks again.
    pub(super) fn wake(&self) {
        self.moved.notify_waiters();
    }
}

impl Inside {
    /// It is out of the block, or is waited for: it holds nobody up any more.
    pub(super) fn leave(&self) {
        if !self.left.replace(true) {
            let mut now = self.line.now.borrow_mut();
            now.inside = now.inside.saturating_sub(1);
            drop(now);
            self.line.wake();
        }
    }

    /// How its run of the block ended. One that was skipped takes no place.
    fn ended(&self, failed: bool, skipped: bool) {
        if !self.left.get() {
            let mut now = self.line.now.borrow_mut();
            now.failed += usize::from(failed);
            now.entered = now.entered.saturating_sub(usize::from(skipped));
        }
        self.leave();
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.leave();
    }
}

impl PlayRun<'_> {
    fn line(&self, wave: usize, step: &Step) -> Rc<Line> {
        let mut lines = self.lines.borrow_mut();
        let new = || {
            let devices = self.waves.borrow().get(wave).map_or(self.size, |wave| wave.size);
            let index = self.past_wave(wave).batches.get(&step.index).copied().unwrap_or(0);
            let inside = self.past.as_ref().map(|past| past.inside(wave, step.index)).unwrap_or_default();
            Rc::new(Line::new(plan::waves(&step.serial, devices), index, inside))
        };
        Rc::clone(lines.entry((wave, step.index)).or_insert_with(new))
    }

    /// Why the play ends with the present batch of a block, if it does.
    pub(super) fn tripped(&self) -> Option<String> {
        self.tripped.borrow().clone()
    }

    /// The play goes no further than those who are under way.
    fn trip(&self, why: String) {
        self.tripped.borrow_mut().get_or_insert(why);
        self.lines.borrow().values().for_each(|line| line.wake());
    }

    /// Neither a budget nor a gate says how much may fail: then nothing may, as between waves.
    fn stops_at_failures(&self) -> bool {
        let gate = self.play.between_waves.as_ref().is_some_and(|between| between.gate.is_some());
        self.play.abort_if.is_none() && !gate
    }
}

impl Device<'_> {
    /// Waits for its batch. The fork goes back meanwhile, and no deadline counts it.
    pub(super) async fn enter(&self, step: &Step) -> Result<Option<Rc<Inside>>, End> {
        if step.serial.is_empty() || self.on_runner {
            return Ok(None);
        }
        let line = self.play.line(self.wave, step);
        let (mut rest, mut still) = (None, None);
        loop {
            let moved = line.moved.notified();
            self.go_on()?;
            if self.play.tripped().is_some() {
                return Err(End::Skip(Skip::NotReached));
            }
            if let Some(inside) = line.take(&self.target.id) {
                self.batches.borrow_mut().push(Rc::clone(&inside));
                return Ok(Some(inside));
            }
            if line.is_done() {
                self.next_batch(&line, step);
                continue;
            }
            self.fork.release();
            rest = rest.or_else(|| self.member.as_ref().map(Member::rest));
            still = still.or_else(|| Some(self.clock.stop()));
            tokio::select! {
                () = moved => {}
                () = self.stop.cancelled() => return Err(End::Stopped),
                () = self.halt.cancelled() => return Err(End::Stopped),
            }
        }
    }

    /// One batch is done with: the next one begins, unless somebody failed.
    fn next_batch(&self, line: &Rc<Line>, step: &Step) {
        let (index, failed) = line.turn();
        let record = || Record { step: Some(step.index), ..Record::new(Kind::Batch).wave(self.wave) };
        if failed > 0 && self.play.stops_at_failures() {
            let name = self.written(step);
            let why = format!("batch {index} of `{name}` had {failed} failed (`serial`; no `abort_if`, no `gate`)");
            self.play.note(|| record().text(&why));
            return self.play.trip(why);
        }
        let n = u32::try_from(index).unwrap_or(u32::MAX);
        self.play.note(|| Record { n, ..record() });
    }

    /// It is through the block, one way or another.
    pub(super) fn leave(&self, inside: Option<Rc<Inside>>, came: &Result<Came, End>, nest: &Nest<'_>) {
        let Some(inside) = inside else { return };
        self.batches.borrow_mut().retain(|held| !Rc::ptr_eq(held, &inside));
        let failed = match came {
            Err(End::Failed(broken)) => {
                let counts = !matches!(broken.failure.class, Class::Unreachable | Class::Hub);
                counts && nest.caught.is_none()
            }
            _ => false,
        };
        inside.ended(failed, matches!(came, Ok(Came::Left)));
    }

    /// It is waited for: whoever stands behind it in a line goes on without it.
    pub(super) fn stand_aside(&self) {
        self.batches.borrow().iter().for_each(|inside| inside.leave());
    }
}

/// By wave and step.
pub(super) type Lines = std::collections::BTreeMap<(usize, usize), Rc<Line>>;
