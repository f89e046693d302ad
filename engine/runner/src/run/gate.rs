//! What stands between two waves, and what ends a play early: soak, verify, gate; the budget, and a person who is asked about it.

use std::sync::Arc;

use super::approval::Answer;
use super::device::Device;
use super::exit;
use super::frame::Frame;
use super::recall::rest;
use super::scope::DeviceScope;
use super::waves::{Coming, Driver, Next};
use crate::RunEvent;
use crate::book::{AbortAction, BetweenWaves};
use crate::journal::{Kind, PastWave, Record, masked};

impl<'r> Driver<'r, '_> {
    /// Soak, verify, gate.
    pub(super) async fn between(
        &mut self,
        between: Option<&'r BetweenWaves>,
        past: &PastWave,
        index: usize,
    ) -> Result<(), String> {
        let play = self.play;
        if let Some(soak) = between.and_then(|between| between.soak) {
            if past.soak.is_none() {
                play.note(|| Record::new(Kind::Soak).wave(index));
            }
            let soak = rest(soak, past.soak, play.options.clock.now());
            self.beside(tokio::time::sleep(soak)).await;
        }
        if let Some(between) = between.filter(|between| !between.verify.is_empty() && !past.verified) {
            let failed = self.on_devices(&between.verify).await;
            if play.is_held() || play.is_ending() {
                return Ok(());
            }
            let mut waves = play.waves.borrow_mut();
            for end in failed {
                // What was ok is not any more: the wave's counts are what the gate looks at.
                for tally in [&mut waves[index].tally, &mut *play.tally.borrow_mut()] {
                    tally.ok = tally.ok.saturating_sub(1);
                    tally.add(end.ended);
                }
                let (outcome, wave) = (end.ended.word(), index + 1);
                let (device, text) = (Some(Arc::clone(&end.id)), end.error.as_deref().map(masked));
                let line = Record { device, text, outcome: Some(outcome.into()), ..Record::new(Kind::Verified) };
                play.note(|| line.wave(index));
                play.events.say(&RunEvent::VerifyFailed { device: end.id, outcome, wave, error: end.error });
            }
            play.note(|| Record::new(Kind::Verified).wave(index));
        }
        if play.stop.is_cancelled() {
            return Ok(());
        }
        if let Some(why) = past.aborted.clone() {
            return Err(why);
        }
        match self.spent_anywhere() {
            Some(why) => Err(why),
            None => self.gate(between, past, index).await,
        }
    }

    /// Whether nobody has succeeded, in the first wave or in those behind it that began while its last devices were waited for.
    fn nobody(&mut self, index: usize, ok: usize) -> Option<String> {
        let first = index == 0 || std::mem::take(&mut self.undecided);
        if !first || ok > 0 || self.play.tally.borrow().ok > 0 {
            return None;
        }
        // A device that is waited for may still be the one: it holds no wave.
        self.undecided = self.play.waves.borrow().iter().any(|wave| wave.waiting > 0);
        (!self.undecided).then(|| match index {
            0 => "nobody in the first wave succeeded".to_owned(),
            _ => format!("nobody in the first {} waves succeeded", index + 1),
        })
    }

    async fn gate(&mut self, between: Option<&'r BetweenWaves>, past: &PastWave, index: usize) -> Result<(), String> {
        let play = self.play;
        let gate = between.and_then(|between| between.gate.as_ref());
        if past.approved {
            return Ok(());
        }
        let (failed, ok) = {
            let tally = &play.waves.borrow()[index].tally;
            (tally.all_failed(), tally.ok)
        };
        if gate.is_none()
            && let Some(why) = self.nobody(index, ok)
        {
            return Err(why);
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
        if !gate.approve {
            return Ok(());
        }
        match self.approved(format!("Wave {} is done.", index + 1)).await {
            Answer::Yes => {
                play.note(|| Record::new(Kind::Approved).wave(index));
                Ok(())
            }
            Answer::No => Err(format!("wave {} was not approved", index + 1)),
            Answer::Nobody => {
                self.play.pause(format!("wave {} is done and waits for an approval", index + 1), index);
                Ok(())
            }
        }
    }

    /// Asks a person, beside whoever is still under way.
    async fn approved(&mut self, sentence: String) -> Answer {
        let play = self.play;
        self.beside(play.approved(sentence)).await.unwrap_or_else(|| play.nobody())
    }

    /// The budget is spent or a gate is shut.
    pub(super) async fn abort(&mut self, why: String, mut coming: Coming) -> Next {
        let (play, index) = (self.play, self.kept.1);
        let past = play.past_wave(index);
        let pause = play.play.abort_if.as_ref().is_some_and(|abort| abort.action == AbortAction::Pause);
        if pause && past.aborted.is_none() {
            match self.approved(format!("Paused: {why}.")).await {
                Answer::Yes => {
                    let counted = self.counted(index);
                    self.forgive(index, counted);
                    let sizes = Some(counted.list().to_vec());
                    play.note(|| Record { sizes, ..Record::new(Kind::Approved).wave(index) });
                    return Box::pin(self.go_on(coming)).await;
                }
                Answer::No => {}
                Answer::Nobody => {
                    self.play.pause(format!("paused: {why}"), index);
                    self.leave(coming.collect(), index);
                    return Next::Nothing;
                }
            }
        }
        play.end(exit::ABORTED, format!("aborted: {why}"));
        if past.aborted.is_none() {
            play.note(|| Record::new(Kind::Aborted).wave(index).text(&why));
        }
        self.leave(coming.by_ref().collect(), index);
        play.give_up.cancel();
        if !play.play.on_abort.is_empty() {
            self.on_devices(&play.play.on_abort).await;
        }
        Next::Nothing
    }

    /// After a yes: the rest of the wave, then the next one.
    async fn go_on(&mut self, mut coming: Coming) -> Next {
        let index = self.kept.1;
        let tripped = self.start_all(&mut coming, index, None).await;
        match tripped {
            Some(why) => self.abort(why, coming).await,
            None => {
                self.leave(coming.collect(), index);
                if self.play.is_ending() {
                    return Next::Nothing;
                }
                self.play.note(|| Record::new(Kind::Passed).wave(index));
                Next::Wave
            }
        }
    }
}
