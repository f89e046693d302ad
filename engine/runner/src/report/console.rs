//! The screen: one line per step, one live line that counts, failures with their place, a recap. Decides nothing about the run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::Diagnostic;
use tokio::time::Instant;

use super::line::{self, Tone};
use super::many::Many;
use super::screen::{Lines, Screen, take};
use crate::{Counts, Outcome, Reporter, RunEvent};

/// Up to so many devices, each step has a line for each of them.
const FEW: usize = 10;
/// Longest summary on a line: a reply may have 128 KiB.
const LONGEST: usize = 200;
/// Steps that run on the runner bear this name instead of a device's.
const RUNNER: &str = "runner";
/// Widest device column.
const WIDEST_ID: usize = 24;

/// What the console may do.
#[derive(Clone, Debug, Default)]
pub struct ConsoleOptions {
    /// stderr is a terminal: a live line, rewritten in place.
    pub terminal: bool,
    /// Colours (a terminal, and no `NO_COLOR`).
    pub color: bool,
    /// Columns of the terminal; 0 = unknown.
    pub width: usize,
    /// stdout belongs to `--output json|ndjson`: what `log` says goes to stderr.
    pub stdout_taken: bool,
    /// Behind the recap, in brackets: what to type to see more.
    pub hint: Option<String>,
}

/// A step under way on one device.
struct Running {
    name: Arc<str>,
    since: Instant,
    of: Option<Duration>,
    says: Option<String>,
    /// It said something on purpose: that is its line.
    spoke: bool,
}

/// What the console remembers of the play.
#[derive(Default)]
struct State {
    devices: usize,
    /// Columns of names.
    name: usize,
    /// Columns of device ids; 0 = not shown.
    id: usize,
    running: BTreeMap<Arc<str>, Running>,
    many: Many,
    ended: Counts,
    waiting: usize,
    since: Option<Instant>,
}

/// Prints a run for people: everything to `err`, only what `log` and `print` say to `out`.
pub struct Console {
    options: ConsoleOptions,
    screen: Arc<Mutex<Screen>>,
    state: RefCell<State>,
}

impl Console {
    /// A console that writes to these two (the process's stdout and stderr).
    pub fn new(options: ConsoleOptions, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        let screen = Screen::new(out, err, options.terminal, options.width);
        Self { options, screen, state: RefCell::default() }
    }

    /// A handle for lines from elsewhere (hub, device, simulated devices), usable from any thread.
    pub fn lines(&self) -> Lines {
        Lines(Arc::clone(&self.screen))
    }

    fn err(&self, text: &str) {
        take(&self.screen).err(text);
    }

    fn diagnostic(&self, found: &Diagnostic) {
        let text = found.to_string();
        let text = text.trim_end();
        let painted = match text.strip_prefix(found.label.as_str()) {
            Some(rest) => format!("{}{rest}", line::paint(&found.label, Tone::Bad, self.options.color)),
            None => text.to_owned(),
        };
        self.err(&painted);
    }

    fn play(&self, name: &str, file: &str, devices: usize, first: &[Arc<str>], steps: &[Arc<str>]) {
        let mut state = self.state.borrow_mut();
        let widest = |names: &[Arc<str>]| names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        *state = State { devices, since: Some(Instant::now()), ..State::default() };
        state.name = widest(steps).min(line::WIDEST_NAME);
        state.id = widest(first).min(WIDEST_ID);
        let count = match devices {
            // A script that names its devices itself.
            0 => String::new(),
            1 => ", 1 device".to_owned(),
            n => format!(", {n} devices"),
        };
        self.err(&format!("play    {name}  ({file}{count})\n"));
    }

    fn wave(&self, index: usize, of: usize, size: usize) {
        let noun = if size == 1 { "device" } else { "devices" };
        let gap = if index > 1 { "\n" } else { "" };
        self.err(&format!("{gap}wave    {index} of {of}  ({size} {noun})\n"));
    }

    fn started(&self, device: &Arc<str>, step: usize, name: &Arc<str>) {
        let mut state = self.state.borrow_mut();
        if !state.few() {
            state.many.started(step, name);
        } else {
            let running = Running { name: Arc::clone(name), since: Instant::now(), of: None, says: None, spoke: false };
            state.running.insert(Arc::clone(device), running);
        }
    }

