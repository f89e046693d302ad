//! `wait_until: expr`: looks at the facts that the expression names until it holds. Trusts a row of an index only as a hint:
//! what ends the wait is read from its source. Says on the way what it sees, and at the end why not.

use std::rc::Rc;
use std::time::Duration;

use base::{Diagnostic, NEVER, format_duration, local_time, parse_time};
use futures_util::future::LocalBoxFuture;
use runner::book::{Check, DurationText, Expression, Filled, Node, Sides};
use runner::{Action, Class, Failure, Outcome, Progress, Ready, StepContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::facts::{AllRounds, Watched, When, named};
use crate::over::Over;
use crate::show::{is_literal, leaf, short};
use crate::verb::{Parameters, Verb};
use crate::watcher::Watcher;

/// A wait without `timeout` ends here: the playbook language's number.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Between looks at first.
const EVERY: Duration = Duration::from_secs(1);
/// A shorter pause is busy polling.
const SHORTEST: Duration = Duration::from_millis(100);
/// Each pause is so much longer than the one before.
const BACKOFF: f64 = 1.5;
/// Pauses stop growing here, unless `every` is longer.
const MAX: Duration = Duration::from_secs(30);
/// A look may come so much of its pause too early, when others are looked at then: one round for many.
const EARLY: f64 = 0.25;
/// The last look may take so long beyond the deadline; the runner allows a waiting verb five seconds.
const LAST_LOOK: Duration = Duration::from_secs(3);

/// What is waited for, and how often it is looked at.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WaitUntil {
    /// Ends the wait when it is true.
    that: Expression,
    /// The first pause between looks (1s).
    #[schemars(with = "Option<DurationText>")]
    every: Option<Filled<Duration>>,
    /// Each pause is so many times the one before (1.5).
    backoff: Option<f64>,
    /// The longest pause (30s).
    #[schemars(with = "Option<DurationText>")]
    max: Option<Filled<Duration>>,
    /// What happens when the time is up.
    #[serde(default)]
    on_timeout: OnTimeout,
    #[serde(skip)]
    rounds: AllRounds,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum OnTimeout {
    #[default]
    Fail,
    Continue,
}

pub(crate) fn verb() -> Rc<dyn Action> {
    let about = "waits until a condition on the device's facts holds";
    let rounds = AllRounds::default();
    let verb = Verb::<WaitUntil>::new("wait_until", about, Some("that"));
    let shared = rounds.clone();
    let verb = verb.positional(&["that"]).prepared(move |wait| wait.rounds = shared.clone());
    Rc::new(verb.watching(move |fact, device| Rc::new(Watcher::new(fact, device, &rounds))))
}

impl Parameters for WaitUntil {
    fn ready(self, node: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        check.reads_itself(&self.that);
        if self.backoff.is_some_and(|backoff| !(1.0..=100.0).contains(&backoff)) {
            check.error(node.get("backoff").unwrap_or(node).span, "expected a number from 1 to 100");
            return None;
        }
        let every = self.every.as_ref().and_then(Filled::constant);
        if every.is_some_and(|every| *every < SHORTEST) {
            let finding = Diagnostic::error("looking more often than every 100ms is busy polling");
            check.push(finding, node.get("every").unwrap_or(node).span);
            return None;
        }
        Some(Box::new(self))
    }
}

impl Ready for WaitUntil {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(async move { self.wait(step).await.unwrap_or_else(Outcome::Failed) })
    }

    fn waits(&self) -> bool {
        true
    }

    fn rehearses(&self) -> bool {
        true
    }

    fn probes(&self) -> bool {
        true
    }
}

/// How a wait ended.
enum Ended {
    Holds,
    TimeUp,
    Failed,
}

/// What was seen on the way.
#[derive(Default)]
struct Seen {
    looks: u32,
    first: Option<Sides>,
    last: Option<Sides>,
}

