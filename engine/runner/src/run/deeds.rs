//! A step that is a script, on one device: it holds no fork itself, each call that it makes takes one; each is a line in the journal
//! before it goes out and another when it has ended, and a resumed run gives it what came of it then.

use std::cell::Cell;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use super::account::{Account, Verdict};
use super::device::{Device, End};
use super::recall::unknown;
use super::trail::Mark;
use crate::book::Step;
use crate::deeds::{Deed, Deeds, Inside, Manner, Told, Turn};
use crate::journal::{Kept, Kind, Record, masked};
use crate::{Class, Effect, Failure, Outcome, Ready, StepContext};

/// The account of one attempt of a script.
pub(super) struct StepDeeds<'s, 'd> {
    device: &'s Device<'d>,
    name: Arc<str>,
    mark: Mark,
    attempt: u32,
    /// Values are not kept (`no_log`).
    hidden: bool,
    /// One that only reads is run again as a whole.
    keeps: bool,
    account: Account,
    /// Calls in flight that must not be repeated blindly.
    open: Cell<usize>,
}

/// The line of a deed.
pub(crate) fn line(kind: Kind, deed: &Deed) -> Record {
    Record {
        deed: Some((*deed.place).into()),
        name: Some(masked(&deed.name)),
        args: (!deed.args.is_empty()).then(|| (*deed.args).into()),
        text: (!deed.at.is_empty()).then(|| masked(&deed.at)),
        ..Record::new(kind)
    }
}

impl<'s, 'd> StepDeeds<'s, 'd> {
    pub(super) fn new(device: &'s Device<'d>, step: &Step, effect: Effect) -> Self {
        let mark = device.trail.here.get();
        let keeps = effect == Effect::Changes && device.play.journal.is_some() && !device.play.options.check;
        let past = match &device.deed {
            None => device.trail.deeds(mark).filter(|_| keeps).cloned(),
            // A verb that a runner script calls.
            Some(deed) => {
                let past = device.play.past.as_ref().filter(|_| keeps);
                past.map(|past| past.deeds.below(&format!("{}/", deed.place)))
            }
        };
        Self {
            device,
            name: device.written(step),
            mark,
            attempt: device.trail.attempt.get(),
            hidden: device.hidden.get(),
            keeps,
            account: past.map(Account::new).unwrap_or_default(),
            open: Cell::new(0),
        }
    }

    fn line(&self, kind: Kind, deed: &Deed) -> Record {
        let device = (!self.device.on_runner).then(|| Arc::clone(&self.device.target.id));
        let Mark { step, n } = self.mark;
        let step = if self.device.deed.is_some() { 0 } else { step };
        Record { device, step: Some(step), n, attempt: self.attempt, ..line(kind, deed) }
    }

    fn flying(&self, manner: &Manner, one: isize) {
        if !manner.changes() || manner.repeatable {
            return;
        }
        self.open.set(self.open.get().saturating_add_signed(one));
        let open = self.open.get() > 0;
        self.device.in_call.set(open);
        self.device.play.calling(&self.device.target.id, open);
    }

    /// The call was in flight when the process ended.
    fn lost(&self, deed: &Deed, manner: &Manner, when: std::time::SystemTime) -> Outcome {
        if let Some(value) = &manner.lost {
            let outcome = Outcome::changed(value.clone());
            self.device.play.note(|| self.line(Kind::Step, deed).outcome(&outcome, true, self.hidden));
            return outcome;
        }
        let name: Arc<str> = format!("{}: {}", self.name, deed.name).into();
        self.device.play.doubt(&self.device.target.id, &name, when);
        let outcome = Outcome::Failed(unknown(when));
        self.device.play.note(|| {
            let line = self.line(Kind::Step, deed).outcome(&outcome, true, self.hidden);
            Record { doubt: true, blind: true, ..line }
        });
        outcome
    }
}

impl Deeds for StepDeeds<'_, '_> {
    fn keeps(&self) -> bool {
        self.keeps
    }

    fn told(&self, deed: &Deed, manner: &Manner) -> Told {
        if !self.keeps {
            return Told::New;
        }
        match self.account.judge(deed, manner) {
            Verdict::New => Told::New,
            Verdict::Told(outcome) => {
                self.device.called.set(self.device.called.get() || manner.changes());
                Told::Again(outcome)
            }
            Verdict::Lost(when) => Told::Again(self.lost(deed, manner, when)),
            Verdict::Stop(failure) => Told::Stop(failure),
        }
    }

    fn begin<'a>(&'a self, deed: &'a Deed, manner: &'a Manner) -> LocalBoxFuture<'a, Option<Turn>> {
        Box::pin(async move {
            let turn = if manner.waits { Turn::default() } else { self.device.fork.turn().await };
            self.device.go_on().ok()?;
            if let Some(journal) = self.device.play.journal {
                let done = match manner.changes() && self.keeps {
                    true => journal.commit(self.line(Kind::Call, deed)).await,
                    false => journal.room().await,
                };
                if let Err(why) = done {
                    self.device.play.journal_gone(&why);
                    return None;
                }
                if self.device.go_on().is_err() {
                    if manner.changes() && self.keeps {
                        self.device.play.note(|| self.line(Kind::NotSent, deed));
                    }
                    return None;
                }
            }
            self.device.called.set(self.device.called.get() || manner.changes());
            self.flying(manner, 1);
            Some(turn)
        })
    }

    fn ended(&self, deed: &Deed, manner: &Manner, outcome: &Outcome) {
        self.flying(manner, -1);
        if !self.keeps {
            return;
        }
        if let Outcome::Failed(failure) = outcome
            && failure.class == Class::Hub
        {
            // The run ends for now: it is not done, and was not sent unless nobody knows.
            if manner.changes() && !failure.in_doubt {
                self.device.play.note(|| self.line(Kind::NotSent, deed));
            }
            return;
        }
        self.device.play.note(|| {
            let blind = matches!(outcome, Outcome::Failed(failure) if failure.in_doubt) && !manner.repeatable;
            Record { blind, ..self.line(Kind::Step, deed).outcome(outcome, true, self.hidden) }
        });
    }

    fn seen(&self, deed: &Deed, value: &Value) {
        if self.keeps {
            self.device.play.note(|| {
                let value = Kept::of(value).filter(|_| !self.hidden);
                Record { withheld: value.is_none(), value, ..self.line(Kind::Seen, deed) }
            });
        }
    }

    fn retells(&self, under: &str) -> bool {
        self.account.retells(under)
    }

    fn left_out(&self, under: &str) -> Option<Failure> {
        self.account.left_out(under)
    }
}

impl Device<'_> {
    /// A verb that is a script.
    pub(super) async fn scripted(
        &self,
        step: &Step,
        ready: &dyn Ready,
        effect: Effect,
        context: &StepContext<'_>,
    ) -> Result<Outcome, End> {
        self.fork.release();
        self.about_to_call(Effect::Reads).await?;
        let deeds = StepDeeds::new(self, step, effect);
        let inside = self.deed.as_ref().map(|deed| Inside { deeds: &deeds, place: &deed.place });
        let account: &dyn Deeds = inside.as_ref().map_or(&deeds, |inside| inside);
        let context = StepContext { deeds: Some(account), run: Arc::clone(&context.run), ..*context };
        let outcome = ready.run(&context).await;
        // One that was cut off is not done: a resumed run goes on with it.
        if self.go_on().is_err() && !matches!(outcome, Outcome::Done { .. }) {
            return Err(End::Stopped);
        }
        Ok(outcome)
    }
}
