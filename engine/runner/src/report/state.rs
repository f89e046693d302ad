//! What the console remembers of a play under way, and the block that counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::line;
use super::many::Many;
use super::rhythm::{Rhythm, per};
use crate::Counts;

/// Up to so many devices, each step has a line for each of them.
const FEW: usize = 10;
/// Warnings of a play that are printed, and as many findings.
const SAID: usize = 20;
/// Widest device column.
const WIDEST_ID: usize = 24;

/// A step under way on one device.
pub(super) struct Running {
    pub(super) step: usize,
    pub(super) name: Arc<str>,
    pub(super) since: Instant,
    pub(super) of: Option<Duration>,
    pub(super) says: Option<String>,
    /// It said something on purpose: that is its line.
    pub(super) spoke: bool,
}

/// What the console remembers of the play.
#[derive(Default)]
pub(super) struct State {
    /// How many there are; in a script that did not say whom it means, how many it has called once they are a crowd.
    devices: usize,
    begun: usize,
    /// Columns of names.
    name: usize,
    /// Columns of device ids; 0 = not shown.
    id: usize,
    /// Index, of how many, and devices in it.
    wave: Option<(usize, usize, usize)>,
    pub(super) running: BTreeMap<Arc<str>, Running>,
    pub(super) many: Many,
    ended: Counts,
    /// Not connected, and waited for.
    waiting: BTreeSet<Arc<str>>,
    /// Warnings, and findings that stopped something: each said so often, and how often in all.
    warned: usize,
    stopped: usize,
    rhythm: Option<Rhythm>,
    estimate: Option<Duration>,
}

impl State {
    /// Of a play that begins now.
    pub(super) fn begin(devices: usize, first: &[Arc<str>], steps: &[Arc<str>], estimate: Option<Duration>) -> Self {
        let widest = |names: &[Arc<str>]| names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        Self {
            devices,
            name: widest(steps).min(line::WIDEST_NAME),
            id: widest(first).min(WIDEST_ID),
            rhythm: Some(Rhythm::new()),
            estimate,
            ..Self::default()
        }
    }

