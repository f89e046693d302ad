//! A device at a step whose verb serves many at once: says what it asks for, sits down with the others, and takes its outcome.

use std::rc::Rc;

use super::device::{Device, End};
use super::frame::Place;
use super::gather::Member;
use crate::batch::{Seat, unserved};
use crate::{Effect, Outcome, Ready, RunEvent, StepContext};

impl Device<'_> {
    /// One run of a verb that serves many.
    pub(super) async fn served(
        &self,
        member: &Member,
        ready: &Rc<dyn Ready>,
        effect: Effect,
        place: Place,
        context: &StepContext<'_>,
    ) -> Result<Outcome, End> {
        let Some(verb) = ready.gathers() else { return Ok(unserved()) };
        self.hold_fork().await;
        self.go_on()?;
        let share = match verb.share(context).await {
            Ok(share) => share,
            Err(outcome) => return Ok(outcome),
        };
        self.about_to_call(Effect::Reads).await?;
        self.fork.release();
        // The time that it waits for others is not its step's.
        let mut still = Some(self.clock.stop());
        let sitting = member.sit(place, ready, Seat::new(self.target.clone(), share, context.timeout));
        let (mut begun, mut stopping) = (false, false);
        loop {
            tokio::select! {
                biased;
                () = sitting.seat.moved.notified() => {}
                () = self.stop.cancelled(), if !stopping => {
                    // Once it is served, whoever serves it ends soon.
                    if sitting.waits() {
                        return Err(End::Stopped);
                    }
                    stopping = true;
                }
            }
            let news = sitting.seat.take();
            for text in news.warnings {
                self.play.events.say(&RunEvent::Warned { text });
            }
            if news.runs {
                still = None;
            } else if still.is_none() {
                still = Some(self.clock.stop());
            }
            if news.begun && !std::mem::replace(&mut begun, true) {
                self.keep_begun(effect);
                self.called.set(self.called.get() || effect == Effect::Changes);
                self.in_call.set(effect == Effect::Changes && !ready.repeatable());
                self.play.calling(&self.target.id, self.in_call.get());
            }
            news.progress.into_iter().for_each(|progress| (context.progress)(progress));
            if news.outcome.is_some() || news.closed {
                self.in_call.set(false);
                self.play.calling(&self.target.id, false);
            }
            match news.outcome {
                Some(outcome) => return Ok(outcome),
                None if news.closed => {
                    self.go_on()?;
                    return Ok(unserved());
                }
                None => {}
            }
        }
    }
}
