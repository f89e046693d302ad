//! The attempts of one step on one device: `until`, `retries`, `delay`, `backoff`, the step's deadline, and the one call or
//! block that an attempt is. Never repeats a call whose reply is unknown, unless the verb says that it does no harm.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use base::format_duration;
use serde_json::json;
use tokio::time::Instant;

use super::device::{Broken, Device, End, HIDDEN};
use super::frame::Frame;
use super::nest::{Caught, Nest};
use super::offline::offline;
use super::recall::rest;
use crate::book::{Body, Step};
use crate::{Class, Effect, Failure, Outcome, Progress, Ready, RunEvent, Skip, StepContext};

/// Attempts after the first when there is an `until`, and neither `retries` nor `timeout` bounds it: Ansible's number.
const UNTIL_RETRIES: u32 = 3;
/// Between attempts when `delay` does not say: Ansible's number.
const DELAY: Duration = Duration::from_secs(5);
/// `backoff` stops growing here: a delay beyond an hour is not a retry any more.
const LONGEST_DELAY: Duration = Duration::from_secs(3_600);
/// A verb that waits ends by itself at the step's deadline and says more than the runner can; it gets so long for it.
const LAST_WORD: Duration = Duration::from_secs(5);

/// What the attempts of a step came to.
pub(super) struct Tried {
    pub(super) outcome: Outcome,
    pub(super) attempts: u32,
    /// What the verb said last of its progress: the summary.
    pub(super) says: Option<String>,
    /// The step inside a block that failed: it has been reported already.
    pub(super) inner: Option<Box<Broken>>,
    /// Repeating it does no harm.
    pub(super) again: bool,
    /// It broke before its first attempt.
    pub(super) untried: bool,
    /// Its failure was said as one that something around goes on from.
    pub(super) caught: bool,
}

impl Tried {
    /// One attempt, or none.
    pub(super) fn once(outcome: Outcome) -> Self {
        Self { outcome, attempts: 1, says: None, inner: None, again: true, untried: false, caught: false }
    }
}

