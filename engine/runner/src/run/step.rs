//! One step on one device: tags, `run_once`, `throttle`, `loop`, `when`, `register`, and what its end means for the device.
//! The attempts are in `attempt`.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::attempt::Tried;
use super::device::{Broken, Device, End};
use super::frame::Frame;
use super::gather::Member;
use super::nest::Nest;
use super::recall::was_entered;
use super::scope::Kind;
use super::trail::Mark;
use crate::book::{Body, Filled, Step};
use crate::journal::PastList;
use crate::{Class, Failure, Outcome, RunEvent, Skip};

/// What a step came to when the device goes on.
#[derive(Clone)]
pub(super) enum Came {
    /// A value, to be registered; whether something was changed for it.
    Value(Value, bool),
    /// A value that is not in the journal: whoever asks for it cannot go on.
    Withheld,
    /// Skipped.
    Nothing,
    /// Skipped by its `when`: what is done once for all is left to the next device.
    Left,
}

impl Device<'_> {
    /// Runs steps in order; gives the last one's value when somebody wants it.
    pub(super) fn steps<'s>(
        &'s self,
        steps: &'s [Step],
        frame: &'s Frame<'_>,
        nest: Nest<'s>,
    ) -> LocalBoxFuture<'s, Result<Value, End>> {
        async move {
            let mut last = Value::Null;
            for (index, step) in steps.iter().enumerate() {
                let wanted = nest.wanted && index + 1 == steps.len();
                self.trail.probe.set(self.play.past.is_some() && steps[index + 1..].iter().any(probes));
                last = self.step(step, frame, &nest, wanted).await?;
            }
            Ok(last)
        }
        .boxed_local()
    }

    /// One step by itself; nothing when it was skipped.
    pub(super) async fn step_value(
        &self,
        step: &Step,
        frame: &Frame<'_>,
        nest: &Nest<'_>,
    ) -> Result<Option<Value>, End> {
        self.go_on()?;
        match self.items(step, frame, nest).await? {
            Came::Value(value, _) => Ok(Some(value)),
            Came::Nothing | Came::Withheld | Came::Left => Ok(None),
        }
    }

    async fn step(&self, step: &Step, frame: &Frame<'_>, nest: &Nest<'_>, wanted: bool) -> Result<Value, End> {
        self.go_on()?;
        if !nest.chosen(step, self.play) {
            return Ok(Value::Null);
        }
        if let Some(member) = &self.member {
            let mut place = frame.place();
            place.push((step.index, 0));
            member.at(place);
        }
        if let Some(name) = &step.register {
            self.names.forget(name);
            self.trail.unwithhold(name);
        }
        let came =
            if step.run_once { self.once(step, frame, nest).await? } else { self.items(step, frame, nest).await? };
        if let (Came::Withheld, Some(name)) = (&came, &step.register) {
            self.trail.withhold(name);
        }
        let Came::Value(value, changed) = came else { return Ok(Value::Null) };
        if changed {
            self.has_changed();
        }
        if let Body::Verb { ready, .. } = &step.body
            && ready.sets()
        {
            self.set_all(&value);
        }
        match &step.register {
            None => Ok(value),
            Some(name) => {
                let kind = if nest.hides(step) { Kind::Hidden(changed) } else { Kind::Registered(changed) };
                let last = if wanted { value.clone() } else { Value::Null };
                self.names.set(name, value, kind);
                Ok(last)
            }
        }
    }

    /// A step has changed something: the blocks around have, too.
    pub(super) fn has_changed(&self) {
        self.changes.set(self.changes.get().saturating_add(1));
    }

    /// The members of what `set` gives (of each item, with `loop`) become names.
    fn set_all(&self, value: &Value) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    self.names.set(&Arc::from(name.as_str()), value.clone(), Kind::Var);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.set_all(item)),
            _ => {}
        }
    }

    /// `run_once`: the first device that gets here does it, all others take its result; a device that is skipped leaves it to the next.
    async fn once(&self, step: &Step, frame: &Frame<'_>, nest: &Nest<'_>) -> Result<Came, End> {
        if let Some(end) = self.play.past_once(step.index) {
            return self.recall_once(step, end).map_err(End::Failed);
        }
        self.others_turn(step.index).await?;
        let (cell, first) = self.play.once(step.index);
        if !first {
            self.fork.release();
        }
        // Who waits for another's result comes to no meeting before it is there.
        let rest = RefCell::new(self.member.as_ref().map(Member::rest));
        let result = cell
            .get_or_try_init(|| async {
                drop(rest.take());
                self.keep_once_begun(step.index);
                let result = match self.items(step, frame, nest).await {
                    Ok(Came::Left) => return Err(None),
                    Ok(came) => Ok(came),
                    Err(End::Failed(broken)) if broken.failure.class != Class::Hub => Err(broken),
                    Err(end) => return Err(Some(end)),
                };
                self.keep_once(step, nest.no_log || step.no_log, &result);
                Ok(result)
            })
            .await;
        drop(rest.take());
        self.play.once_moved(step.index, &self.target.id);
        match result {
            Ok(result) => result.clone().map_err(End::Failed),
            Err(None) => Ok(Came::Left),
            Err(Some(end)) => Err(end),
        }
    }

    /// A device of an earlier process had begun a `run_once` step: it goes on with it, the others wait for that.
    async fn others_turn(&self, step: usize) -> Result<(), End> {
        let rest = RefCell::new(None);
        while self.play.owner_of(step).is_some_and(|owner| owner != self.target.id) {
            self.fork.release();
            if rest.borrow().is_none() {
                rest.replace(self.member.as_ref().map(Member::rest));
            }
            let moved = self.play.moved_once.notified();
            tokio::select! {
                () = moved => {}
                () = self.stop.cancelled() => return Err(End::Stopped),
            }
        }
        Ok(())
    }

    /// The step itself, or once per item of its `loop`. All items are done; the first failure counts.
    async fn items(&self, step: &Step, frame: &Frame<'_>, nest: &Nest<'_>) -> Result<Came, End> {
        let visit = self.trail.visit(step.index);
        let known = match self.trail.list(step.index, visit) {
            Some(PastList::Broke(end)) => return self.recall(step, end, None),
            Some(PastList::Items(list)) => Some(list),
            None => step.each.as_ref().and_then(Filled::constant),
        };
        let runs = if step.each.is_none() { Some(1) } else { known.map(Vec::len) };
        if let Some(runs) = runs
            && self.trail.is_told(step.index, runs)
        {
            return match known.filter(|_| step.each.is_some()) {
                Some(list) => self.each(step, list.clone(), frame, nest, None).await,
                None => self.one(step, frame, nest, None).await,
            };
        }
        if self.trail.is_retracing() {
            return Err(End::Stopped);
        }
        let inside = self.enter(step).await?;
        let came = self.in_turn(step, (frame, nest), visit, known).await;
        self.leave(inside, &came, nest);
        came
    }

    /// The step in its turn, or once per item.
    async fn in_turn(
        &self,
        step: &Step,
        (frame, nest): (&Frame<'_>, &Nest<'_>),
        visit: u32,
        known: Option<&Vec<Value>>,
    ) -> Result<Came, End> {
        let _turn = self.turn(step).await;
        self.facts.borrow_mut().clear();
        let limit = match self.limit(step, frame).await {
            Ok(limit) => limit,
            Err(failure) => return self.broke(step, nest, visit, failure),
        };
        let Some(each) = &step.each else { return self.one(step, frame, nest, limit).await };
        let list = match known {
            Some(list) => list.clone(),
            None => match self.list(step, each, frame).await {
                Ok(list) => {
                    self.keep_list(step, visit, &list);
                    list
                }
                Err(failure) => return self.broke(step, nest, visit, failure),
            },
        };
        self.each(step, list, frame, nest, limit).await
    }

    async fn each(
        &self,
        step: &Step,
        list: Vec<Value>,
        frame: &Frame<'_>,
        nest: &Nest<'_>,
        limit: Option<Duration>,
    ) -> Result<Came, End> {
        let mut values = Vec::with_capacity(list.len());
        let (mut first, mut withheld, mut changed): (Option<Box<Broken>>, bool, bool) = (None, false, false);
        for (index, item) in list.into_iter().enumerate() {
            self.go_on()?;
            let inner = Frame::inside(frame);
            inner.round(step.index, index + 1);
            inner.set("item", item);
            match self.one(step, &inner, nest, limit).await {
                Ok(Came::Value(value, one)) => {
                    values.push(value);
                    changed |= one;
                }
                Ok(Came::Nothing | Came::Left) => values.push(Value::Null),
                Ok(Came::Withheld) => withheld = true,
                Err(End::Failed(broken)) if broken.failure.class != Class::Hub => {
                    values.push(json!({ "failed": true, "error": broken.value() }));
                    first = first.or(Some(broken));
                }
                Err(end) => return Err(end),
            }
        }
        match first {
            Some(broken) => Err(End::Failed(broken)),
            None if withheld => Ok(Came::Withheld),
            None => Ok(Came::Value(Value::Array(values), changed)),
        }
    }

    async fn list(&self, step: &Step, each: &Filled<Vec<Value>>, frame: &Frame<'_>) -> Result<Vec<Value>, Failure> {
        for fact in &step.facts {
            self.fetch(fact).await?;
        }
        Ok(each.fill(&self.scope(frame), self.play.expressions())?)
    }

    /// `throttle`: its turn in this step. The fork goes back while it queues, or two queues could wait for each other.
    async fn turn(&self, step: &Step) -> Option<tokio::sync::OwnedSemaphorePermit> {
        let turns = self.play.throttle(step)?;
        if let Ok(turn) = Arc::clone(&turns).try_acquire_owned() {
            return Some(turn);
        }
        self.fork.release();
        let _rest = self.member.as_ref().map(Member::rest);
        let _still = self.clock.stop();
        turns.acquire_owned().await.ok()
    }

    async fn limit(&self, step: &Step, frame: &Frame<'_>) -> Result<Option<Duration>, Failure> {
        let Some(timeout) = &step.timeout else { return Ok(None) };
        if let Some(template) = timeout.template() {
            for expression in template.expressions() {
                self.need(expression).await?;
            }
        }
        Ok(Some(timeout.fill(&self.scope(frame), self.play.expressions())?))
    }

    /// One item, or the only run of a step without `loop`.
    async fn one(&self, step: &Step, outer: &Frame<'_>, nest: &Nest<'_>, limit: Option<Duration>) -> Result<Came, End> {
        let mark = self.trail.next(step.index);
        if let Some(told) = self.told(step, mark, outer, nest).await {
            return told;
        }
        let past = self.trail.step(mark);
        self.trail.open.set(past.and_then(|past| past.call));
        let started = Instant::now();
        self.facts.borrow_mut().clear();
        let frame = Frame::inside(outer);
        let tried = match self.may(step, &frame, was_entered(past)).await {
            Ok(true) => {
                self.keep_entered(step, mark);
                self.trail.here.set(mark);
                let name = self.name(step, &frame);
                self.announce(step, &name);
                self.attempts(step, &frame, nest, limit).await?
            }
            Ok(false) => Tried::once(Outcome::Skipped(Skip::When)),
            Err(failure) => Tried { untried: true, ..Tried::once(self.unready(failure)) },
        };
        let name = self.name(step, &frame);
        self.finish(step, &frame, nest, (mark, tried), &name, started.elapsed()).await
    }

    fn announce(&self, step: &Step, name: &Arc<str>) {
        if matches!(step.body, Body::Verb { .. }) {
            let device = Arc::clone(&self.target.id);
            self.play.events.say(&RunEvent::StepStarted { device, step: step.index, name: Arc::clone(name) });
        }
    }

    /// Fills the step's own `vars`, reads the facts that it names, and judges `when`.
    async fn may(&self, step: &Step, frame: &Frame<'_>, entered: bool) -> Result<bool, Failure> {
        for (name, template) in &step.vars {
            for expression in template.expressions() {
                self.need(expression).await?;
            }
            let value = template.fill_value(&self.scope(frame), self.play.expressions())?;
            frame.set(name, value);
        }
        match &step.when {
            Some(_) if entered => Ok(true),
            Some(when) => self.test(when, frame).await,
            None => Ok(true),
        }
    }

    /// The step's name on this device; as written when it cannot be filled.
    fn name(&self, step: &Step, frame: &Frame<'_>) -> Arc<str> {
        let written = &self.play.book.steps[step.index].0;
        if step.name.constant().is_some() {
            return Arc::clone(written);
        }
        match step.name.fill_text(&self.scope(frame), self.play.expressions()) {
            Ok(name) => name.into(),
            Err(_) => Arc::clone(written),
        }
    }

    /// A failure before the step's first attempt, without an item.
    fn broke(&self, step: &Step, nest: &Nest<'_>, visit: u32, failure: Failure) -> Result<Came, End> {
        let name = self.written(step);
        let tried = self.ended(step, nest, Tried::once(self.unready(failure)), &name, Duration::ZERO, false);
        self.keep_broke(step, visit, &tried.outcome);
        match tried.outcome {
            Outcome::Failed(failure) => {
                let caught = tried.caught;
                let hidden = nest.hides(step);
                Err(End::Failed(Box::new(Broken { caught, hidden, ..self.broken(step, failure, name, false) })))
            }
            _ => Ok(Came::Nothing),
        }
    }

    /// In `--check`, what depends on a call that was not made is not a failure.
    pub(super) fn unready(&self, failure: Failure) -> Outcome {
        let unmade =
            |name: &&Arc<str>| failure.message.contains(&format!("`{name}`")) && self.names.get(name).is_none();
        match self.play.registers.iter().find(unmade) {
            Some(name) if self.play.options.check => {
                Outcome::Skipped(Skip::Check(format!("depends on `{name}`, which was not registered")))
            }
            Some(name) if self.trail.is_withheld(name) => Outcome::Failed(Failure {
                message: format!(
                    "`{name}` is not in the journal: its value held a secret, or its step is `no_log`. The device cannot go on \
                     from here"
                ),
                ..failure
            }),
            Some(name) if failure.span.is_some() => Outcome::Failed(Failure {
                message: format!(
                    "`{name}` has no value: the step that registers it was skipped, failed or not reached"
                ),
                ..failure
            }),
            _ => Outcome::Failed(failure),
        }
    }

    /// Says how the step ended and what that means for the device.
    async fn finish(
        &self,
        step: &Step,
        frame: &Frame<'_>,
        nest: &Nest<'_>,
        (mark, tried): (Mark, Tried),
        name: &Arc<str>,
        took: Duration,
    ) -> Result<Came, End> {
        let ignored = match (&tried.outcome, &step.ignore_errors) {
            (Outcome::Failed(failure), Some(ignore)) if failure.class != Class::Hub => {
                self.test(ignore, frame).await.unwrap_or(false)
            }
            _ => false,
        };
        let summary = self.summary(step, &tried);
        self.keep_end(step, nest, (mark, &tried), (name, &summary), took, ignored);
        self.probed(step, &tried.outcome);
        let tried = self.ended(step, nest, tried, name, took, ignored);
        match tried.outcome {
            Outcome::Done { value, changed } => {
                if changed {
                    self.has_changed();
                }
                Ok(Came::Value(value, changed))
            }
            Outcome::Skipped(skip @ Skip::Offline { rest: true }) => Err(End::Skip(skip)),
            Outcome::Skipped(Skip::When) => Ok(Came::Left),
            Outcome::Skipped(_) => Ok(Came::Nothing),
            Outcome::Failed(failure) => {
                self.play.hub_gone(&failure);
                let broken = tried.inner.unwrap_or_else(|| {
                    let caught = tried.caught;
                    let hidden = nest.hides(step);
                    Box::new(Broken { caught, hidden, ..self.broken(step, failure, Arc::clone(name), tried.again) })
                });
                if ignored {
                    return Ok(Came::Value(json!({ "failed": true, "error": broken.value() }), false));
                }
                Err(End::Failed(broken))
            }
        }
    }
}

/// Whether a step tells by itself what became of a call before it.
fn probes(step: &Step) -> bool {
    matches!(&step.body, Body::Verb { ready, .. } if ready.probes())
}
