//! The only thing that the runner says. Console, JSON, JUnit, HTML and the journal all listen to it.

use std::sync::Arc;
use std::time::Duration;

use base::Diagnostic;
use serde_json::Value;

use crate::{Estimate, HubInfo, Outcome};

/// How far a running step is.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Seconds spent of seconds allowed: `8 s of 30 s`.
    Elapsed {
        /// So far.
        spent: Duration,
        /// At most.
        of: Option<Duration>,
    },
    /// A short text instead, such as the value that a wait sees.
    Says(String),
    /// Devices that one call serves: said once for all of them.
    Together {
        /// Served so far.
        done: usize,
        /// All.
        of: usize,
        /// By what: `job 20261123-..`.
        by: String,
    },
}

/// Devices of a play by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All steps worked, or their failures were ignored.
    pub ok: usize,
    /// Failed, rejected or timed out.
    pub failed: usize,
    /// Not reachable.
    pub unreachable: usize,
    /// Skipped as a whole, or never reached.
    pub skipped: usize,
}

/// One thing that happened. `play` and `step` are indices into the book; a step's index is its place in reading order, nested ones included.
#[derive(Clone, Debug)]
pub enum RunEvent {
    /// First of all.
    RunStarted {
        /// The run's id.
        run: Arc<str>,
        /// Whom it talks to.
        hub: HubInfo,
    },
    /// A play begins.
    PlayStarted {
        /// Index of the play.
        play: usize,
        /// Its name.
        name: Arc<str>,
        /// The file, as the user typed or as it was found.
        file: Arc<str>,
        /// How many devices.
        devices: usize,
        /// The first ids, at most ten.
        first: Vec<Arc<str>>,
        /// The names of all steps of the file in reading order, unfilled: what step indices mean, and how wide a column is.
        steps: Arc<[Arc<str>]>,
        /// How many waves there are; 0 when there is no device.
        waves: usize,
        /// The least time that the hub's quota allows for it, when that is known.
        estimate: Option<Estimate>,
    },
    /// A wave begins (only when there is more than one).
    WaveStarted {
        /// From 1.
        index: usize,
        /// How many waves there are.
        of: usize,
        /// Devices in it.
        size: usize,
    },
    /// A device's run begins.
    DeviceStarted {
        /// The device.
        device: Arc<str>,
        /// Its wave, from 1.
        wave: usize,
    },
    /// A step begins on a device.
    StepStarted {
        /// The device.
        device: Arc<str>,
        /// The step.
        step: usize,
        /// Its name, filled.
        name: Arc<str>,
    },
    /// A step goes on.
    StepProgress {
        /// The device.
        device: Arc<str>,
        /// The step.
        step: usize,
        /// How far.
        progress: Progress,
    },
    /// An attempt failed and will be repeated.
    StepRetried {
        /// The device.
        device: Arc<str>,
        /// The step.
        step: usize,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// Why.
        reason: String,
    },
    /// A step ended on a device.
    StepEnded {
        /// The device.
        device: Arc<str>,
        /// The step.
        step: usize,
        /// Its name, filled.
        name: Arc<str>,
        /// How.
        outcome: Outcome,
        /// Failed, but `ignore_errors` or `rescue` goes on.
        ignored: bool,
        /// `ignored`, because a `rescue` around goes on.
        rescued: bool,
        /// Attempts, from 1.
        attempts: u32,
        /// How long it took, all attempts.
        took: Duration,
        /// What the line shows behind the time: a reply, a value, old -> new.
        summary: String,
        /// The failure as people read it, with place and help.
        diagnostic: Option<Box<Diagnostic>>,
        /// `no_log`: value and summary must not be shown.
        hidden: bool,
    },
    /// `log`, `print` and what a script says on purpose: stdout, or stderr with its word for `warn` and `error`.
    Said {
        /// The device, none for the run itself.
        device: Option<Arc<str>>,
        /// `info`, `warn`, `error` or `debug`.
        level: &'static str,
        /// The line.
        text: String,
    },
    /// A warning of the runner itself.
    Warned {
        /// The line.
        text: String,
    },
    /// A device is not connected and is waited for (`offline: { wait: .. }`): it holds neither a fork nor a wave.
    DeviceWaiting {
        /// The device.
        device: Arc<str>,
        /// At most so long.
        at_most: Duration,
    },
    /// The play's `window` is shut: no new device starts, those under way go on.
    WindowShut {
        /// When it opens, as people of its time zone read it: `2026-11-24 22:00 Europe/Berlin`.
        opens: String,
        /// How long that is.
        left: Duration,
        /// Devices of the wave that wait for it.
        waiting: usize,
    },
    /// Nothing was sent, or the run cannot go on: why, with help.
    Stopped {
        /// The finding.
        diagnostic: Box<Diagnostic>,
    },
    /// A device's run ended.
    DeviceEnded {
        /// The device.
        device: Arc<str>,
        /// `ok`, `failed`, `unreachable`, `timeout`, `rejected` or `skipped`.
        outcome: &'static str,
        /// Its wave, from 1.
        wave: usize,
        /// The failing step's message, if one failed.
        error: Option<String>,
        /// How long its steps took.
        took: Duration,
        /// How much of that was waiting: for the device to come online, and in verbs that wait.
        waited: Duration,
        /// Its registered values, for `after` and reports.
        vars: Arc<Value>,
    },
    /// A device that ended `ok` did not pass `verify` between waves: it does not count as ok any more.
    VerifyFailed {
        /// The device.
        device: Arc<str>,
        /// `failed`, `unreachable`, `timeout` or `rejected`: what it counts as now.
        outcome: &'static str,
        /// Its wave, from 1.
        wave: usize,
        /// The failing step's message.
        error: Option<String>,
    },
    /// A wave ended (devices that are still waited for go on).
    WaveEnded {
        /// From 1.
        index: usize,
        /// How its devices ended.
        counts: Counts,
        /// Devices that go on waiting.
        waiting: usize,
    },
    /// A play ended.
    PlayEnded {
        /// Its devices.
        counts: Counts,
    },
    /// Last of all.
    RunEnded {
        /// Devices of all plays.
        counts: Counts,
        /// Whole time.
        took: Duration,
        /// The exit code (design: section 4).
        exit: u8,
        /// Why it ended early, if it did.
        reason: Option<String>,
    },
}

/// Listens to a run. Called on the runner's lane, so it must not block for long.
pub trait Reporter {
    /// One thing happened.
    fn on(&self, event: &RunEvent);

    /// Called a few times a second while a run goes on, for lines that count.
    fn tick(&self) {}
}
