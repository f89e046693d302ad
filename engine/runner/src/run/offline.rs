//! `offline`: what becomes of a device that is not connected. Waiting for one holds neither a fork nor a wave; it is tried
//! again with a growing pause, and its connection state is never asked for.

use std::rc::Rc;
use std::time::Duration;

use base::Backoff;
use tokio::time::Instant;

use super::attempt::Tried;
use super::clock::Still;
use super::device::{Device, End};
use super::frame::Frame;
use super::gather::Member;
use super::nest::Nest;
use super::recall::rest;
use crate::book::{Offline, Step};
use crate::{Class, Effect, Outcome, Ready, RunEvent, Skip};

/// First pause between two tries.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Longest pause: a device that comes back is met within a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Keeps a device counted as waited for; ends with it, however the wait ends.
struct Waiting<'a, 'p> {
    device: &'a Device<'p>,
    _still: Still,
}

impl<'a, 'p> Waiting<'a, 'p> {
    fn new(device: &'a Device<'p>) -> Self {
        device.play.waiting(device.wave, true);
        device.stand_aside();
        Self { device, _still: device.clock.stop() }
    }
}

impl Drop for Waiting<'_, '_> {
    fn drop(&mut self) {
        self.device.play.waiting(self.device.wave, false);
    }
}

impl Device<'_> {
    /// One run of a verb, with `offline` applied: the step's own, else that of the block around.
    pub(super) async fn online(
        &self,
        step: &Step,
        ready: &Rc<dyn Ready>,
        effect: Effect,
        frame: &Frame<'_>,
        nest: &Nest<'_>,
        limit: Option<Duration>,
    ) -> Result<Tried, End> {
        let tried = self.call(step, ready, effect, frame, limit).await?;
        if !offline(&tried.outcome) {
            return Ok(tried);
        }
        match if step.offline == Offline::Fail { nest.offline } else { step.offline } {
            Offline::Fail => Ok(tried),
            Offline::Skip => Ok(Tried::once(Outcome::Skipped(Skip::Offline { rest: true }))),
            Offline::SkipStep => Ok(Tried::once(Outcome::Skipped(Skip::Offline { rest: false }))),
            Offline::Wait(at_most) => self.wait_online(step, ready, effect, frame, (limit, at_most), tried).await,
        }
    }

    async fn wait_online(
        &self,
        step: &Step,
        ready: &Rc<dyn Ready>,
        effect: Effect,
        frame: &Frame<'_>,
        (limit, at_most): (Option<Duration>, Duration),
        first: Tried,
    ) -> Result<Tried, End> {
        let _rest = self.member.as_ref().map(Member::rest);
        let waiting = Waiting::new(self);
        self.play.events.say(&RunEvent::DeviceWaiting { device: self.target.id.clone(), at_most });
        // A wait that began before the process ended is not given its whole time again.
        let since = self.trail.step(self.trail.here.get()).and_then(|past| past.waiting);
        let until = Instant::now() + rest(at_most, since, self.play.options.clock.now());
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut rng = self.play.options.seed.of(&self.target.id).rng();
        let mut tried = first;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                if let Outcome::Failed(failure) = &mut tried.outcome {
                    let waited = base::format_duration(at_most);
                    failure.note.get_or_insert_with(|| format!("waited for it for {waited}"));
                }
                drop(waiting);
                return Ok(tried);
            }
            self.pause(backoff.next(&mut rng).min(left)).await?;
            tried = self.call(step, ready, effect, frame, limit).await?;
            if !offline(&tried.outcome) {
                drop(waiting);
                return Ok(tried);
            }
        }
    }

    /// Sleeps between two tries; ends when the run stops or gives up those it waits for.
    async fn pause(&self, duration: Duration) -> Result<(), End> {
        tokio::select! {
            () = self.play.give_up.cancelled() => Err(End::Stopped),
            slept = self.sleep(duration) => slept,
        }
    }
}

/// Not connected, and nothing was sent: a connection lost in the middle of a call is another matter.
pub(super) fn offline(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(failure) if failure.class == Class::Unreachable && !failure.in_doubt)
}
