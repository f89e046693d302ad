//! Drives the devices of a play: starts them wave by wave, as forks and pace allow, and goes on with those that are waited
//! for beside the next waves. One lane, one future per device under way, nothing for those not yet started.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use futures_util::stream::FuturesUnordered;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::budget;
use super::device::{Device, DeviceEnd};
use super::exit::{Ended, Tally};
use super::opening::Gatekeeper;
use super::pace::Pace;
use super::play::PlayRun;
use crate::book::{AbortAction, Step};
use crate::journal::{Kind, PastWave, Record};
use crate::plan;
use crate::{RunEvent, Target};

/// How often lines that count are drawn.
pub(super) const TICK: Duration = Duration::from_millis(250);
/// Calls in flight get so long to end when the run is stopped; then they are dropped and named.
const GRACE: Duration = Duration::from_secs(2);

type Walks<'r> = FuturesUnordered<LocalBoxFuture<'r, DeviceEnd>>;

/// The devices of a play under way.
pub(super) struct Driver<'r, 'a> {
    pub(super) play: &'r PlayRun<'a>,
    walks: Walks<'r>,
    pace: Pace,
    window: Gatekeeper,
    tick: Interval,
    /// `abort_if` with `continue` is said once.
    warned: bool,
    /// What a person has seen and allowed to go on with: it does not count against the budget again.
    pub(super) forgiven: BTreeMap<usize, Tally>,
    /// The targets of the wave that is under way, or was last, if anybody may want them again; and its index.
    pub(super) kept: (Vec<Target>, usize),
    /// Where the devices of the present wave meet.
    group: usize,
    /// Nobody has succeeded yet, and somebody is waited for who may.
    pub(super) undecided: bool,
}

/// A wave's devices that are not started yet.
pub(super) type Coming = std::iter::Peekable<std::vec::IntoIter<Target>>;

/// Whether the play goes on with the next wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Wave,
    Nothing,
}

impl<'r, 'a> Driver<'r, 'a> {
    pub(super) fn new(play: &'r PlayRun<'a>) -> Self {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let pace = Pace::new(play.play.rollout.clone());
        Self {
            play,
            walks: Walks::new(),
            pace,
            window: Gatekeeper::default(),
            tick,
            warned: false,
            forgiven: BTreeMap::new(),
            kept: (Vec::new(), 0),
            group: 0,
            undecided: false,
        }
    }

    /// Runs all waves; every target has ended when this returns.
    pub(super) async fn run(mut self, targets: Vec<Target>) {
        let sizes = match &self.play.past {
            Some(past) => past.sizes.clone(),
            None => plan::waves(&self.play.play.serial, targets.len()),
        };
        let mut rest = targets.into_iter();
        let mut next = Next::Wave;
        for (index, size) in sizes.iter().enumerate() {
            let coming: Vec<Target> = rest.by_ref().take(*size).collect();
            if next == Next::Nothing {
                self.leave(coming, index);
                continue;
            }
            next = self.wave(coming, index, &sizes).await;
        }
        self.settle(next).await;
    }

    /// One wave, and what stands between it and the next one.
    async fn wave(&mut self, all: Vec<Target>, index: usize, sizes: &[usize]) -> Next {
        let (play, past) = (self.play, self.play.past_wave(index));
        play.waves.borrow_mut().push(super::wave::Wave::new(index + 1, sizes.len(), all.len()));
        let between = play.play.between_waves.as_ref();
        let looked_at = between.is_some_and(|between| !between.verify.is_empty()) || !play.play.on_abort.is_empty();
        if let Some(why) = past.tripped.clone() {
            play.tripped.borrow_mut().get_or_insert(why);
        }
        self.kept = (if looked_at { all.clone() } else { Vec::new() }, index);
        let mut coming = self.restored(all, index).into_iter().peekable();
        self.group = play.gather.open(index + 1, coming.len());
        if past.passed {
            // Only those that are waited for are left of it.
            let allowed = past.approved || past.forgiven.is_some();
            self.undecided |= index == 0 && !allowed && play.tally.borrow().ok == 0;
            let left = coming.peek().is_some();
            let tripped = if left { self.start_all(&mut coming, index, None).await } else { None };
            return self.passed(tripped, coming).await;
        }
        self.begun(&past, sizes, index);
        if let Some(forgiven) = past.forgiven.as_deref() {
            self.forgive(index, Tally::of(forgiven));
        }
        let tripped = past.aborted.clone().or_else(|| if past.begun { self.spent(index) } else { None });
        let tripped = self.start_all(&mut coming, index, tripped).await;
        if play.is_ending() {
            self.leave(coming.collect(), index);
            return Next::Nothing;
        }
        let last = index + 1 == sizes.len();
        match tripped {
            Some(why) => self.abort(why, coming).await,
            None => {
                self.ended(sizes, index);
                match if last { Ok(()) } else { self.between(between, &past, index).await } {
                    Ok(()) if play.is_ending() || play.paused.get() => Next::Nothing,
                    Ok(()) => {
                        play.note(|| Record::new(Kind::Passed).wave(index));
                        Next::Wave
                    }
                    Err(why) => self.abort(why, coming).await,
                }
            }
        }
    }

