//! The run of a script: from its text to its exit code, and one step on one device for the functions of it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::{Diagnostic, Source, Span};
use script::{Budget, Dynamic, Script, ScriptResult};
use serde_json::Value;
use tokio::time::Instant;

use super::check_script::compiled;
use super::device::{Device, End};
use super::events::Events;
use super::exit;
use super::frame::Frame;
use super::nest::Nest;
use super::past;
use super::play::{Doors, PlayRun};
use super::runner::{FIRST, Runner};
use super::values::Values;
use super::waves::TICK;
use crate::book::{Book, Play, Step};
use crate::journal::Record;
use crate::plan::{self, Asked};
use crate::scripted::{Session, uncaught_class, uncaught_details};
use crate::{
    Action, Class, Deed, Effect, ExtraVar, Failure, Reporter, Resume, RunEvent, RunOptions, RunResult, Target,
};

/// How one step that a script asked for has ended.
pub(crate) enum CallEnd {
    Value(Value),
    /// `--check`, or the device is not connected and the rest would be skipped.
    Skipped,
    Failed(Failure),
}

/// Runs one step on one device, or on the runner. All that a play has is there, for one step. Gives how it ended, and how
/// much of its time was waiting.
pub(crate) async fn run_step(
    session: &Rc<Session>,
    step: Step,
    name: &Arc<str>,
    target: Option<Target>,
    deed: Deed,
) -> (CallEnd, Duration) {
    let book = Book {
        source: session.source.clone(),
        files: Vec::new(),
        plays: vec![Play::empty(session.source.name(), Span::default())],
        steps: vec![(Arc::clone(name), step.source.place(step.span)); step.index + 1],
        warnings: Vec::new(),
    };
    let options = RunOptions { cancel: session.stop.clone(), tags: Vec::new(), ..session.options.clone() };
    let doors = Doors { events: session.events(), inventory: &*session.inventory, expressions: &session.expressions };
    let values = Values::empty();
    let run = PlayRun::new(&book, &book.plays[0], &options, doors, values, 1);
    let device = match target {
        Some(target) => Device::new(&run, target, 0, None),
        None => Device::runner(&run),
    };
    let device = Device { deed: Some(deed), ..device };
    let frame = Frame::default();
    let ended = device.clock.over(device.step_value(&step, &frame, &Nest::quiet(&run))).await;
    if let (true, Some((code, reason))) = (run.halted.is_cancelled(), run.ending()) {
        // The script must not go on as if it had been answered.
        session.end(code, reason);
    }
    session.doubt(run.doubts.take());
    let end = match ended {
        Ok(Some(value)) => CallEnd::Value(value),
        Ok(None) | Err(End::Skip(_) | End::Stopped) => CallEnd::Skipped,
        Err(End::Failed(broken)) => CallEnd::Failed(broken.failure),
    };
    (end, device.all_waited())
}

impl Runner {
    /// Runs a runner script (`fix.rhai`). Never fails: what goes wrong is said to the reporters and is in the exit code.
    pub async fn run_script(&self, source: Source, options: &RunOptions, reporters: &[Rc<dyn Reporter>]) -> RunResult {
        let started = Instant::now();
        let doors = (self.registry.clone(), Rc::clone(&self.inventory), self.expressions.clone());
        let session = Rc::new(Session::new(source, doors, options, reporters));
        let events = session.events();
        events.say(&RunEvent::RunStarted { run: options.run.clone(), hub: self.inventory.hub() });
        let (exit, reason) = self.script(&session).await;
        let counts = session.tally().counts();
        let held = [exit::INTERNAL, exit::HUB, exit::INTERRUPTED].contains(&exit);
        let resume = held.then_some(Resume::Plain);
        let (exit, reason) = match conclude_journal(&session, exit, resume, reason.as_deref()).await {
            Ok(()) => (exit, reason),
            Err(why) => (exit::INTERNAL, Some(why)),
        };
        let interrupted = options.cancel.is_cancelled() && exit == exit::INTERRUPTED;
        events.say(&RunEvent::RunEnded { counts, took: started.elapsed(), exit, reason: reason.clone() });
        let begun = options.journal.as_ref().is_some_and(|journal| journal.is_begun());
        RunResult { exit, counts, reason, interrupted, resume: resume.filter(|_| begun) }
    }