    /// Whether a play has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.rhythm.is_some()
    }

    pub(super) fn few(&self) -> bool {
        self.devices <= FEW
    }

    pub(super) fn wave(&mut self, index: usize, of: usize, size: usize) {
        self.wave = Some((index, of, size));
    }

    /// A step begins. With many devices only its place is kept of it.
    pub(super) fn started(&mut self, device: &Arc<str>, step: usize, name: &Arc<str>) {
        if !self.few() {
            self.many.started(step, name);
        }
        let name = Arc::clone(name);
        let running = Running { step, name, since: Instant::now(), of: None, says: None, spoke: false };
        self.running.insert(Arc::clone(device), running);
    }

    /// A device's run begins. A script may call more than were known.
    pub(super) fn device_started(&mut self) {
        self.begun += 1;
        self.devices = self.devices.max(if self.begun > FEW { self.begun } else { 0 });
    }

    /// A device is not connected.
    pub(super) fn waits(&mut self, device: &Arc<str>) {
        self.waiting.insert(Arc::clone(device));
    }

    /// A warning: whether it is printed. One of each of ten thousand devices would bury all else.
    pub(super) fn warned(&mut self) -> bool {
        self.warned += 1;
        self.warned <= SAID
    }

    /// A finding that stopped the run or a device: whether it is printed.
    pub(super) fn stopped(&mut self) -> bool {
        self.stopped += 1;
        self.stopped <= SAID
    }

    /// What was not printed: `12 more warnings`.
    pub(super) fn unsaid(&self) -> Vec<String> {
        let counts = [(self.warned, "warnings"), (self.stopped, "errors like those above")];
        let more = counts.iter().filter(|(count, _)| *count > SAID);
        more.map(|(count, noun)| format!("{} more {noun}", count - SAID)).collect()
    }

    /// A step has ended: whatever it waited for, it does not any more.
    pub(super) fn step_ended(&mut self, device: &str) -> Option<Running> {
        self.waiting.remove(device);
        self.running.remove(device)
    }

    pub(super) fn device_ended(&mut self, device: &str, outcome: &str) {
        if let Some(running) = self.step_ended(device).filter(|_| !self.few()) {
            self.many.stopped(running.step);
        }
        *self.count(outcome) += 1;
    }

    /// A device that was ok is not any more.
    pub(super) fn verify_failed(&mut self, outcome: &str) {
        self.ended.ok = self.ended.ok.saturating_sub(1);
        *self.count(outcome) += 1;
    }

    fn count(&mut self, outcome: &str) -> &mut usize {
        match outcome {
            "ok" => &mut self.ended.ok,
            "unreachable" => &mut self.ended.unreachable,
            "skipped" => &mut self.ended.skipped,
            _ => &mut self.ended.failed,
        }
    }

    fn ended(&self) -> usize {
        self.ended.ok + self.ended.failed + self.ended.unreachable + self.ended.skipped
    }

    /// The name column of a step's line: with the device in front when there are several.
    pub(super) fn named(&self, device: &str, name: &str) -> String {
        if self.devices != 1 && self.few() {
            format!("{device:width$}  {name}", width = self.id)
        } else {
            name.to_owned()
        }
    }

    pub(super) fn columns(&self) -> usize {
        if self.devices != 1 && self.few() { self.id + 2 + self.name } else { self.name }
    }

    /// The live block.
    pub(super) fn live(&self) -> Vec<String> {
        if self.few() {
            return self.newest().into_iter().collect();
        }
        let size = self.wave.map_or(self.devices, |(_, _, size)| size);
        let mut lines = self.many.live(self.columns(), size);
        lines.extend(self.crowd());
        lines
    }

    /// A line about how far it is, where there is no live block, when one is due.
    pub(super) fn progress(&mut self) -> Option<String> {
        let ended = self.ended();
        let rhythm = self.rhythm.as_mut()?;
        rhythm.sample(ended);
        if !rhythm.due(ended, self.devices) {
            return None;
        }
        if self.few() { self.newest() } else { self.crowd() }
    }

    /// The step that began last.
    fn newest(&self) -> Option<String> {
        let (device, running) = self.running.iter().max_by_key(|(_, running)| running.since)?;
        let mut rest = line::counting(running.since.elapsed(), running.of, running.says.as_deref());
        if self.running.len() > 1 {
            rest = format!("{rest}   ({} devices under way)", self.running.len());
        }
        Some(line::running(&self.named(device, &running.name), self.columns(), &rest))
    }

    /// `  ...      wave 2 of 3   312 of 1000   ok 300   failed 2   waiting 10   45/s   about 16 s left   7 s`
    fn crowd(&self) -> Option<String> {
        let rhythm = self.rhythm.as_ref()?;
        let ended = self.ended();
        let mut parts = Vec::new();
        parts.extend(self.wave.map(|(index, of, _)| format!("wave {index} of {of}")));
        parts.push(format!("{ended} of {}", self.devices));
        parts.push(format!("ok {}", self.ended.ok));
        let Counts { failed, unreachable, skipped, .. } = self.ended;
        let counts = [
            ("failed", failed),
            ("unreachable", unreachable),
            ("skipped", skipped),
            ("waiting", self.waiting.len()),
            ("running", self.running.len().saturating_sub(self.waiting.len())),
        ];
        parts.extend(counts.iter().filter(|(_, count)| *count > 0).map(|(word, count)| format!("{word} {count}")));
        parts.extend(rhythm.rate(ended, self.devices).map(per));
        let left = rhythm.left(ended, self.devices, self.estimate);
        parts.extend(left.map(|left| format!("about {} left", line::whole(left))));
        parts.push(line::whole(rhythm.elapsed()));
        Some(format!("  ...      {}", parts.join("   ")))
    }
}