impl Device<'_> {
    /// All attempts, within the step's deadline.
    pub(super) async fn attempts(
        &self,
        step: &Step,
        frame: &Frame<'_>,
        nest: &Nest<'_>,
        limit: Option<Duration>,
    ) -> Result<Tried, End> {
        let Some(limit) = limit else { return self.repeat(step, frame, nest, None).await };
        let waits = matches!(&step.body, Body::Verb { ready, .. } if ready.waits() || ready.gathers().is_some());
        let allowed = if waits { limit + LAST_WORD } else { limit };
        match self.clock.within(allowed, self.repeat(step, frame, nest, Some(limit))).await {
            Some(tried) => tried,
            None => {
                let in_doubt = self.in_call.take();
                let mut message = format!("did not end within {}", format_duration(limit));
                if in_doubt {
                    message.push_str(". The call may have reached it: do not send it again blindly");
                }
                let failure =
                    Failure { in_doubt, value: json!({ "lost": in_doubt }), ..Failure::new(Class::Timeout, message) };
                Ok(Tried { again: !in_doubt, ..Tried::once(failure.into()) })
            }
        }
    }

    async fn repeat(
        &self,
        step: &Step,
        frame: &Frame<'_>,
        nest: &Nest<'_>,
        limit: Option<Duration>,
    ) -> Result<Tried, End> {
        let retries = match (step.retries.retries, &step.retries.until, limit) {
            (Some(retries), ..) => retries,
            (None, Some(_), Some(_)) => u32::MAX,
            (None, Some(_), None) => UNTIL_RETRIES,
            (None, None, _) => 0,
        };
        let mut delay = step.retries.delay.unwrap_or(DELAY);
        let mark = self.trail.here.get();
        let mut attempt = 1;
        let (done, since) = self.trail.step(mark).map_or((0, None), |past| (past.again, past.again_at));
        self.walk_again(step, done, frame, nest).await;
        while attempt <= done {
            let last = attempt == done;
            let rest = if last { rest(delay, since, self.play.options.clock.now()) } else { Duration::ZERO };
            self.sleep(rest).await?;
            delay = grown(delay, step);
            attempt += 1;
        }
        self.hidden.set(nest.hides(step));
        loop {
            self.trail.here.set(mark);
            self.trail.attempt.set(attempt);
            frame.set("attempt", json!(attempt));
            frame.round(step.index, attempt as usize);
            let mut tried = self.judged(step, frame, nest, limit, attempt <= retries).await?;
            tried.attempts = attempt;
            let Some(reason) = again(&tried) else { return Ok(tried) };
            let reason = if nest.hides(step) { HIDDEN.to_owned() } else { reason };
            if attempt > retries {
                return Ok(tried);
            }
            self.keep_again(mark, attempt, &reason);
            self.play.events.say(&RunEvent::StepRetried {
                device: self.target.id.clone(),
                step: step.index,
                attempt,
                reason,
            });
            self.sleep(delay).await?;
            delay = grown(delay, step);
            attempt += 1;
        }
    }

    /// Sleeps without a fork; ends when the run is being stopped.
    pub(super) async fn sleep(&self, duration: Duration) -> Result<(), End> {
        self.fork.release();
        tokio::select! {
            () = self.stop.cancelled() => Err(End::Stopped),
            () = tokio::time::sleep(duration) => Ok(()),
        }
    }

    /// One attempt, judged by `failed_when`, `changed_when` and `until`.
    async fn judged(
        &self,
        step: &Step,
        frame: &Frame<'_>,
        nest: &Nest<'_>,
        limit: Option<Duration>,
        repeats: bool,
    ) -> Result<Tried, End> {
        let mut tried = match &step.body {
            Body::Verb { ready, effect, .. } => match self.lost_call(step, &**ready) {
                Some(tried) => tried,
                None => self.online(step, ready, *effect, frame, nest, limit).await?,
            },
            Body::Block { block, rescue, always } => {
                self.block(step, [block, rescue, always], frame, nest, repeats).await?
            }
        };
        // What the attempt did may show in the facts.
        self.facts.borrow_mut().clear();
        tried.outcome = self.judge(step, tried.outcome, frame).await;
        if !matches!(tried.outcome, Outcome::Failed(_)) {
            tried.inner = None;
        }
        Ok(tried)
    }

    /// One run of a verb.
    pub(super) async fn call(
        &self,
        step: &Step,
        ready: &Rc<dyn Ready>,
        effect: Effect,
        frame: &Frame<'_>,
        limit: Option<Duration>,
    ) -> Result<Tried, End> {
        for fact in &step.facts {
            if let Err(failure) = self.fetch(fact).await {
                return Ok(Tried::once(failure.into()));
            }
        }
        let says = RefCell::new(None);
        let progress = |progress: Progress| self.progress(step, progress, &says);
        let say = |level: &'static str, text: String| self.say(level, text);
        let scope = self.scope(frame);
        let context = StepContext {
            target: &self.target,
            scope: &scope,
            expressions: self.play.expressions(),
            inventory: self.play.inventory(),
            timeout: limit,
            failed_when: step.failed_when.as_ref(),
            progress: &progress,
            say: &say,
            cancel: &self.stop,
            called: self.called.get(),
            check_mode: self.play.options.check,
            files: &self.play.options.files,
            run: self.play.options.run.clone(),
            deeds: None,
        };
        if let Some(sentence) = ready.asks(&context) {
            return match sentence {
                Ok(sentence) => self.ask(sentence).await,
                Err(failure) => Ok(Tried::once(self.unready(failure))),
            };
        }
        let outcome = match self.rehearsal(&**ready, effect, &context) {
            Some(outcome) => outcome,
            None if ready.scripted() => self.scripted(step, &**ready, effect, &context).await?,
            None => match (&self.member, ready.gathers().filter(|_| !context.check_mode)) {
                (Some(member), Some(_)) => self.served(member, ready, effect, frame.place(), &context).await?,
                _ => self.perform(&**ready, effect, &context).await?,
            },
        };
        if effect == Effect::Changes && matches!(outcome, Outcome::Skipped(Skip::Check(_))) {
            self.play.would_change.set(true);
        }
        let outcome = match outcome {
            Outcome::Failed(failure) if failure.span.is_some() => self.unready(failure),
            other => other,
        };
        let again = ready.repeatable() || !matches!(&outcome, Outcome::Failed(failure) if failure.in_doubt);
        Ok(Tried { says: says.into_inner(), again, ..Tried::once(outcome) })
    }

    async fn perform(&self, ready: &dyn Ready, effect: Effect, context: &StepContext<'_>) -> Result<Outcome, End> {
        if ready.waits() {
            self.fork.release();
            self.about_to_call(effect).await?;
            let (since, stood) = (Instant::now(), self.time_waited());
            let ended = tokio::select! {
                biased;
                outcome = ready.run(context) => Ok(outcome),
                () = self.stop.cancelled() => Err(End::Stopped),
            };
            let queued = self.time_waited().saturating_sub(stood);
            self.idled.set(self.idled.get() + since.elapsed().saturating_sub(queued));
            return ended;
        }
        self.hold_fork().await;
        // It may have been stopped while it queued.
        self.go_on()?;
        self.about_to_call(effect).await?;
        self.called.set(self.called.get() || effect == Effect::Changes);
        self.in_call.set(effect == Effect::Changes && !ready.repeatable());
        self.play.calling(&self.target.id, self.in_call.get());
        let outcome = ready.run(context).await;
        self.in_call.set(false);
        self.play.calling(&self.target.id, false);
        let refused = matches!(&outcome, Outcome::Failed(failure) if failure.class == Class::Hub && !failure.in_doubt);
        if effect == Effect::Changes && (refused || offline(&outcome)) {
            self.not_sent();
        }
        Ok(outcome)
    }

    /// `--check`: what would be sent, instead of sending it; and nothing is waited for that was not asked for.
    fn rehearsal(&self, ready: &dyn Ready, effect: Effect, context: &StepContext<'_>) -> Option<Outcome> {
        if !self.play.options.check || ready.rehearses() {
            return None;
        }
        if effect == Effect::Changes {
            let preview = ready.preview(context);
            let preview = if preview.is_empty() { "would change the device".to_owned() } else { preview };
            return Some(Outcome::Skipped(Skip::Check(preview)));
        }
        ready.waits().then(|| Outcome::Skipped(Skip::Check("would wait".to_owned())))
    }

    fn progress(&self, step: &Step, progress: Progress, says: &RefCell<Option<String>>) {
        if let Progress::Says(text) = &progress {
            *says.borrow_mut() = Some(text.clone());
        }
        if !self.hidden.get() {
            let device = self.target.id.clone();
            self.play.events.say(&RunEvent::StepProgress { device, step: step.index, progress });
        }
    }

    fn say(&self, level: &'static str, text: String) {
        let device = (!self.on_runner).then(|| self.target.id.clone());
        self.play.events.say(&RunEvent::Said { device, level, text });
    }

    /// `block`, then `rescue` when it failed, then `always`.
    pub(super) async fn block(
        &self,
        step: &Step,
        [block, rescue, always]: [&[Step]; 3],
        frame: &Frame<'_>,
        nest: &Nest<'_>,
        repeats: bool,
    ) -> Result<Tried, End> {
        let before = self.changes.get();
        let inner = nest.inside(step, None);
        let goes_on = (repeats || step.ignore_errors.is_some()).then_some(Caught::GoesOn);
        let caught = if rescue.is_empty() { goes_on } else { Some(Caught::Rescue) };
        let mut result = self.steps(block, frame, nest.inside(step, caught)).await;
        if let Err(End::Failed(broken)) = &result
            && !rescue.is_empty()
            && broken.failure.class != Class::Hub
        {
            let rescuing = Frame::inside(frame);
            rescuing.set("error", broken.value());
            result = self.steps(rescue, &rescuing, nest.inside(step, goes_on)).await;
        }
        if !always.is_empty() && !matches!(result, Err(End::Stopped)) {
            let last = self.steps(always, frame, inner).await;
            if result.is_ok() {
                result = last.and(result);
            }
        }
        match result {
            Ok(value) => Ok(Tried::once(Outcome::Done { value, changed: self.changes.get() != before })),
            Err(End::Failed(broken)) => Ok(Tried {
                again: broken.again,
                ..Tried { inner: Some(broken.clone()), ..Tried::once(broken.failure.into()) }
            }),
            Err(end) => Err(end),
        }
    }
}

/// The next delay.
fn grown(delay: Duration, step: &Step) -> Duration {
    delay.mul_f64(step.retries.backoff.unwrap_or(1.0).max(1.0)).min(LONGEST_DELAY)
}

/// Why another attempt could help; nothing when this one is final.
fn again(tried: &Tried) -> Option<String> {
    match &tried.outcome {
        Outcome::Failed(failure) => {
            let blind = failure.in_doubt && !tried.again;
            // An expression that cannot be evaluated does not get better by repeating.
            let hopeless = blind || failure.class == Class::Hub || failure.span.is_some();
            (!hopeless).then(|| failure.message.clone())
        }
        _ => None,
    }
}