    fn said(&self, device: Option<&Arc<str>>, level: &str, text: &str) {
        let speaker = device.map_or(RUNNER, AsRef::as_ref);
        if let Some(running) = self.state.borrow_mut().running.get_mut(speaker) {
            running.spoke = true;
        }
        if level == "info" && !self.options.stdout_taken {
            take(&self.screen).out(text);
        } else if level == "info" {
            self.err(text);
        } else {
            let tone = if level == "error" { Tone::Bad } else { Tone::Odd };
            self.err(&format!("{}: {text}", line::paint(level, tone, self.options.color)));
        }
    }

    fn step_ended(&self, event: &RunEvent) {
        let RunEvent::StepEnded { device, step, name, outcome, ignored, took, summary, diagnostic, hidden, .. } = event
        else {
            return;
        };
        let mut state = self.state.borrow_mut();
        if !state.few() {
            let show = state.many.ended(*step, name, outcome, *ignored, *took);
            if let (true, Some(found)) = (show, diagnostic) {
                self.diagnostic(found);
            }
            return;
        }
        let spoke = state.running.remove(device).is_some_and(|running| running.spoke);
        // Or the line that counted would be drawn once more below the one that says how it ended.
        take(&self.screen).live(state.live());
        if spoke && summary.is_empty() && matches!(outcome, Outcome::Done { .. }) {
            return;
        }
        let rest = match outcome {
            _ if *hidden => "(no_log)".to_owned(),
            Outcome::Done { .. } => summary.clone(),
            Outcome::Skipped(skip) => skip.to_string(),
            Outcome::Failed(failure) if *ignored || diagnostic.is_none() => failure.message.clone(),
            Outcome::Failed(_) => String::new(),
        };
        let (word, tone) = line::status(outcome, *ignored);
        let name = state.named(device, name);
        let width = state.columns();
        let rest = line::one_line(&rest, LONGEST);
        self.err(&line::step((&word, tone), &name, width, &line::took(*took), &rest, self.options.color));
        if let (false, Some(found)) = (*ignored, diagnostic) {
            self.diagnostic(found);
        }
    }

    fn retried(&self, device: &Arc<str>, attempt: u32, reason: &str) {
        let state = self.state.borrow();
        if let (true, Some(running)) = (state.few(), state.running.get(device)) {
            let name = state.named(device, &running.name);
            let took = line::took(running.since.elapsed());
            let rest = line::one_line(&format!("attempt {attempt}: {reason}"), LONGEST);
            self.err(&line::step(("again", Tone::Odd), &name, state.columns(), &took, &rest, self.options.color));
        }
    }

    fn waiting(&self, device: &Arc<str>, at_most: Duration) {
        let mut state = self.state.borrow_mut();
        state.waiting += 1;
        if state.few() {
            let rest = format!("not connected; waiting for up to {}", base::format_duration(at_most));
            let name =
                state.running.get(device).map_or_else(|| Arc::clone(device), |running| Arc::clone(&running.name));
            let name = state.named(device, &name);
            self.err(&line::step(("waiting", Tone::Odd), &name, state.columns(), "", &rest, self.options.color));
        }
    }

    fn flush_many(&self) {
        let mut state = self.state.borrow_mut();
        let width = state.columns();
        for text in state.many.lines(width, self.options.color) {
            self.err(&text);
        }
    }

    fn recap(&self, counts: Counts, took: Duration, reason: Option<&str>) {
        take(&self.screen).live(None);
        if self.state.borrow().since.is_none() {
            // Nothing was begun: what stopped it has been said, and there is nothing to count.
            return;
        }
        if let Some(reason) = reason {
            self.err(&format!("\n{reason}"));
        }
        let hint = self.options.hint.as_ref().map(|hint| format!("    ({hint})")).unwrap_or_default();
        let part = |word: &str, count: usize, tone: Tone| {
            let tone = if count == 0 { Tone::Quiet } else { tone };
            line::paint(&format!("{word} {count}"), tone, self.options.color)
        };
        self.err(&format!(
            "\n{}   {}   {}   {}    {}{hint}",
            part("ok", counts.ok, Tone::Good),
            part("failed", counts.failed, Tone::Bad),
            part("unreachable", counts.unreachable, Tone::Odd),
            part("skipped", counts.skipped, Tone::Odd),
            line::took(took),
        ));
    }

    fn draw(&self) {
        if self.options.terminal {
            let live = self.state.borrow().live();
            take(&self.screen).live(live);
        }
    }
}