    /// Reads it, asks when it must, runs it: the exit code, and why it ended early.
    async fn script(&self, session: &Rc<Session>) -> (u8, Option<String>) {
        let (events, options) = (session.events(), &session.options);
        let script = match compiled(&session.source, &self.registry, &self.expressions, &options.clock) {
            Ok(script) => script,
            Err(found) => {
                found.0.into_iter().for_each(|finding| events.stopped(finding));
                return (exit::INVALID, None);
            }
        };
        let targets = match self.known_targets(session).await {
            Ok(targets) => targets,
            Err((diagnostic, code)) => {
                events.stopped(diagnostic);
                return (code, None);
            }
        };
        if let Asked::Refused(diagnostic) = self.allowed(session, &targets).await {
            events.stopped(*diagnostic);
            return (exit::USAGE, None);
        }
        if let Some(journal) = past::journal(options) {
            if let Err(error) = journal.begin() {
                events.stopped(Diagnostic::error(format!("{error}. Nothing was sent")));
                return (exit::USAGE, None);
            }
            if journal.past().play(0).is_none() {
                past::begin_script(journal, &stem(&session.source));
            }
        }
        events.say(&RunEvent::PlayStarted {
            play: 0,
            name: stem(&session.source),
            file: session.source.name().into(),
            devices: targets.len(),
            first: targets.iter().take(FIRST).map(|target| Arc::clone(&target.id)).collect(),
            steps: self.step_names(&session.source),
            waves: usize::from(!targets.is_empty()),
            estimate: None,
        });
        let result = with_ticks(events, execute(session, &script)).await;
        let mut end = conclude(session, result);
        if let Some(doubts) = session.doubts() {
            end.1 = Some(end.1.map_or(doubts.clone(), |reason| format!("{reason}\n{doubts}")));
        }
        session.devices_ended();
        events.say(&RunEvent::PlayEnded { counts: session.tally().counts() });
        end
    }

    /// The run's own targets, as far as they are known without being asked for.
    async fn known_targets(&self, session: &Session) -> Result<Rc<[Target]>, (Diagnostic, u8)> {
        let hub = self.inventory.hub();
        if session.is_limited() || session.options.all {
            return session.targets().await;
        }
        if !hub.local {
            return Ok(Rc::from([]));
        }
        // A script may well add the first devices itself.
        session
            .targets()
            .await
            .or_else(|(diagnostic, code)| if code == exit::USAGE { Ok(Rc::from([])) } else { Err((diagnostic, code)) })
    }

    /// The verbs that the script's text calls.
    fn mentioned<'r>(&'r self, source: &'r Source) -> impl Iterator<Item = &'r Rc<dyn Action>> {
        self.registry.iter().map(|(_, action)| action).filter(|action| calls(source.text(), action.name()))
    }

    /// The names that its steps will have, as far as the text shows them: `invoke_method rebootDevice`.
    fn step_names(&self, source: &Source) -> Arc<[Arc<str>]> {
        let mentioned = self.mentioned(source);
        let names = mentioned.flat_map(|action| names_in(source.text(), action.name(), action.on_device()));
        names.map(Arc::from).collect()
    }

    async fn allowed(&self, session: &Session, targets: &[Target]) -> Asked {
        let changing = self.mentioned(&session.source).filter(|action| action.effect() == Effect::Changes);
        let verbs: Vec<_> = changing.map(|action| action.name()).collect();
        plan::ask_script(verbs, targets, &self.inventory.hub(), &session.options, session.source.name()).await
    }
}

/// Whether a text calls a function of this name.
fn calls(text: &str, name: &str) -> bool {
    arguments(text, name).next().is_some()
}

/// What stands behind each `name(` of a text.
fn arguments<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = &'t str> {
    text.match_indices(name).filter_map(move |(at, _)| {
        let starts = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        text[at + name.len()..].trim_start().strip_prefix('(').filter(|_| starts)
    })
}

