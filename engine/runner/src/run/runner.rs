//! A run from its plan to its exit code: plays in order, events to all reporters. Knows no verb and no cloud.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::Diagnostic;
use indexmap::IndexMap;
use tokio::time::Instant;

use super::device::{Device, DeviceEnd};
use super::events::Events;
use super::exit::{self, Tally, graver};
use super::frame::Frame;
use super::locks::Locks;
use super::past;
use super::play::{Doors, PlayRun};
use super::retold::retell;
use super::scope::DeviceScope;
use super::secrets;
use super::tags;
use super::values::Values;
use super::waves::Driver;
use crate::book::{Book, Play, Template, extra_vars};
use crate::journal::{Kind, PastPlay, Record};
use crate::plan::{self, Asked, Planned};
use crate::{Inventory, Registry, Reporter, Resume, RunEvent, RunOptions, RunResult, Selection, Target};

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
    /// A person is to be asked.
    paused: bool,
    /// How many devices the plays were about.
    size: usize,
}

impl Sum {
    fn end(&mut self, code: u8, reason: Option<String>) {
        if graver(self.exit, code) != self.exit || self.reason.is_none() {
            self.reason = reason.or(self.reason.take());
        }
        self.exit = graver(self.exit, code);
    }

    /// How the run can be gone on with.
    fn resume(&self) -> Option<Resume> {
        match self.exit {
            _ if self.paused => Some(Resume::Approve),
            exit::INTERNAL | exit::HUB | exit::INTERRUPTED => Some(Resume::Plain),
            _ => None,
        }
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
                let _held = match Locks::take(book, options) {
                    Ok(locks) => locks,
                    Err((finding, code)) => {
                        sum.refuse(events, code, finding);
                        return self.finish(events, options, sum, started).await;
                    }
                };
                tags::unknown(book, options).into_iter().for_each(|text| events.say(&RunEvent::Warned { text }));
                for (index, vars) in vars.iter().enumerate() {
                    if !sum.over {
                        self.play(book, (index, vars), options, events, &mut sum).await;
                    }
                }
            }
        }
        self.finish(events, options, sum, started).await
    }

    async fn finish(&self, events: Events<'_>, options: &RunOptions, mut sum: Sum, started: Instant) -> RunResult {
        let resume = sum.resume();
        if let Err(why) = conclude_journal(options, &sum, resume).await {
            sum.end(exit::INTERNAL, Some(why));
        }
        let interrupted = options.cancel.is_cancelled() && sum.exit == exit::INTERRUPTED;
        let counts = sum.tally.counts();
        let took = started.elapsed();
        events.say(&RunEvent::RunEnded { counts, took, exit: sum.exit, reason: sum.reason.clone() });
        let begun = options.journal.as_ref().is_some_and(|journal| journal.is_begun());
        let resume = resume.filter(|_| begun);
        RunResult { exit: sum.exit, counts, reason: sum.reason, interrupted, resume }
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
        let past = past::journal(options).and_then(|journal| journal.past().play(index));
        if let Some(past) = past.as_ref().filter(|past| past.done.is_some()) {
            self.told_again(book, (index, past), options, events);
            return recall(past, sum);
        }
        let targets = match self.targets(play, past.as_deref(), options, sum).await {
            Ok(targets) => targets,
            Err((diagnostic, code)) => return sum.refuse(events, code, diagnostic),
        };
        let values = match self.values(play, (vars, past.as_deref()), options).await {
            Ok(values) => values,
            Err(diagnostic) => return sum.refuse(events, exit::USAGE, diagnostic),
        };
        if let Err(diagnostic) = begin(play, index, (&targets, past.is_none()), &values, options) {
            return sum.refuse(events, exit::USAGE, diagnostic);
        }
        let ended = past.as_ref().map_or(0, |past| past.ends.len());
        let coming = targets.len().saturating_sub(ended);
        events.say(&RunEvent::PlayStarted {
            play: index,
            name: Arc::clone(&play.name),
            file: book.source.name().into(),
            devices: targets.len(),
            first: targets.iter().take(FIRST).map(|target| Arc::clone(&target.id)).collect(),
            steps: book.steps.iter().map(|(name, _)| Arc::clone(name)).collect(),
            waves: past
                .as_ref()
                .map_or_else(|| plan::waves(&play.serial, targets.len()), |past| past.sizes.clone())
                .len(),
            estimate: self.inventory.estimate(&plan::work(play, coming, options)),
        });
        for text in plan::lacks(play, &targets, &*self.inventory) {
            events.say(&RunEvent::Warned { text });
        }
        let doors = Doors { events, inventory: &*self.inventory, expressions: &self.expressions };
        sum.size += targets.len();
        let run = PlayRun::new(book, play, options, doors, values, targets.len());
        if let Some(past) = &past {
            retell(book, index, past, run.journal, events);
        }
        perform(&run, targets).await;
        conclude(&run, sum);
        events.say(&RunEvent::PlayEnded { counts: run.tally.borrow().counts() });
    }

    /// A play that ended in an earlier process, for reports.
    fn told_again(&self, book: &Book, (index, past): (usize, &PastPlay), options: &RunOptions, events: Events<'_>) {
        if !events.wants_past() {
            return;
        }
        events.earlier(RunEvent::PlayStarted {
            play: index,
            name: Arc::clone(&book.plays[index].name),
            file: book.source.name().into(),
            devices: past.targets.len(),
            first: past.targets.iter().take(FIRST).map(|target| Arc::clone(&target.id)).collect(),
            steps: book.steps.iter().map(|(name, _)| Arc::clone(name)).collect(),
            waves: past.sizes.len(),
            estimate: None,
        });
        retell(book, index, past, past::journal(options), events);
        let mut tally = Tally::default();
        let sizes = past.sizes.iter().enumerate().flat_map(|(index, size)| std::iter::repeat_n(index, *size));
        for (target, wave) in past.targets.iter().zip(sizes) {
            if let Some(end) = past.ends.get(&target.id) {
                tally.add(end.ended);
                events.earlier(PlayRun::ended_before(&target.id, wave, end).event());
            }
        }
        events.earlier(RunEvent::PlayEnded { counts: tally.counts() });
    }

    /// The devices: those of an earlier process in its order, else as the play and the command line say; and whether they may be called.
    async fn targets(
        &self,
        play: &Play,
        past: Option<&PastPlay>,
        options: &RunOptions,
        sum: &Sum,
    ) -> Result<Vec<Target>, (Diagnostic, u8)> {
        let targets = match past {
            Some(past) => self.again(past.targets.clone()).await?,
            None => match plan::select(play.targets.as_ref(), &*self.inventory, options).await {
                Planned::Devices(targets) => {
                    targets.into_iter().filter(|target| !sum.lost.contains(&target.id)).collect()
                }
                Planned::Refused(diagnostic, code) => return Err((*diagnostic, code)),
            },
        };
        if let Some(diagnostic) = plan::too_many_forks(play, targets.len(), options) {
            return Err((diagnostic, exit::USAGE));
        }
        let ended = |target: &&Target| past.is_some_and(|past| past.ends.contains_key(&target.id));
        let coming: Vec<Target> = targets.iter().filter(|target| !ended(target)).cloned().collect();
        match plan::ask(plan::changing(play), &coming, &self.inventory.hub(), options).await {
            Asked::Allowed => Ok(targets),
            Asked::Refused(diagnostic) => Err((*diagnostic, exit::USAGE)),
        }
    }

    /// Targets of an earlier process; what was not kept of them, because it showed a secret, is read anew.
    async fn again(&self, mut targets: Vec<Target>) -> Result<Vec<Target>, (Diagnostic, u8)> {
        let bare = |target: &&mut Target| target.attributes.is_null();
        let ids: Vec<String> = targets.iter_mut().filter(bare).map(|target| target.id.to_string()).collect();
        if ids.is_empty() {
            return Ok(targets);
        }
        let read = self.inventory.select(&Selection::Ids(ids)).await.map_err(plan::stop)?;
        for (target, now) in targets.iter_mut().filter(bare).zip(read) {
            *target = now;
        }
        Ok(targets)
    }

    async fn values<'v>(
        &self,
        play: &Play,
        (vars, past): (&'v Vars, Option<&PastPlay>),
        options: &RunOptions,
    ) -> Result<Values<'v>, Diagnostic> {
        let secrets = secrets::fetch(play, options).await?;
        let known = past.map(|past| &past.vars);
        Values::new(play, (vars, known), secrets, options, &self.expressions)
    }
}

