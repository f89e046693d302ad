//! The screen: one line per step, one live line that counts, failures with their place, a recap. Decides nothing about the run.

use std::cell::RefCell;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::Diagnostic;

use super::line::{self, Tone};
use super::many::End;
use super::screen::{Lines, Screen, take};
use super::state::State;
use crate::{Counts, Outcome, Progress, Reporter, RunEvent};

/// Longest summary on a line: a reply may have 128 KiB.
const LONGEST: usize = 200;
/// Steps that run on the runner bear this name instead of a device's.
const RUNNER: &str = "runner";

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

    fn play(&self, event: &RunEvent) {
        let RunEvent::PlayStarted { name, file, devices, first, steps, estimate, .. } = event else { return };
        *self.state.borrow_mut() = State::begin(*devices, first, steps, estimate.as_ref().map(|it| it.least));
        let count = match devices {
            // A script that names its devices itself.
            0 => String::new(),
            1 => ", 1 device".to_owned(),
            n => format!(", {n} devices"),
        };
        // Below a second nobody is kept waiting.
        let estimate = estimate
            .as_ref()
            .filter(|it| it.least.as_secs() > 0)
            .map(|it| format!(", about {} at {}", line::whole(it.least), it.by));
        self.err(&format!("play    {name}  ({file}{count}{})\n", estimate.unwrap_or_default()));
    }

    fn wave(&self, index: usize, of: usize, size: usize) {
        self.state.borrow_mut().wave(index, of, size);
        let noun = if size == 1 { "device" } else { "devices" };
        let gap = if index > 1 { "\n" } else { "" };
        self.err(&format!("{gap}wave    {index} of {of}  ({size} {noun})\n"));
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
        let RunEvent::StepEnded { device, step, name, outcome, ignored, rescued, took, hidden, .. } = event else {
            return;
        };
        let RunEvent::StepEnded { summary, diagnostic, .. } = event else { return };
        let mut state = self.state.borrow_mut();
        let spoke = state.step_ended(device).is_some_and(|running| running.spoke);
        if !state.few() {
            let (ignored, rescued, hidden, took) = (*ignored, *rescued, *hidden, *took);
            let show = state.many.ended(*step, name, &End { device, outcome, ignored, rescued, hidden, took });
            if let (true, Some(found)) = (show, diagnostic) {
                self.diagnostic(found);
            }
            return;
        }
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
        let (word, tone) = line::status(outcome, *ignored, *rescued);
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
        state.waits(device);
        if state.few() {
            let rest = format!("not connected; waiting for up to {}", base::format_duration(at_most));
            let name =
                state.running.get(device).map_or_else(|| Arc::clone(device), |running| Arc::clone(&running.name));
            let name = state.named(device, &name);
            self.err(&line::step(("waiting", Tone::Odd), &name, state.columns(), "", &rest, self.options.color));
        }
    }

    fn shut(&self, opens: &str, left: Duration, waiting: usize) {
        let devices = if waiting == 1 { "1 device waits".to_owned() } else { format!("{waiting} devices wait") };
        // Seconds of a wait of hours are noise.
        let left = base::format_duration(Duration::from_secs(left.as_secs().div_ceil(60) * 60));
        self.err(&format!("window  shut: {devices}; goes on at {opens} (in {left})"));
    }

    fn flush_many(&self) {
        let mut state = self.state.borrow_mut();
        // What counted is over; what comes now is how it ended.
        take(&self.screen).live(Vec::new());
        let width = state.columns();
        for text in state.many.lines(width, self.options.color) {
            self.err(&text);
        }
    }

    fn play_ended(&self) {
        self.flush_many();
        let unsaid = self.state.borrow().unsaid();
        unsaid.iter().for_each(|line| self.err(line));
    }

    fn recap(&self, counts: Counts, took: Duration, reason: Option<&str>) {
        take(&self.screen).live(Vec::new());
        if !self.state.borrow().has_begun() {
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

impl Reporter for Console {
    fn on(&self, event: &RunEvent) {
        match event {
            // The binary prints the lines about hub and device: it knows where they were configured.
            RunEvent::RunStarted { .. } => {}
            RunEvent::PlayStarted { .. } => self.play(event),
            RunEvent::WaveStarted { index, of, size } => self.wave(*index, *of, *size),
            RunEvent::DeviceStarted { .. } => self.state.borrow_mut().device_started(),
            RunEvent::StepStarted { device, step, name } => self.state.borrow_mut().started(device, *step, name),
            RunEvent::StepProgress { device, step, progress } => {
                if let Progress::Together { done, of, by } = progress {
                    self.state.borrow_mut().many.together(*step, line::together(*done, *of, by));
                }
                if let Some(running) = self.state.borrow_mut().running.get_mut(device) {
                    let (of, says) = line::progress(progress);
                    running.of = of.or(running.of);
                    running.says = says.or(running.says.take());
                }
            }
            RunEvent::StepRetried { device, attempt, reason, .. } => self.retried(device, *attempt, reason),
            RunEvent::StepEnded { .. } => self.step_ended(event),
            RunEvent::Said { device, level, text } => self.said(device.as_ref(), level, text),
            RunEvent::Warned { text } => {
                if self.state.borrow_mut().warned() {
                    self.err(&format!("warning: {text}"));
                }
            }
            RunEvent::WindowShut { opens, left, waiting } => self.shut(opens, *left, *waiting),
            RunEvent::DeviceWaiting { device, at_most } => self.waiting(device, *at_most),
            RunEvent::Stopped { diagnostic } => {
                if self.state.borrow_mut().stopped() {
                    self.diagnostic(diagnostic);
                }
            }
            RunEvent::DeviceEnded { device, outcome, .. } => self.state.borrow_mut().device_ended(device, outcome),
            RunEvent::VerifyFailed { outcome, .. } => self.state.borrow_mut().verify_failed(outcome),
            RunEvent::WaveEnded { .. } => self.flush_many(),
            RunEvent::PlayEnded { .. } => self.play_ended(),
            RunEvent::RunEnded { counts, took, reason, .. } => return self.recap(*counts, *took, reason.as_deref()),
        }
        // Thousands of events a second must not draw thousands of times: many devices are drawn by `tick`.
        if self.state.borrow().few() {
            self.draw();
        }
    }

    fn tick(&self) {
        let due = self.state.borrow_mut().progress();
        match due {
            Some(line) if !self.options.terminal => self.err(&line),
            _ => self.draw(),
        }
    }
}
