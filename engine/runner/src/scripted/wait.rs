//! `wait_until(device, |twin| ..)` and `wait_until(|| ..)`: asks the closure again and again until it says true.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::format_duration;
use rhai::{EvalAltResult, FnPtr, NativeCallContext};
use script::{Caller, Dynamic, Handler, wait};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::call::duration;
use super::functions::{device_id, session, target};
use super::keeper::deed;
use super::session::Session;
use super::thrown::{caught, refuse, throw};
use crate::run::fact_failed;
use crate::{Class, Deed, Failure, Look, Outcome, Registry, RunEvent, Sight, Skip, Watch};

/// How long when `timeout` does not say.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Between two looks when `every` does not say: slow enough for one device, soon enough for a person.
const EVERY: Duration = Duration::from_secs(2);
/// A look may come so much of its pause too early, when others are looked at then: one round for many.
const EARLY: f64 = 0.25;
/// The last look may take so long beyond the deadline.
const LAST_LOOK: Duration = Duration::from_secs(3);
/// `backoff` ends here: each device is looked at at least once a minute.
const LONGEST: Duration = Duration::from_secs(60);

/// The keys of the options map.
pub(super) const OPTIONS: &[&str] = &["timeout", "every", "backoff", "max", "on_timeout"];

/// The options map, and whom it is about.
pub(crate) struct Wait {
    pub(super) device: Option<String>,
    timeout: Duration,
    every: Duration,
    backoff: f64,
    longest: Duration,
    goes_on: bool,
}

pub(super) fn wait_until(ncc: &NativeCallContext<'_>, args: Vec<Dynamic>) -> Result<Dynamic, Box<EvalAltResult>> {
    let session = session(ncc)?;
    let caller = Caller::of(ncc)?;
    let mut args = args.into_iter();
    let (mut device, mut closure, mut options) = (None, None, Value::Null);
    for arg in args.by_ref() {
        match (arg.is::<FnPtr>(), closure.is_some()) {
            (true, false) => closure = arg.try_cast::<FnPtr>(),
            (false, false) => device = Some(device_id(ncc, script::to_json(&arg))?),
            _ => options = script::to_json(&arg),
        }
    }
    let Some(closure) = closure else { return Err(refuse(ncc, "wait_until wants a closure")) };
    // The script itself waits: nobody else touches its variables meanwhile.
    let handler = caller.shared(&closure)?;
    let settings = Wait::new(device, &options).map_err(|failure| throw(ncc, &failure, None))?;
    let device = settings.device.clone();
    let deed = deed(ncc, "wait_until", &json!([device, options]));
    let result = wait(ncc, async move { session.wait(settings, deed, (&caller, &handler)).await });
    // Only now: what it captured may need the script's stack to be dropped.
    drop(closure);
    let result = result?;
    result.map(|value| script::from_json(&value)).map_err(|failure| throw(ncc, &failure, device.as_deref()))
}

impl Wait {
    pub(crate) fn new(device: Option<String>, options: &Value) -> Result<Self, Failure> {
        let mut wait = Self { device, timeout: TIMEOUT, every: EVERY, backoff: 1.0, longest: LONGEST, goes_on: false };
        for (key, value) in options.as_object().into_iter().flatten() {
            let wrong = || Failure::new(Class::Failed, format!("wait_until: `{key}` cannot be {value}"));
            match key.as_str() {
                "timeout" => wait.timeout = duration(value)?,
                "every" => wait.every = duration(value)?,
                "max" => wait.longest = duration(value)?,
                "backoff" => wait.backoff = value.as_f64().filter(|factor| *factor >= 1.0).ok_or_else(wrong)?,
                "on_timeout" => {
                    wait.goes_on = match value.as_str() {
                        Some("continue") => true,
                        Some("fail") => false,
                        _ => return Err(wrong()),
                    }
                }
                _ => {
                    let close = base::did_you_mean(key, OPTIONS.iter().copied());
                    let help = close.map(|close| format!("did you mean `{close}`?"));
                    let message = format!("wait_until: unknown option `{key}`");
                    return Err(Failure { help: help.into_iter().collect(), ..Failure::new(Class::Failed, message) });
                }
            }
        }
        Ok(wait)
    }

    /// One look and no more, whatever it sees: for a rehearsal.
    pub(crate) fn once(self) -> Self {
        Self { timeout: Duration::ZERO, goes_on: true, ..self }
    }

