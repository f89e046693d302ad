//! A run from its plan to its exit code: plays in order, events to all reporters. Knows no verb and no cloud.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use base::Diagnostic;
use indexmap::IndexMap;
use tokio::time::Instant;

use super::device::{Device, DeviceEnd};
use super::events::Events;
use super::exit::{self, Tally, graver};
use super::frame::Frame;
use super::play::{Doors, PlayRun};
use super::scope::DeviceScope;
use super::secrets;
use super::tags;
use super::values::Values;
use super::waves::Driver;
use crate::book::{Book, Play, Template, extra_vars};
use crate::plan::{self, Asked, Planned};
use crate::{Inventory, Registry, Reporter, RunEvent, RunOptions, RunResult, Target};

/// Executes playbooks and runner scripts. Lives on one lane: call it inside a current-thread runtime.
pub struct Runner {
    pub(super) registry: Registry,
    pub(super) inventory: Rc<dyn Inventory>,
    pub(super) expressions: script::Expressions,
}

/// Ids that the start of a play names.
pub(super) const FIRST: usize = 10;

/// The variables of a play, `-e` over its defaults.
type Vars = IndexMap<Arc<str>, Template>;

/// What the plays of a run have come to so far.
#[derive(Default)]
struct Sum {
    tally: Tally,
    exit: u8,
    reason: Option<String>,
    /// Devices that failed: later plays leave them out.
    lost: BTreeSet<Arc<str>>,
    /// No further play.
    over: bool,
}

impl Sum {
    fn end(&mut self, code: u8, reason: Option<String>) {
        if graver(self.exit, code) != self.exit || self.reason.is_none() {
            self.reason = reason.or(self.reason.take());
        }
        self.exit = graver(self.exit, code);
    }

    fn refuse(&mut self, events: Events<'_>, code: u8, diagnostic: Diagnostic) {
        events.stopped(diagnostic);
        self.exit = graver(self.exit, code);
        self.over = true;
    }
}

impl Runner {
    /// A runner over these verbs and devices, with the one expression set-up.
    pub fn new(registry: Registry, inventory: Rc<dyn Inventory>, expressions: script::Expressions) -> Self {
        Self { registry, inventory, expressions }
    }

    /// Runs a playbook. Never fails: what goes wrong is said to the reporters and is in the exit code.
    pub async fn run_book(&self, book: &Book, options: &RunOptions, reporters: &[Rc<dyn Reporter>]) -> RunResult {
        let started = Instant::now();
        let events = Events(reporters);
        events.say(&RunEvent::RunStarted { run: options.run.clone(), hub: self.inventory.hub() });
        let mut sum = Sum::default();
        match extra_vars(book, &options.vars) {
            Err(found) => found.0.into_iter().for_each(|finding| sum.refuse(events, exit::USAGE, finding)),
            Ok(vars) => {
                tags::unknown(book, options).into_iter().for_each(|text| events.say(&RunEvent::Warned { text }));
                for (index, vars) in vars.iter().enumerate() {
                    if !sum.over {
                        self.play(book, (index, vars), options, events, &mut sum).await;
                    }
                }
            }
        }
        self.finish(events, options, sum, started)
    }

    fn finish(&self, events: Events<'_>, options: &RunOptions, sum: Sum, started: Instant) -> RunResult {
        let interrupted = options.cancel.is_cancelled() && sum.exit == exit::INTERRUPTED;
        let counts = sum.tally.counts();
        let took = started.elapsed();
        events.say(&RunEvent::RunEnded { counts, took, exit: sum.exit, reason: sum.reason.clone() });
        RunResult { exit: sum.exit, counts, reason: sum.reason, interrupted }
    }

