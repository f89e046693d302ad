//! What a runner script does is written down, and a script that is run again is told what came of it then: its calls, its waits,
//! what it saw.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::LocalBoxFuture;
use script::Caller;
use serde_json::Value;

use super::call::{self, Prepared};
use super::functions::target;
use super::keeper::Keeper;
use super::session::Session;
use super::wait::Wait;
use crate::journal::{Journal, Kept, Kind, Record};
use crate::run::{FAILED, Verdict, deed_line, doubt_words, unknown};
use crate::{Deed, Failure, Manner, Outcome, Told};

/// An outcome as a script gets it.
fn came(outcome: Outcome) -> Result<Value, Failure> {
    match outcome {
        Outcome::Done { value, .. } => Ok(value),
        Outcome::Skipped(_) => Ok(Value::Null),
        Outcome::Failed(failure) => Err(failure),
    }
}

impl Session {
    fn kept_in(&self) -> Option<&Journal> {
        self.options.journal.as_deref().filter(|_| !self.options.check)
    }

    fn note(&self, device: Option<&Arc<str>>, line: Record) {
        if let Some(journal) = self.kept_in() {
            // All that a script does is one step's, as far as a play's words go; its place tells it apart.
            journal.append(Record { device: device.cloned(), step: line.step.or(Some(0)), ..line });
        }
    }

    /// What an earlier process knows of a deed.
    fn told(&self, deed: &Deed, manner: &Manner, device: Option<&Arc<str>>) -> Told {
        if self.kept_in().is_none() {
            return Told::New;
        }
        match self.account.judge(deed, manner) {
            Verdict::New => Told::New,
            Verdict::Told(outcome) => Told::Again(outcome),
            Verdict::Lost(when) => Told::Again(self.lost(deed, manner, device, when)),
            Verdict::Stop(failure) => {
                self.end(FAILED, failure.message.clone());
                Told::Stop(failure)
            }
        }
    }

    /// The call was in flight when the process ended.
    fn lost(&self, deed: &Deed, manner: &Manner, device: Option<&Arc<str>>, when: SystemTime) -> Outcome {
        let line = deed_line(Kind::Step, deed);
        if let Some(value) = &manner.lost {
            let outcome = Outcome::changed(value.clone());
            self.note(device, line.outcome(&outcome, true, false));
            return outcome;
        }
        let who = device.map_or("the runner", |device| device);
        self.doubt([doubt_words(who, &deed.name, when)]);
        let outcome = Outcome::Failed(unknown(when));
        self.note(device, Record { doubt: true, blind: true, ..line.outcome(&outcome, true, false) });
        outcome
    }

    /// A deed of a device that was done in an earlier process counts as it did.
    fn counted(&self, device: Option<&Arc<str>>, outcome: Outcome) -> Result<Value, Failure> {
        if let Some(device) = device {
            self.begin(device);
            let failure = if let Outcome::Failed(failure) = &outcome { Some(failure) } else { None };
            self.note_end(device, failure, Duration::ZERO, Duration::ZERO);
        }
        came(outcome)
    }

    /// A verb.
    pub(super) async fn call(
        self: &Rc<Self>,
        prepared: Prepared,
        device: Option<String>,
        deed: Deed,
    ) -> Result<Value, Failure> {
        let id = device.as_deref().map(Arc::from);
        match self.told(&deed, &prepared.manner(), id.as_ref()) {
            Told::New => {}
            Told::Again(outcome) => return self.counted(id.as_ref(), outcome),
            Told::Stop(failure) => return Err(failure),
        }
        let target = match device {
            Some(id) => Some(target(self, &id).await?),
            None => None,
        };
        call::perform(self, prepared, target, deed).await
    }

    /// A wait with a closure.
    pub(super) async fn wait(
        self: &Rc<Self>,
        settings: Wait,
        deed: Deed,
        closure: (&Caller, &script::Handler),
    ) -> Result<Value, Failure> {
        let id = settings.device.as_deref().map(Arc::from);
        match self.told(&deed, &Manner::looking(), id.as_ref()) {
            Told::New => {}
            Told::Again(outcome) => return self.counted(id.as_ref(), outcome),
            Told::Stop(failure) => return Err(failure),
        }
        let value = settings.run(self, &deed, closure).await;
        self.done(id.as_ref(), &deed, &value);
        value
    }

    fn done(&self, device: Option<&Arc<str>>, deed: &Deed, value: &Result<Value, Failure>) {
        // One that was stopped is not done.
        if self.stop.is_cancelled() {
            return;
        }
        let outcome = match value {
            Ok(value) => Outcome::read(value.clone()),
            Err(failure) => Outcome::Failed(failure.clone()),
        };
        self.note(device, deed_line(Kind::Step, deed).outcome(&outcome, true, false));
    }
}

impl Keeper for Session {
    fn keeps(&self) -> bool {
        self.kept_in().is_some()
    }

    fn seen(self: Rc<Self>, deed: Deed, value: Value) -> LocalBoxFuture<'static, Result<Value, Failure>> {
        Box::pin(async move {
            match self.told(&deed, &Manner::looking(), None) {
                Told::Again(Outcome::Done { value, .. }) => return Ok(value),
                Told::Stop(failure) => return Err(failure),
                Told::New | Told::Again(_) => {}
            }
            let kept = Kept::of(&value);
            self.note(None, Record { withheld: kept.is_none(), value: kept, ..deed_line(Kind::Seen, &deed) });
            Ok(value)
        })
    }

    fn waited(
        self: Rc<Self>,
        deed: Deed,
        work: LocalBoxFuture<'static, Result<Value, Failure>>,
    ) -> LocalBoxFuture<'static, Result<Value, Failure>> {
        Box::pin(async move {
            match self.told(&deed, &Manner::looking(), None) {
                Told::New => {}
                Told::Again(outcome) => return came(outcome),
                Told::Stop(failure) => return Err(failure),
            }
            let value = work.await;
            self.done(None, &deed, &value);
            value
        })
    }
}