impl WaitUntil {
    async fn wait(&self, step: &StepContext<'_>) -> Result<Outcome, Failure> {
        let start = Instant::now();
        let limit = step.timeout.unwrap_or(TIMEOUT);
        let mut names = named(&self.that, step.inventory.fact_names());
        for fact in step.failed_when.map(|failed| named(failed, step.inventory.fact_names())).unwrap_or_default() {
            if !names.contains(&fact) {
                names.push(fact);
            }
        }
        let mut facts: Vec<_> = names.iter().map(|name| Watched::new(name, self.rounds.of(name))).collect();
        let mut seen = Seen::default();
        if step.check_mode {
            return self.rehearse(step, &mut facts).await;
        }
        let ended = self.look_until(step, &mut facts, &mut seen, start + limit).await?;
        let value = facts.first().and_then(Watched::value).cloned().unwrap_or_default();
        match ended {
            Ended::Holds => {
                (step.progress)(Progress::Says(seen.came(&self.that)));
                Ok(Outcome::read(value))
            }
            Ended::Failed => {
                let text = step.failed_when.map(Expression::text).unwrap_or_default();
                let message = format!("`failed_when` is true while waiting: {text}");
                Err(Failure {
                    value,
                    span: step.failed_when.map(Expression::span),
                    ..Failure::new(Class::Failed, message)
                })
            }
            Ended::TimeUp if self.on_timeout == OnTimeout::Continue => {
                (step.progress)(Progress::Says(format!("not within {}; goes on", format_duration(limit))));
                Ok(Outcome::read(value))
            }
            Ended::TimeUp => Err(self.time_up(step, &seen, limit, value)),
        }
    }

    /// Looks again and again. The rounds keep the time between looks.
    async fn look_until(
        &self,
        step: &StepContext<'_>,
        facts: &mut [Watched<'_>],
        seen: &mut Seen,
        deadline: Instant,
    ) -> Result<Ended, Failure> {
        let mut pause = self.pause(step, self.every.as_ref(), EVERY)?;
        let longest = self.pause(step, self.max.as_ref(), MAX)?.max(pause);
        let mut when = When { due: Instant::now(), early: Duration::ZERO, deadline };
        loop {
            // Without a fact to look at nobody else keeps the time.
            if facts.is_empty() {
                sleep_until(when.due).await;
            }
            let look = timeout_at(deadline + LAST_LOOK, self.look(step, facts, seen, when));
            match look.await {
                Ok(Ok(Some(ended))) => return Ok(ended),
                Ok(Ok(None)) => {}
                Ok(Err(failure)) => return Err(failure),
                Err(_) => return Ok(Ended::TimeUp),
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(Ended::TimeUp);
            }
            // The last look is at the deadline, not before.
            let early = if now + pause < deadline { pause.mul_f64(EARLY) } else { Duration::ZERO };
            when = When { due: (now + pause).min(deadline), early, deadline };
            pause = pause.mul_f64(self.backoff.unwrap_or(BACKOFF)).min(longest);
        }
    }

    fn pause(
        &self,
        step: &StepContext<'_>,
        given: Option<&Filled<Duration>>,
        otherwise: Duration,
    ) -> Result<Duration, Failure> {
        given.map_or(Ok(otherwise), |given| step.fill(given)).map(|pause| pause.max(SHORTEST))
    }

    /// One look; what a hint promises is confirmed at the source before it counts.
    async fn look(
        &self,
        step: &StepContext<'_>,
        facts: &mut [Watched<'_>],
        seen: &mut Seen,
        when: When,
    ) -> Result<Option<Ended>, Failure> {
        for fact in facts.iter_mut() {
            fact.look(step.inventory, &step.target.id, when).await?;
        }
        if facts.iter().any(|fact| fact.value().is_none()) {
            return Ok(None);
        }
        seen.looks += 1;
        let mut ended = self.judge(step, facts, seen)?;
        let sure = facts.iter().all(Watched::is_sure);
        if ended.is_some() && !sure {
            for fact in facts.iter_mut().filter(|fact| !fact.is_sure()) {
                fact.look_directly(step.inventory, &step.target.id).await?;
            }
            ended = self.judge(step, facts, seen)?;
        }
        Ok(ended)
    }

    fn judge(&self, step: &StepContext<'_>, facts: &[Watched<'_>], seen: &mut Seen) -> Result<Option<Ended>, Failure> {
        let mut names: Vec<_> = facts.iter().map(|fact| (fact.name, fact.dynamic())).collect();
        if let Some(fact) = facts.first() {
            names.push(("result", fact.dynamic()));
        }
        let scope = Over { names: &names, under: step.scope };
        let sides = self.that.sides(&scope, step.expressions);
        if sides.is_some() && sides != seen.last {
            seen.last = sides;
            if seen.first.is_none() {
                seen.first = seen.last.clone();
            }
            (step.progress)(Progress::Says(seen.now()));
        }
        if self.that.test(&scope, step.expressions)? {
            return Ok(Some(Ended::Holds));
        }
        let failed = step.failed_when.map(|failed| failed.test(&scope, step.expressions)).transpose()?;
        Ok((failed == Some(true)).then_some(Ended::Failed))
    }

    /// `--check`: one look, and what it would wait for.
    async fn rehearse(&self, step: &StepContext<'_>, facts: &mut [Watched<'_>]) -> Result<Outcome, Failure> {
        for fact in facts.iter_mut() {
            fact.look_directly(step.inventory, &step.target.id).await?;
        }
        (step.progress)(Progress::Says(format!("would wait until {}", self.that.text())));
        Ok(Outcome::read(facts.first().and_then(Watched::value).cloned().unwrap_or_default()))
    }