/// The journal's first lines of a play; the folder is made with the first play's, when nothing can refuse the run any more.
fn begin(
    play: &Play,
    index: usize,
    (targets, fresh): (&[Target], bool),
    values: &Values<'_>,
    options: &RunOptions,
) -> Result<(), Diagnostic> {
    let Some(journal) = past::journal(options) else { return Ok(()) };
    journal.begin().map_err(|error| {
        Diagnostic::error(format!("{error}. Nothing was sent: calls are written down before they are sent"))
            .help("a run needs a folder that it may write: .iotplay/runs here")
    })?;
    if fresh {
        let sizes = plan::waves(&play.serial, targets.len());
        past::begin(journal, (index, &play.name), targets, &sizes, &values.kept());
    }
    Ok(())
}

/// A play that ended in an earlier process: what it came to.
fn recall(past: &PastPlay, sum: &mut Sum) {
    for (id, end) in &past.ends {
        sum.tally.add(end.ended);
        if !matches!(end.ended, exit::Ended::Ok | exit::Ended::Skipped) {
            sum.lost.insert(Arc::clone(id));
        }
    }
    sum.size += past.targets.len();
    let (code, reason) = past.done.clone().unwrap_or_default();
    sum.end(code, reason);
}

/// The last line, and everything on disk.
async fn conclude_journal(options: &RunOptions, sum: &Sum, resume: Option<Resume>) -> Result<(), String> {
    let Some(journal) = past::journal(options).filter(|journal| journal.is_begun()) else { return Ok(()) };
    let counts = sum.tally.counts();
    journal.append(Record {
        size: Some(sum.size),
        sizes: Some(vec![counts.ok, counts.failed, counts.unreachable, counts.skipped]),
        ..Record::end(resume, sum.exit, sum.reason.as_deref())
    });
    journal.close().await
}