impl State {
    fn few(&self) -> bool {
        self.devices <= FEW
    }

    /// The name column of a step's line: with the device in front when there are several.
    fn named(&self, device: &str, name: &str) -> String {
        if self.devices != 1 && self.few() {
            format!("{device:width$}  {name}", width = self.id)
        } else {
            name.to_owned()
        }
    }

    fn columns(&self) -> usize {
        if self.devices != 1 && self.few() { self.id + 2 + self.name } else { self.name }
    }

    fn live(&self) -> Option<String> {
        if !self.few() {
            return self.crowd();
        }
        let (device, running) = self.running.iter().max_by_key(|(_, running)| running.since)?;
        let mut rest = line::counting(running.since.elapsed(), running.of, running.says.as_deref());
        if self.running.len() > 1 {
            rest = format!("{rest}   ({} devices under way)", self.running.len());
        }
        Some(line::running(&self.named(device, &running.name), self.columns(), &rest))
    }

    /// `  ...      312 of 1000   ok 300   failed 2   waiting 10   45/s   16 s left`
    fn crowd(&self) -> Option<String> {
        let since = self.since?;
        let ended = self.ended.ok + self.ended.failed + self.ended.unreachable + self.ended.skipped;
        let mut text = format!("  ...      {ended} of {}   ok {}", self.devices, self.ended.ok);
        for (word, count) in
            [("failed", self.ended.failed), ("unreachable", self.ended.unreachable), ("waiting", self.waiting)]
        {
            if count > 0 {
                text = format!("{text}   {word} {count}");
            }
        }
        let rate = ended as f64 / since.elapsed().as_secs_f64().max(0.1);
        if ended > 0 && ended < self.devices {
            let left = (self.devices - ended) as f64 / rate;
            text = format!("{text}   {rate:.0}/s   {left:.0} s left");
        }
        if let Some(busiest) = self.many.busiest() {
            text = format!("{text}   {busiest}");
        }
        Some(format!("{text}   {}", line::counting(since.elapsed(), None, None)))
    }

    fn device_ended(&mut self, device: &str, outcome: &str) {
        self.running.remove(device);
        match outcome {
            "ok" => self.ended.ok += 1,
            "unreachable" => self.ended.unreachable += 1,
            "skipped" => self.ended.skipped += 1,
            _ => self.ended.failed += 1,
        }
    }
}

impl Reporter for Console {
    fn on(&self, event: &RunEvent) {
        match event {
            // The binary prints the lines about hub and device: it knows where they were configured.
            RunEvent::RunStarted { .. } => {}
            RunEvent::PlayStarted { name, file, devices, first, steps, .. } => {
                self.play(name, file, *devices, first, steps);
            }
            RunEvent::WaveStarted { index, of, size } => self.wave(*index, *of, *size),
            RunEvent::DeviceStarted { .. } => {}
            RunEvent::StepStarted { device, step, name } => self.started(device, *step, name),
            RunEvent::StepProgress { device, progress, .. } => {
                if let Some(running) = self.state.borrow_mut().running.get_mut(device) {
                    let (of, says) = line::progress(progress);
                    running.of = of.or(running.of);
                    running.says = says.or(running.says.take());
                }
            }
            RunEvent::StepRetried { device, attempt, reason, .. } => self.retried(device, *attempt, reason),
            RunEvent::StepEnded { .. } => self.step_ended(event),
            RunEvent::Said { device, level, text } => self.said(device.as_ref(), level, text),
            RunEvent::Warned { text } => self.err(&format!("warning: {text}")),
            RunEvent::DeviceWaiting { device, at_most } => self.waiting(device, *at_most),
            RunEvent::Stopped { diagnostic } => self.diagnostic(diagnostic),
            RunEvent::DeviceEnded { device, outcome, .. } => self.state.borrow_mut().device_ended(device, outcome),
            RunEvent::VerifyFailed { .. } => {}
            RunEvent::WaveEnded { .. } | RunEvent::PlayEnded { .. } => self.flush_many(),
            RunEvent::RunEnded { counts, took, reason, .. } => return self.recap(*counts, *took, reason.as_deref()),
        }
        // Thousands of events a second must not draw thousands of times: many devices are drawn by `tick`.
        if self.state.borrow().few() {
            self.draw();
        }
    }

    fn tick(&self) {
        self.draw();
    }
}