    fn time_up(&self, step: &StepContext<'_>, seen: &Seen, limit: Duration, value: Value) -> Failure {
        // What differs from device to device is in the note: thousands that wait in vain have one message.
        let (unread, looks) = match seen.looks {
            0 => (": it could not be read once", String::new()),
            1 => ("", "; looked once".to_owned()),
            looks => ("", format!("; looked {looks} times")),
        };
        let message = format!("`{}` did not come true within {}{unread}", self.that.text(), format_duration(limit));
        let sides = seen.last.as_ref().map_or_else(|| "never true".to_owned(), both);
        let note = format!("{sides}{looks}{}", last_heard(&value));
        let at_work = step.called.then(|| {
            let id = &step.target.id;
            format!("if the call before this was answered, {id} may still be at work: do not send it again blindly")
        });
        let longer = "to wait longer: `timeout: 30m` beside wait_until".to_owned();
        Failure {
            note: Some(note),
            value,
            span: Some(self.that.span()),
            help: at_work.into_iter().chain([longer]).collect(),
            ..Failure::new(Class::Timeout, message)
        }
    }
}

/// When the device last said something, where the fact tells: `, last heard 2026-11-23 14:27:42 +01:00`.
fn last_heard(value: &Value) -> String {
    match value.get("last_activity_time").and_then(Value::as_str) {
        None => String::new(),
        Some(never) if never.starts_with(&NEVER[..4]) => ", never heard".to_owned(),
        Some(when) => format!(", last heard {}", parse_time(when).map_or_else(|| when.to_owned(), local_time)),
    }
}

/// Both sides of a comparison: `rebootTime is none, before.reported.rebootTime is none`.
fn both(sides: &Sides) -> String {
    let side = |(text, value): &(String, Value)| (!is_literal(text)).then(|| format!("{text} is {}", short(value)));
    [side(&sides.left), side(&sides.right)].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

impl Seen {
    /// What is seen at this moment: `rebootTime: none`.
    fn now(&self) -> String {
        self.last.as_ref().map(|sides| format!("{}: {}", leaf(&sides.left.0), short(&sides.left.1))).unwrap_or_default()
    }

    /// What came of it: `rebootTime: none -> 2026-11-23T13:27:42.118Z`.
    fn came(&self, that: &Expression) -> String {
        let (Some(first), Some(last)) = (&self.first, &self.last) else { return that.text().to_owned() };
        let name = leaf(&last.left.0);
        // `now != before` tells the old value even when the first look already saw the new one.
        let old = if last.operator == "!=" { &last.right.1 } else { &first.left.1 };
        if *old == last.left.1 { self.now() } else { format!("{name}: {} -> {}", short(old), short(&last.left.1)) }
    }
}