    async fn play(
        &self,
        book: &Book,
        (index, vars): (usize, &Vars),
        options: &RunOptions,
        events: Events<'_>,
        sum: &mut Sum,
    ) {
        let play = &book.plays[index];
        let targets = match plan::select(play.targets.as_ref(), &*self.inventory, options).await {
            Planned::Devices(targets) => targets,
            Planned::Refused(diagnostic, code) => return sum.refuse(events, code, *diagnostic),
        };
        let targets: Vec<Target> = targets.into_iter().filter(|target| !sum.lost.contains(&target.id)).collect();
        if let Some(diagnostic) = plan::too_many_forks(play, targets.len(), options) {
            return sum.refuse(events, exit::USAGE, diagnostic);
        }
        match plan::ask(plan::changing(play), &targets, &self.inventory.hub(), options).await {
            Asked::Allowed => {}
            Asked::Refused(diagnostic) => return sum.refuse(events, exit::USAGE, *diagnostic),
        }
        let values = match self.values(play, vars, options).await {
            Ok(values) => values,
            Err(diagnostic) => return sum.refuse(events, exit::USAGE, diagnostic),
        };
        events.say(&RunEvent::PlayStarted {
            play: index,
            name: Arc::clone(&play.name),
            file: book.source.name().into(),
            devices: targets.len(),
            first: targets.iter().take(FIRST).map(|target| Arc::clone(&target.id)).collect(),
            steps: book.steps.iter().map(|(name, _)| Arc::clone(name)).collect(),
            waves: plan::waves(&play.serial, targets.len()).len(),
            estimate: None,
        });
        let doors = Doors { events, inventory: &*self.inventory, expressions: &self.expressions };
        let run = PlayRun::new(book, play, options, doors, values, targets.len());
        perform(&run, targets).await;
        conclude(&run, sum);
        events.say(&RunEvent::PlayEnded { counts: run.tally.borrow().counts() });
    }

    async fn values<'v>(&self, play: &Play, vars: &'v Vars, options: &RunOptions) -> Result<Values<'v>, Diagnostic> {
        let secrets = secrets::fetch(play, options).await?;
        Values::new(play, vars, secrets, options, &self.expressions)
    }
}

/// Before, waves, after; within the play's `timeout`.
async fn perform(run: &PlayRun<'_>, targets: Vec<Target>) {
    let before = Device::runner(run).walk(&run.play.before).await;
    if let Some(why) = failed(&before) {
        run.end(exit::ABORTED, format!("`before` failed: {why}"));
        targets.into_iter().for_each(|target| run.ended(DeviceEnd::not_reached(target.id, 0, "not reached")));
    } else {
        let deadline = async {
            match run.play.timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
            let limit = base::format_duration(run.play.timeout.unwrap_or_default());
            run.end(exit::FAILED, format!("the play did not end within {limit}"));
            run.stop.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = Driver::new(run).run(targets) => {}
            () = deadline => {}
        }
    }
    after(run).await;
}

/// `after`, also after an abort; not when a person wants the run to end, or the hub is away.
async fn after(run: &PlayRun<'_>) {
    let away = matches!(run.ending(), Some((exit::HUB | exit::INTERRUPTED, _)));
    if run.play.after.is_empty() || away {
        return;
    }
    let devices = std::mem::take(&mut *run.results.borrow_mut());
    *run.ended_devices.borrow_mut() = Some(Rc::new(devices.iter().map(DeviceEnd::value).collect()));
    let end = Device::last(run).walk(&run.play.after).await;
    if let Some(why) = failed(&end) {
        run.end(exit::ABORTED, format!("`after` failed: {why}"));
    }
}

fn failed(end: &DeviceEnd) -> Option<&str> {
    let fine = matches!(end.ended, exit::Ended::Ok | exit::Ended::Skipped);
    (!fine).then(|| end.error.as_deref().unwrap_or("no reason given"))
}

/// What a play means for the run: its devices, `success_if`, and why it ended early.
fn conclude(run: &PlayRun<'_>, sum: &mut Sum) {
    let tally = *run.tally.borrow();
    sum.tally.merge(&tally);
    sum.lost.append(&mut run.lost.borrow_mut());
    let mut code = tally.exit();
    let mut reason = None;
    if let Some(success) = &run.play.success_if {
        let device = Device::runner(run);
        let frame = Frame::default();
        (code, reason) = match success.test(&DeviceScope { device: &device, frame: &frame }, run.expressions()) {
            Ok(true) => (0, None),
            Ok(false) => (exit::FAILED, Some(format!("`success_if` is false: {}", success.text()))),
            Err(error) => (exit::FAILED, Some(format!("`success_if`: {error}"))),
        };
    }
    if run.options.check && run.options.fail_on_change && run.would_change.get() {
        code = graver(code, exit::FAILED);
        reason = reason.or_else(|| Some("something would change (--fail-on-change)".to_owned()));
    }
    sum.end(code, reason);
    if let Some((code, reason)) = run.ending() {
        sum.end(code, Some(reason));
        sum.over = true;
    }
}