    /// A wave that an earlier process was done with.
    async fn passed(&mut self, tripped: Option<String>, left: Coming) -> Next {
        match tripped {
            Some(why) => self.abort(why, left).await,
            None => {
                self.leave(left.collect(), self.kept.1);
                if self.play.is_ending() { Next::Nothing } else { Next::Wave }
            }
        }
    }

    /// Those that have ended in an earlier process count again; gives the others.
    fn restored(&self, all: Vec<Target>, index: usize) -> Vec<Target> {
        let play = self.play;
        let ended = |target: &Target| match play.past_end(&target.id) {
            Some(past) => {
                play.restore(&target.id, index, past);
                true
            }
            None => false,
        };
        all.into_iter().filter(|target| !ended(target)).collect()
    }

    fn begun(&self, past: &PastWave, sizes: &[usize], index: usize) {
        let (play, size) = (self.play, sizes[index]);
        if !past.begun {
            play.note(|| Record { size: Some(size), ..Record::new(Kind::Wave).wave(index) });
        }
        if sizes.len() > 1 {
            play.events.say(&RunEvent::WaveStarted { index: index + 1, of: sizes.len(), size });
        }
    }

    fn ended(&self, sizes: &[usize], index: usize) {
        let play = self.play;
        if sizes.len() > 1 {
            let waves = play.waves.borrow();
            let (counts, waiting) = (waves[index].tally.counts(), waves[index].waiting);
            play.events.say(&RunEvent::WaveEnded { index: index + 1, counts, waiting });
        }
    }

    /// Starts a wave's devices and waits until nobody in it works any more. Gives the reason when the budget is spent: then those
    /// that were not started are left in `coming`.
    pub(super) async fn start_all(
        &mut self,
        coming: &mut Coming,
        index: usize,
        mut tripped: Option<String>,
    ) -> Option<String> {
        let play = self.play;
        while !play.is_ending() {
            let more = tripped.is_none() && coming.peek().is_some();
            if !more && play.waves.borrow()[index].is_settled(coming.len()) {
                break;
            }
            let due = if more { self.due(coming.len()) } else { None };
            tokio::select! {
                biased;
                () = play.stop.cancelled() => break,
                () = play.gather.drive() => {}
                permit = Arc::clone(&play.forks).acquire_owned(), if more && due.is_none() => {
                    if let Some(target) = coming.next() {
                        self.start(target, index, permit.ok());
                    }
                }
                Some(end) = self.walks.next(), if !self.walks.is_empty() => {
                    let wave = end.wave;
                    play.ended(end);
                    tripped = tripped.or_else(|| self.spent(wave));
                    if tripped.is_some() {
                        // Nobody waits for those who do not start now.
                        play.gather.unborn(self.group, coming.len());
                    }
                }
                () = play.moved.notified() => {}
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                _ = self.tick.tick() => play.events.tick(),
            }
        }
        tripped
    }

    /// When the next device may start, if not now: the play's pace, and its window.
    fn due(&mut self, waiting: usize) -> Option<Instant> {
        let paced = self.pace.next().filter(|due| *due > Instant::now());
        paced.max(self.window.shut_until(self.play, waiting))
    }

    fn start(&mut self, target: Target, wave: usize, permit: Option<OwnedSemaphorePermit>) {
        let play = self.play;
        play.active.borrow_mut().insert(Arc::clone(&target.id), (wave, false));
        play.events.say(&RunEvent::DeviceStarted { device: Arc::clone(&target.id), wave: wave + 1 });
        self.pace.started(Instant::now(), play.tally.borrow().ok);
        let group = self.group;
        self.walks.push(
            async move {
                let device = Device::new(play, target, wave, permit).among(group);
                device.walk(&play.play.steps).await
            }
            .boxed_local(),
        );
    }

    /// Those that are not started: over, or for a resumed run.
    pub(super) fn leave(&self, targets: Vec<Target>, wave: usize) {
        for target in targets {
            match self.play.past_end(&target.id) {
                Some(past) => self.play.restore(&target.id, wave, past),
                None => self.play.ended(self.play.not_reached(target.id, wave)),
            }
        }
    }

    fn is_per_wave(&self) -> bool {
        self.play.play.abort_if.as_ref().is_some_and(|abort| abort.per_wave)
    }

    /// What `abort_if` counts: all, or this wave.
    pub(super) fn counted(&self, index: usize) -> Tally {
        if self.is_per_wave() { self.play.waves.borrow()[index].tally } else { *self.play.tally.borrow() }
    }