/// The names of the steps that calls of a verb will be; a detail that is not written out is left out.
fn names_in(text: &str, verb: &str, on_device: bool) -> Vec<String> {
    let detail = |arguments: &str| {
        let rest = arguments.split_once(',')?.1.trim_start();
        let quote = rest.chars().next().filter(|c| *c == '"' || *c == '\'')?;
        rest[1..].split_once(quote).map(|(detail, _)| detail.to_owned())
    };
    let named = |arguments| match detail(arguments) {
        Some(detail) if on_device => format!("{verb} {detail}"),
        _ => verb.to_owned(),
    };
    arguments(text, verb).map(named).collect()
}

fn stem(source: &Source) -> Arc<str> {
    let name = std::path::Path::new(source.name()).file_stem().and_then(|stem| stem.to_str());
    name.unwrap_or(source.name()).into()
}

async fn execute(session: &Rc<Session>, script: &Script) -> ScriptResult<Dynamic> {
    let vars = session.options.vars.iter().map(|(name, value)| {
        let value = match value {
            ExtraVar::Text(text) => Value::String(text.clone()),
            ExtraVar::Value(value) => value.clone(),
        };
        (name.clone(), value)
    });
    let vars = script::from_json(&Value::Object(vars.collect()));
    let budget = Budget::runner().cancelled_by(session.stop.clone());
    script.run(vec![("vars".to_owned(), vars)], Rc::clone(session) as _, budget).await
}

/// The last line of a script's journal, and everything on disk.
async fn conclude_journal(
    session: &Session,
    exit: u8,
    resume: Option<Resume>,
    reason: Option<&str>,
) -> Result<(), String> {
    let Some(journal) = past::journal(&session.options).filter(|journal| journal.is_begun()) else { return Ok(()) };
    let counts = session.tally().counts();
    journal.append(Record {
        size: Some(counts.ok + counts.failed + counts.unreachable + counts.skipped),
        sizes: Some(vec![counts.ok, counts.failed, counts.unreachable, counts.skipped]),
        ..Record::end(resume, exit, reason)
    });
    journal.close().await
}

/// Waits for something while lines that count are drawn.
async fn with_ticks<T>(events: Events<'_>, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            _ = tick.tick() => events.tick(),
        }
    }
}

/// The exit code of a script that has ended; what it did not catch is said.
fn conclude(session: &Session, result: ScriptResult<Dynamic>) -> (u8, Option<String>) {
    if session.options.cancel.is_cancelled() {
        return (exit::INTERRUPTED, Some("interrupted".to_owned()));
    }
    let ending = session.ending();
    if let (None, Some(failure)) = (&ending, session.left_out()) {
        return (exit::FAILED, Some(failure.message));
    }
    match (result, ending) {
        (_, Some((code, reason))) => (code, Some(reason)),
        (Ok(_), None) if session.options.check && session.options.fail_on_change && session.would_change() => {
            (exit::FAILED, Some("something would change (--fail-on-change)".to_owned()))
        }
        (Ok(_), None) => (0, None),
        (Err(error), None) => {
            let class = uncaught_class(&error);
            let (help, device) = uncaught_details(&error);
            let mut found = error.diagnostic().labelled(class.to_string());
            if let Some(device) = device {
                found.message = super::ended::sentence(&device, &found.message, false);
            }
            session.events().stopped(help.into_iter().fold(found, Diagnostic::help));
            let code = match class {
                Class::Unreachable => exit::UNREACHABLE,
                Class::Hub => exit::HUB,
                Class::Failed | Class::Timeout | Class::Rejected => exit::FAILED,
            };
            (code, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_shows_what_it_calls() {
        let text = "invoke_method(d.id, \"rebootDevice\"); my_invoke_method(1); invoke_method (d, name);";
        assert_eq!(names_in(text, "invoke_method", true), ["invoke_method rebootDevice", "invoke_method"]);
        assert!(calls(text, "my_invoke_method") && !calls(text, "invoke") && !calls(text, "method"));
        assert_eq!(names_in("log(a, 'b')", "log", false), ["log"]);
    }
}