    /// Waits, and says so as a step does.
    pub(super) async fn run(
        self,
        session: &Rc<Session>,
        deed: &Deed,
        (caller, handler): (&Caller, &Handler),
    ) -> Result<Value, Failure> {
        let id: Option<Arc<str>> = match &self.device {
            Some(device) => Some(target(session, device).await?.id),
            None => None,
        };
        if let Some(id) = &id {
            session.begin(id);
        }
        let (step, name) = session.step("wait_until");
        let shown: Arc<str> = id.clone().unwrap_or_else(|| "runner".into());
        let events = session.events();
        events.say(&RunEvent::StepStarted { device: Arc::clone(&shown), step, name: Arc::clone(&name) });
        let progress = crate::Progress::Elapsed { spent: Duration::ZERO, of: Some(self.timeout) };
        events.say(&RunEvent::StepProgress { device: Arc::clone(&shown), step, progress });
        let started = Instant::now();
        let outcome = if session.options.check {
            Outcome::Skipped(Skip::Check("would wait".into()))
        } else {
            let eyes = Eyes::new(session, id.as_ref());
            match self.looks(async |look| eyes.look(look).await, caller, handler, &deed.place).await {
                Ok(value) => Outcome::read(value),
                Err(failure) => Outcome::Failed(failure),
            }
        };
        let event = RunEvent::StepEnded {
            device: shown,
            step,
            name,
            outcome,
            ignored: false,
            rescued: false,
            attempts: 1,
            took: started.elapsed(),
            summary: String::new(),
            // A script may catch it: what is not caught is shown with its place in the script.
            diagnostic: None,
            hidden: false,
        };
        events.say(&event);
        let RunEvent::StepEnded { outcome, .. } = event else { return Ok(Value::Null) };
        match outcome {
            Outcome::Skipped(_) => Ok(Value::Null),
            Outcome::Done { value, .. } => {
                if let Some(id) = &id {
                    session.note_end(id, None, started.elapsed(), started.elapsed());
                }
                Ok(value)
            }
            Outcome::Failed(failure) => {
                if let Some(id) = &id {
                    session.note_end(id, Some(&failure), started.elapsed(), started.elapsed());
                }
                Err(failure)
            }
        }
    }

    /// Looks with `see` until the closure says true; gives what was seen. What a hint promises is confirmed at the source.
    pub(crate) async fn looks(
        &self,
        see: impl AsyncFn(Look) -> Result<Option<Sight>, Failure>,
        caller: &Caller,
        handler: &Handler,
        place: &str,
    ) -> Result<Value, Failure> {
        let now = Instant::now();
        let mut look = Look { due: now, early: Duration::ZERO, deadline: now + self.timeout, direct: false };
        let (mut pause, mut looks, mut asked) = (self.every, 0_u32, 0_usize);
        loop {
            let Ok(seen) = timeout_at(look.deadline + LAST_LOOK, see(look)).await else { return self.late(looks) };
            if let Some(mut seen) = seen? {
                looks += 1;
                asked += 1;
                let mut holds = self.ask(caller, handler, &seen.value, (place, asked)).await?;
                if holds && !seen.sure {
                    seen = see(look.directly()).await?.unwrap_or(seen);
                    asked += 1;
                    holds = self.ask(caller, handler, &seen.value, (place, asked)).await?;
                }
                if holds {
                    return Ok(seen.value);
                }
            }
            let now = Instant::now();
            if now >= look.deadline {
                return self.late(looks);
            }
            // The last look is at the deadline, not before.
            look.early = if now + pause < look.deadline { pause.mul_f64(EARLY) } else { Duration::ZERO };
            look.due = (now + pause).min(look.deadline);
            pause = pause.mul_f64(self.backoff).min(self.longest.max(self.every));
        }
    }

    /// One look. A closure without a parameter is the general form, with a device or without.
    async fn ask(&self, caller: &Caller, handler: &Handler, twin: &Value, at: (&str, usize)) -> Result<bool, Failure> {
        let args = if handler.parameters() == Some(0) { Vec::new() } else { vec![script::from_json(twin)] };
        let answer = caller.call_at(handler, args, at).await.map_err(|error| {
            let thrown = caught(&error);
            let at = error.place.as_ref().map(|place| format!(" ({})", place.label())).unwrap_or_default();
            let message = thrown["message"].as_str().unwrap_or_default();
            Failure::new(Class::Failed, format!("wait_until: {message}{at}"))
        })?;
        if answer.is_unit() {
            return Ok(false);
        }
        answer.as_bool().map_err(|_| {
            let kind = script::type_in_words(&answer);
            Failure::new(Class::Failed, format!("wait_until: the closure gives {kind}, not true or false"))
        })
    }

    fn late(&self, looks: u32) -> Result<Value, Failure> {
        if self.goes_on {
            return Ok(Value::Null);
        }
        let message = format!("did not get there within {}; looked {looks} times", format_duration(self.timeout));
        Err(Failure { value: json!({ "lost": false }), ..Failure::new(Class::Timeout, message) })
    }
}

/// How a runner script looks at a device: in the rounds of all that wait; by itself where there are none.
struct Eyes<'a> {
    session: &'a Session,
    device: Option<&'a Arc<str>>,
    fact: Option<&'static str>,
    watch: Option<Rc<dyn Watch>>,
}

impl<'a> Eyes<'a> {
    fn new(session: &'a Session, device: Option<&'a Arc<str>>) -> Self {
        let fact = session.inventory.fact_names().first().copied();
        let watch = device.zip(fact).and_then(|(device, fact)| watch(&session.registry, fact, device));
        Self { session, device, fact, watch }
    }

    async fn look(&self, look: Look) -> Result<Option<Sight>, Failure> {
        if let Some(watch) = &self.watch {
            return watch.look(&*self.session.inventory, look).await;
        }
        sleep_until(look.due).await;
        let value = match (self.device, self.fact) {
            (Some(id), Some(fact)) => self.session.inventory.fact(id, fact).await.map_err(fact_failed)?.value,
            _ => Value::Null,
        };
        Ok(Some(Sight { value, sure: true }))
    }
}

/// What looks at a device together with all others, if a verb brings it.
pub(crate) fn watch(registry: &Registry, fact: &'static str, device: &Arc<str>) -> Option<Rc<dyn Watch>> {
    registry.get("wait_until").and_then(|action| action.watch(fact, device))
}