/// Before, waves, after; within the play's `timeout`.
async fn perform(run: &PlayRun<'_>, targets: Vec<Target>) {
    let before = Device::runner(run).walk(&run.play.before).await;
    if failed(&before).is_some() || run.halted.is_cancelled() {
        if let Some(why) = failed(&before) {
            run.end(exit::ABORTED, format!("`before` failed: {why}"));
        }
        targets.into_iter().for_each(|target| run.ended(run.not_reached(target.id, 0)));
    } else {
        let deadline = async {
            match run.play.timeout {
                Some(timeout) => used_up(run, timeout).await,
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

/// Ends when the play has had so much time, not counted what it spent before a shut window.
async fn used_up(run: &PlayRun<'_>, timeout: Duration) {
    let started = Instant::now();
    loop {
        let left = (started + timeout + run.shut.get()).saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left).await;
    }
}

/// `after`, also after an abort; not when a person wants the run to end, or the hub is away.
async fn after(run: &PlayRun<'_>) {
    // Held: the devices are not done with. An interruption that comes now ends `after` by itself.
    if run.play.after.is_empty() || run.is_held() {
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
    let ended = run.ending();
    if !run.is_held() {
        let code = ended.as_ref().map_or(code, |(ending, _)| graver(code, *ending));
        let why = ended.as_ref().map(|(_, why)| why.as_str()).or(reason.as_deref());
        run.note(|| {
            let line = Record { exit: Some(code), ..Record::new(Kind::PlayDone) };
            why.map_or(line.clone(), |why| line.text(why))
        });
    }
    sum.end(code, reason);
    sum.paused |= run.paused.get();
    if let Some((code, reason)) = ended {
        sum.end(code, Some(reason));
        sum.over = true;
    }
    if let Some(doubts) = run.doubts() {
        sum.reason = Some(sum.reason.take().map_or(doubts.clone(), |reason| format!("{reason}\n{doubts}")));
    }
}
