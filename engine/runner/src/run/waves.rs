//! Drives the devices of a play: starts them wave by wave, as forks and pace allow, and goes on with those that are waited
//! for beside the next waves. One lane, one future per device under way, nothing for those not yet started.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use futures_util::stream::FuturesUnordered;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::budget;
use super::device::{Device, DeviceEnd};
use super::exit::{self, Ended};
use super::frame::Frame;
use super::pace::Pace;
use super::play::PlayRun;
use super::scope::DeviceScope;
use crate::book::{AbortAction, BetweenWaves, Step};
use crate::plan;
use crate::{Question, RunEvent, Target};

/// How often lines that count are drawn.
pub(super) const TICK: Duration = Duration::from_millis(250);
/// Calls in flight get so long to end when the run is stopped; then they are dropped and named.
const GRACE: Duration = Duration::from_secs(2);

type Walks<'r> = FuturesUnordered<LocalBoxFuture<'r, DeviceEnd>>;

/// The devices of a play under way.
pub(super) struct Driver<'r, 'a> {
    play: &'r PlayRun<'a>,
    walks: Walks<'r>,
    pace: Pace,
    tick: Interval,
    /// `abort_if` with `continue` is said once.
    warned: bool,
    /// Where the devices of the present wave meet.
    group: usize,
}

/// Whether the play goes on with the next wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Wave,
    Nothing,
}

impl<'r, 'a> Driver<'r, 'a> {
    pub(super) fn new(play: &'r PlayRun<'a>) -> Self {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self { play, walks: Walks::new(), pace: Pace::new(play.play.rollout.clone()), tick, warned: false, group: 0 }
    }

    /// Runs all waves; every target has ended when this returns.
    pub(super) async fn run(mut self, targets: Vec<Target>) {
        let sizes = plan::waves(&self.play.play.serial, targets.len());
        let mut rest = targets.into_iter();
        let mut next = Next::Wave;
        for (index, size) in sizes.iter().enumerate() {
            let coming: Vec<Target> = rest.by_ref().take(*size).collect();
            if next == Next::Nothing {
                self.not_reached(coming, index);
                continue;
            }
            next = self.wave(coming, index, &sizes).await;
        }
        self.settle().await;
    }

    /// One wave, and what stands between it and the next one.
    async fn wave(&mut self, coming: Vec<Target>, index: usize, sizes: &[usize]) -> Next {
        let play = self.play;
        play.waves.borrow_mut().push(super::wave::Wave::new(index + 1, sizes.len(), coming.len()));
        if sizes.len() > 1 {
            play.events.say(&RunEvent::WaveStarted { index: index + 1, of: sizes.len(), size: coming.len() });
        }
        self.group = play.gather.open(index + 1, coming.len());
        let between = play.play.between_waves.as_ref();
        let looked_at = between.is_some_and(|between| !between.verify.is_empty()) || !play.play.on_abort.is_empty();
        let kept: Vec<Target> = if looked_at { coming.clone() } else { Vec::new() };
        let tripped = self.start_all(coming, index).await;
        if sizes.len() > 1 {
            let waves = play.waves.borrow();
            let (counts, waiting) = (waves[index].tally.counts(), waves[index].waiting);
            play.events.say(&RunEvent::WaveEnded { index: index + 1, counts, waiting });
        }
        if play.stop.is_cancelled() {
            return Next::Nothing;
        }
        let last = index + 1 == sizes.len();
        let verdict = match tripped {
            Some(why) => Err(why),
            None if last => Ok(()),
            None => self.between(between, &kept, index).await,
        };
        match verdict {
            Ok(()) => Next::Wave,
            Err(why) => self.abort(why, &kept, index).await,
        }
    }