    /// What has failed until now is allowed; from here on it counts anew.
    pub(super) fn forgive(&mut self, index: usize, tally: Tally) {
        self.forgiven.insert(if self.is_per_wave() { index } else { 0 }, tally);
    }

    /// Whether `abort_if` is met now, by what is counted in all or in this wave.
    fn spent(&mut self, index: usize) -> Option<String> {
        if let Some(why) = self.play.tripped() {
            return Some(why);
        }
        let abort = self.play.play.abort_if.as_ref()?;
        let forgiven = self.forgiven.get(if abort.per_wave { &index } else { &0 }).copied().unwrap_or_default();
        let tally = self.counted(index).since(&forgiven);
        let why = budget::spent(abort, &tally)?;
        if abort.action != AbortAction::Continue {
            return Some(why);
        }
        if !std::mem::replace(&mut self.warned, true) {
            self.play.events.say(&RunEvent::Warned { text: why });
        }
        None
    }

    /// The same after something that went on beside the waves: any of them may have lost a device in it.
    pub(super) fn spent_anywhere(&mut self) -> Option<String> {
        if let Some(why) = self.play.tripped() {
            return Some(why);
        }
        let abort = self.play.play.abort_if.as_ref()?;
        let waves = if abort.per_wave { self.kept.1 + 1 } else { 1 };
        (0..waves).find_map(|index| self.spent(index))
    }

    /// Steps on those devices of the wave that ended well, beside whoever is still under way. Gives how those ended that did not work.
    pub(super) async fn on_devices(&mut self, steps: &'r [Step]) -> Vec<DeviceEnd> {
        let play = self.play;
        let (targets, wave) = (&self.kept.0, self.kept.1);
        let chosen: Vec<Target> = targets.iter().filter(|target| play.is_ok(&target.id)).cloned().collect();
        let group = play.gather.open(wave + 1, chosen.len());
        let walk = |target| async move { Device::new(play, target, wave, None).among(group).walk(steps).await };
        let mut walks: Walks<'_> = chosen.into_iter().map(|target| walk(target).boxed_local()).collect();
        let mut failed = Vec::new();
        while let Some(Some(end)) = self.beside(walks.next()).await {
            if !matches!(end.ended, Ended::Ok | Ended::Skipped) {
                play.lost.borrow_mut().insert(Arc::clone(&end.id));
                failed.push(end);
            }
        }
        failed
    }

    /// Waits for something while the devices under way go on. `None` when the play is stopped first.
    pub(super) async fn beside<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let play = self.play;
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                () = play.stop.cancelled() => return None,
                () = play.gather.drive() => {}
                done = &mut work => return Some(done),
                Some(end) = self.walks.next(), if !self.walks.is_empty() => play.ended(end),
                _ = self.tick.tick() => play.events.tick(),
            }
        }
    }

    /// The rest of those under way: to their end, or a moment's grace when the play is stopped.
    async fn settle(&mut self, mut next: Next) {
        let play = self.play;
        let mut grace = None;
        while !self.walks.is_empty() || play.gather.is_serving() {
            if play.stop.is_cancelled() && grace.is_none() {
                grace = Some(Instant::now() + GRACE);
            }
            tokio::select! {
                biased;
                () = play.gather.drive() => {}
                Some(end) = self.walks.next(), if !self.walks.is_empty() => {
                    let wave = end.wave;
                    play.ended(end);
                    // The last ones count like all others: those still waited for are given up.
                    if next == Next::Wave && let Some(why) = self.spent(wave) {
                        next = self.abort(why, Vec::new().into_iter().peekable()).await;
                    }
                }
                () = play.stop.cancelled(), if grace.is_none() => {}
                () = tokio::time::sleep_until(grace.unwrap_or_else(Instant::now)), if grace.is_some() => break,
                _ = self.tick.tick() => play.events.tick(),
            }
        }
        self.drop_walks();
    }

    /// Those that did not end in the grace: dropped, and named.
    fn drop_walks(&mut self) {
        let play = self.play;
        // The reason counts the calls in flight: it is made before they are dropped.
        if let Some((code, reason)) = play.ending() {
            play.end(code, reason);
        }
        self.walks.clear();
        let left: Vec<_> = play.active.borrow().iter().map(|(id, state)| (Arc::clone(id), *state)).collect();
        for (id, (wave, in_call)) in left {
            let (ended, error) = play.stopped_as();
            let doubt = "stopped in a call whose reply is not known; do not send it again blindly".to_owned();
            let error = if in_call { Some(doubt) } else { error };
            let open = play.is_held();
            play.ended(DeviceEnd { ended, error, ..DeviceEnd::not_reached(id, wave, "", open) });
        }
    }
}
