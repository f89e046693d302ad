//! What a play has from earlier processes, and what it leaves for later ones: lines about waves, devices and the play itself.

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use base::rfc3339_millis;
use serde_json::{Map, Value, json};

use super::device::DeviceEnd;
use super::exit;
use super::play::PlayRun;
use crate::Target;
use crate::journal::{Journal, Kept, Kind, PastDeviceEnd, PastEnd, PastWave, Record, SCRIPT, masked};

/// So many calls in doubt are named in the recap; `show` names them all.
const NAMED: usize = 5;

impl PlayRun<'_> {
    /// Puts a line into the journal, if there is one.
    pub(super) fn note(&self, line: impl FnOnce() -> Record) {
        if let Some(journal) = self.journal {
            journal.append(line());
        }
    }

    /// A runner script: its steps have no names in a playbook.
    pub(super) fn is_script(&self) -> bool {
        self.play.steps.is_empty()
    }

    /// The journal cannot be written: no further call may be sent.
    pub(super) fn journal_gone(&self, why: &str) {
        self.end(exit::INTERNAL, format!("{why}. No further call was sent"));
        self.stop.cancel();
    }

    /// Whether the run only stops for now: what was not reached is gone on with by `resume`.
    pub(super) fn is_held(&self) -> bool {
        let held = [exit::INTERNAL, exit::HUB, exit::INTERRUPTED];
        self.paused.get() || self.ending().is_some_and(|(code, _)| held.contains(&code))
    }

    /// A device that is not started.
    pub(super) fn not_reached(&self, id: Arc<str>, wave: usize) -> DeviceEnd {
        DeviceEnd::not_reached(id, wave, "not reached", self.is_held())
    }

    pub(super) fn past_wave(&self, index: usize) -> PastWave {
        self.past.as_ref().map(|past| past.wave(index)).unwrap_or_default()
    }

    /// How a device ended in an earlier process.
    pub(super) fn past_end(&self, device: &str) -> Option<&PastDeviceEnd> {
        self.past.as_ref()?.ends.get(device)
    }

    pub(super) fn past_once(&self, step: usize) -> Option<&PastEnd> {
        self.past.as_ref()?.once.get(&step)
    }

    /// A device that has ended counts again as it did; its line is there already.
    pub(super) fn restore(&self, id: &Arc<str>, wave: usize, past: &PastDeviceEnd) {
        self.count(DeviceEnd {
            id: Arc::clone(id),
            wave,
            ended: past.ended,
            error: past.error.clone(),
            took: past.took,
            waited: past.waited,
            vars: Arc::new(past.vars.clone().unwrap_or_else(|| json!({}))),
            open: false,
        });
    }

    /// The device that had begun a `run_once` step, while it has not ended it.
    pub(super) fn owner_of(&self, step: usize) -> Option<Arc<str>> {
        self.owners.borrow().get(&step).cloned()
    }

    /// A `run_once` step is done with, or left to the next device.
    pub(super) fn once_moved(&self, step: usize, device: &Arc<str>) {
        if self.owner_of(step).as_ref() == Some(device) {
            self.owners.borrow_mut().remove(&step);
        }
        self.moved_once.notify_waiters();
    }

    /// The device is done: whatever it had begun for all is left to the next one.
    pub(super) fn disowned(&self, device: &Arc<str>) {
        self.owners.borrow_mut().retain(|_, owner| *owner != *device);
        self.moved_once.notify_waiters();
    }

    /// A call of which nobody knows whether it was carried out.
    pub(super) fn doubt(&self, device: &Arc<str>, step: &Arc<str>, when: SystemTime) {
        self.doubts.borrow_mut().push(doubt_words(device, step, when));
    }

    /// The sentence of the recap about calls in doubt.
    pub(super) fn doubts(&self) -> Option<String> {
        doubts_sentence(&self.doubts.borrow())
    }
}

/// A call in doubt, as the recap names it.
pub(crate) fn doubt_words(device: &str, call: &str, when: SystemTime) -> String {
    format!("{device} `{call}` ({})", rfc3339_millis(when))
}

/// The sentence about calls in doubt; nothing when there is none.
pub(crate) fn doubts_sentence(doubts: &[String]) -> Option<String> {
    let calls = match doubts.len() {
        0 => return None,
        1 => "1 call is in doubt, do not send it again blindly".to_owned(),
        count => format!("{count} calls are in doubt, do not send them again blindly"),
    };
    let more = if doubts.len() > NAMED { ", .. (iotplay show names them all)" } else { "" };
    let named: Vec<&str> = doubts.iter().take(NAMED).map(String::as_str).collect();
    Some(format!("{calls}: {}{more}", named.join(", ")))
}

/// The lines with which a play begins: its targets in order, then the play itself.
pub(super) fn begin(
    journal: &Journal,
    (index, name): (usize, &str),
    targets: &[Target],
    sizes: &[usize],
    vars: &Map<String, Value>,
) {
    for target in targets {
        // Tags that show a secret are left out, and read again by a resumed run.
        let value = Kept::of(&target.attributes);
        journal.append(Record { device: Some(Arc::clone(&target.id)), value, ..Record::new(Kind::Target) });
    }
    journal.append(Record {
        play: Some(index),
        name: Some(masked(name)),
        size: Some(targets.len()),
        sizes: Some(sizes.to_vec()),
        value: Kept::of(&kept(vars)),
        ..Record::new(Kind::Play)
    });
}

/// The line with which a runner script begins.
pub(super) fn begin_script(journal: &Journal, name: &str) {
    let (name, outcome) = (Some(masked(name)), Some(SCRIPT.into()));
    journal.append(Record { play: Some(0), name, outcome, size: Some(0), ..Record::new(Kind::Play) });
}

/// Those that hold no secret; the others are evaluated again.
fn kept(vars: &Map<String, Value>) -> Value {
    let kept = vars.iter().filter(|(_, value)| Kept::of(value).is_some());
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// The journal of these options, as long as the run.
pub(super) fn journal(options: &crate::RunOptions) -> Option<&Journal> {
    options.journal.as_ref().map(Rc::as_ref)
}