    /// Starts a wave's devices and waits until nobody in it works any more. Gives the reason when the budget is spent.
    async fn start_all(&mut self, coming: Vec<Target>, index: usize) -> Option<String> {
        let play = self.play;
        let mut coming = coming.into_iter();
        let mut next = coming.next();
        let mut tripped = None;
        while !play.stop.is_cancelled() {
            if next.is_none() && play.waves.borrow()[index].is_settled() {
                break;
            }
            let due = self.pace.next().filter(|due| next.is_some() && *due > Instant::now());
            tokio::select! {
                biased;
                () = play.stop.cancelled() => break,
                () = play.gather.drive() => {}
                permit = Arc::clone(&play.forks).acquire_owned(), if next.is_some() && due.is_none() => {
                    if let Some(target) = next.take() {
                        self.start(target, index, permit.ok());
                        next = coming.next();
                    }
                }
                Some(end) = self.walks.next(), if !self.walks.is_empty() => {
                    play.ended(end);
                    tripped = tripped.or_else(|| self.spent(index));
                }
                () = play.moved.notified() => {}
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                _ = self.tick.tick() => play.events.tick(),
            }
            if tripped.is_some() && next.is_some() {
                let left: Vec<Target> = next.take().into_iter().chain(coming.by_ref()).collect();
                play.gather.unborn(self.group, left.len());
                self.not_reached(left, index);
            }
        }
        self.not_reached(next.into_iter().chain(coming).collect(), index);
        tripped
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

    fn not_reached(&self, targets: Vec<Target>, wave: usize) {
        for target in targets {
            self.play.ended(DeviceEnd::not_reached(target.id, wave, "not reached"));
        }
    }

    /// Whether `abort_if` is met now.
    fn spent(&mut self, index: usize) -> Option<String> {
        let abort = self.play.play.abort_if.as_ref()?;
        let tally = if abort.per_wave { self.play.waves.borrow()[index].tally } else { *self.play.tally.borrow() };
        let why = budget::spent(abort, &tally)?;
        if abort.action != AbortAction::Continue {
            return Some(why);
        }
        if !std::mem::replace(&mut self.warned, true) {
            self.play.events.say(&RunEvent::Warned { text: why });
        }
        None
    }

    /// Soak, verify, gate.
    async fn between(
        &mut self,
        between: Option<&'r BetweenWaves>,
        kept: &[Target],
        index: usize,
    ) -> Result<(), String> {
        let play = self.play;
        if let Some(soak) = between.and_then(|between| between.soak) {
            self.beside(tokio::time::sleep(soak)).await;
        }
        if let Some(between) = between.filter(|between| !between.verify.is_empty()) {
            let failed = self.on_devices(&between.verify, kept, index).await;
            let mut waves = play.waves.borrow_mut();
            for end in failed {
                // What was ok is not any more: the wave's counts are what the gate looks at.
                for tally in [&mut waves[index].tally, &mut *play.tally.borrow_mut()] {
                    tally.ok = tally.ok.saturating_sub(1);
                    tally.add(end.ended);
                }
                let (outcome, wave) = (end.ended.word(), index + 1);
                play.events.say(&RunEvent::VerifyFailed { device: end.id, outcome, wave, error: end.error });
            }
        }
        if play.stop.is_cancelled() {
            return Ok(());
        }
        self.gate(between, index).await
    }

    async fn gate(&mut self, between: Option<&'r BetweenWaves>, index: usize) -> Result<(), String> {
        let play = self.play;
        let gate = between.and_then(|between| between.gate.as_ref());
        let (failed, ok) = {
            let tally = &play.waves.borrow()[index].tally;
            (tally.all_failed(), tally.ok)
        };
        if index == 0 && ok == 0 && gate.is_none() {
            return Err("nobody in the first wave succeeded".to_owned());
        }
        if gate.is_none() && play.play.abort_if.is_none() && failed > 0 {
            return Err(format!(
                "wave {} had {failed} failed (no `abort_if`, no `gate`: `wave.failed == 0`)",
                index + 1
            ));
        }
        let Some(gate) = gate else { return Ok(()) };
        if let Some(that) = &gate.that {
            let device = Device { wave: index, ..Device::runner(play) };
            let frame = Frame::default();
            let scope = DeviceScope { device: &device, frame: &frame };
            match that.test(&scope, play.expressions()) {
                Ok(true) => {}
                Ok(false) => {
                    return Err(format!("the gate after wave {} is shut: {} is false", index + 1, that.text()));
                }
                Err(error) => return Err(format!("the gate after wave {}: {error}", index + 1)),
            }
        }
        if gate.approve && !self.approved(format!("Wave {} is done.", index + 1)).await {
            return Err(format!("wave {} was not approved", index + 1));
        }
        Ok(())
    }

    /// Asks a person; nobody to ask is a no. `--yes` is not an approval: it was given before anything was seen.
    async fn approved(&mut self, sentence: String) -> bool {
        let play = self.play;
        let Some(confirm) = &play.options.confirm else { return false };
        let question = Question {
            hub: play.inventory().hub().title,
            devices: 0,
            first: Vec::new(),
            verbs: Vec::new(),
            approve: Some(sentence),
        };
        let expected = question.expected();
        let answer = confirm(question);
        self.beside(answer).await.flatten().is_some_and(|answer| answer.trim() == expected)
    }

    /// The budget is spent or a gate is shut.
    async fn abort(&mut self, why: String, kept: &[Target], index: usize) -> Next {
        let play = self.play;
        let pause = play.play.abort_if.as_ref().is_some_and(|abort| abort.action == AbortAction::Pause);
        if pause && self.approved(format!("Paused: {why}.")).await {
            return Next::Wave;
        }
        play.end(exit::ABORTED, format!("aborted: {why}"));
        play.give_up.cancel();
        if !play.play.on_abort.is_empty() {
            self.on_devices(&play.play.on_abort, kept, index).await;
        }
        Next::Nothing
    }

    /// Steps on those devices of a wave that ended well, beside whoever is still under way. Gives how those ended that did not work.
    async fn on_devices(&mut self, steps: &'r [Step], targets: &[Target], wave: usize) -> Vec<DeviceEnd> {
        let play = self.play;
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
    async fn beside<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
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
    async fn settle(&mut self) {
        let play = self.play;
        let mut grace = None;
        while !self.walks.is_empty() || play.gather.is_serving() {
            if play.stop.is_cancelled() && grace.is_none() {
                grace = Some(Instant::now() + GRACE);
            }
            tokio::select! {
                biased;
                () = play.gather.drive() => {}
                Some(end) = self.walks.next(), if !self.walks.is_empty() => play.ended(end),
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
            play.ended(DeviceEnd { ended, error, ..DeviceEnd::not_reached(id, wave, "") });
        }
    }
}
