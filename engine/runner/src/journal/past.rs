//! What a journal says that earlier processes did: the plays, their devices in order, their waves, who has ended. Built line by
//! line; of devices that have ended only how they ended is kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base::parse_time;
use serde_json::Value;

use super::past_deeds::PastDeeds;
use super::past_device::{PastDevice, PastEnd};
use super::record::Kept;
use super::{Kind, Record};
use crate::Target;
use crate::run::Ended;

/// What a wave has come to.
#[derive(Clone, Debug, Default)]
pub(crate) struct PastWave {
    pub(crate) begun: bool,
    pub(crate) soak: Option<SystemTime>,
    pub(crate) verified: bool,
    pub(crate) passed: bool,
    /// A person has opened its gate.
    pub(crate) approved: bool,
    /// A person has allowed what had failed until then.
    pub(crate) forgiven: Option<Vec<usize>>,
    pub(crate) aborted: Option<String>,
    /// Blocks with `serial`: the batch that is let in, from 0.
    pub(crate) batches: BTreeMap<usize, usize>,
    /// Why the play ends with one of them.
    pub(crate) tripped: Option<String>,
}

/// How a device ended.
#[derive(Clone, Debug)]
pub(crate) struct PastDeviceEnd {
    pub(crate) ended: Ended,
    pub(crate) error: Option<String>,
    pub(crate) took: Duration,
    pub(crate) waited: Duration,
    pub(crate) vars: Option<Value>,
}

/// A play that was begun.
#[derive(Clone, Debug, Default)]
pub(crate) struct PastPlay {
    pub(crate) targets: Vec<Target>,
    pub(crate) sizes: Vec<usize>,
    /// Its variables, those that hold secrets left out.
    pub(crate) vars: BTreeMap<String, Value>,
    waves: BTreeMap<usize, PastWave>,
    devices: HashMap<Arc<str>, Rc<PastDevice>>,
    runner: Rc<PastDevice>,
    pub(crate) ends: HashMap<Arc<str>, PastDeviceEnd>,
    /// Results of `run_once` steps.
    pub(crate) once: BTreeMap<usize, PastEnd>,
    /// Who was about to give one.
    pub(crate) owners: BTreeMap<usize, Arc<str>>,
    /// Of a runner script: what it did.
    pub(crate) deeds: PastDeeds,
    is_script: bool,
    /// How it ended: the exit code and the reason.
    pub(crate) done: Option<(u8, Option<String>)>,
}

/// The outcome of a play's line that stands for a runner script.
pub(crate) const SCRIPT: &str = "script";

/// What earlier processes did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Past {
    plays: BTreeMap<usize, Rc<PastPlay>>,
    /// The play that lines are about.
    now: Option<usize>,
    /// Targets of a play whose line has not come yet.
    coming: Vec<Target>,
    /// A person was asked and there was none.
    pub(crate) paused: bool,
    /// The run ended, and not for now only.
    pub(crate) over: bool,
}

impl PastPlay {
    /// The device, or the runner when there is none.
    pub(crate) fn device(&self, id: Option<&str>) -> Option<Rc<PastDevice>> {
        match id {
            Some(id) => self.devices.get(id).cloned(),
            None => Some(Rc::clone(&self.runner)),
        }
    }

    /// The devices of a wave that were in a block when the process ended.
    pub(crate) fn inside(&self, wave: usize, block: usize) -> BTreeSet<Arc<str>> {
        let before: usize = self.sizes.iter().take(wave).sum();
        let size = self.sizes.get(wave).copied().unwrap_or(0);
        let targets = self.targets.iter().skip(before).take(size).map(|target| &target.id);
        targets.filter(|id| self.devices.get(*id).is_some_and(|it| it.is_inside(block))).cloned().collect()
    }

    pub(crate) fn wave(&self, index: usize) -> PastWave {
        self.waves.get(&index).cloned().unwrap_or_default()
    }

    fn take(&mut self, record: Record) {
        if let Some(wave) = record.wave
            && record.kind != Kind::Device
        {
            return self.take_wave(wave.saturating_sub(1), record);
        }
        if let Some(place) = record.deed.as_deref().filter(|_| self.is_script) {
            return self.deeds.take(place, &record);
        }
        match (record.kind, record.device.clone(), record.step) {
            (Kind::Device, Some(device), _) => self.take_end(device, &record),
            (Kind::OnceBegun, Some(device), Some(step)) => {
                self.owners.insert(step, device);
            }
            (Kind::Once, _, Some(step)) => {
                self.owners.remove(&step);
                self.once.insert(step, PastEnd::of(&record));
            }
            (Kind::PlayDone, ..) => self.done = Some((record.exit.unwrap_or(0), record.text.map(String::from))),
            (_, Some(device), _) => {
                let held = self.devices.entry(device).or_default();
                Rc::make_mut(held).take(&record);
            }
            (_, None, _) => Rc::make_mut(&mut self.runner).take(&record),
        }
    }

    fn take_end(&mut self, device: Arc<str>, record: &Record) {
        // What comes after it is of `verify` or `on_abort`.
        self.devices.remove(&device);
        self.owners.retain(|_, owner| *owner != device);
        let end = PastDeviceEnd {
            ended: record.outcome.as_deref().and_then(Ended::read).unwrap_or(Ended::Failed),
            error: record.text.as_deref().map(str::to_owned),
            took: duration(record.seconds),
            waited: duration(record.waited),
            vars: record.value.as_ref().map(Kept::value),
        };
        self.ends.insert(device, end);
    }

    fn take_wave(&mut self, index: usize, record: Record) {
        let wave = self.waves.entry(index).or_default();
        match record.kind {
            Kind::Wave => wave.begun = true,
            Kind::Soak => wave.soak = wave.soak.or_else(|| parse_time(&record.at)),
            Kind::Verified => match record.device {
                // What was ok is not any more.
                Some(device) => {
                    if let Some(end) = self.ends.get_mut(&device) {
                        end.ended = record.outcome.as_deref().and_then(Ended::read).unwrap_or(Ended::Failed);
                    }
                }
                None => wave.verified = true,
            },
            Kind::Batch => match (record.text, record.step) {
                (Some(why), _) => wave.tripped = Some(why.into()),
                (None, Some(step)) => drop(wave.batches.insert(step, record.n as usize)),
                (None, None) => {}
            },
            Kind::Passed => wave.passed = true,
            Kind::Approved => match record.sizes {
                Some(forgiven) => wave.forgiven = Some(forgiven),
                None => wave.approved = true,
            },
            Kind::Aborted => wave.aborted = Some(record.text.map(String::from).unwrap_or_default()),
            _ => {}
        }
    }
}

impl Past {
    /// A play that was begun.
    pub(crate) fn play(&self, index: usize) -> Option<Rc<PastPlay>> {
        self.plays.get(&index).cloned()
    }

    pub(super) fn take(&mut self, record: Record) {
        match record.kind {
            Kind::Session => {
                self.coming.clear();
                (self.paused, self.over) = (false, false);
            }
            Kind::Target => {
                if let Some(id) = record.device {
                    let attributes = record.value.as_ref().map(Kept::value).unwrap_or_default();
                    self.coming.push(Target { id, attributes: Arc::new(attributes) });
                }
            }
            Kind::Play => {
                let index = record.play.unwrap_or(0);
                let vars = record.value.as_ref().map(Kept::value).unwrap_or_default();
                let vars = vars.as_object().cloned().unwrap_or_default().into_iter().collect();
                let sizes = record.sizes.unwrap_or_default();
                let targets = std::mem::take(&mut self.coming);
                let is_script = record.outcome.as_deref() == Some(SCRIPT);
                let play = PastPlay { targets, sizes, vars, is_script, ..PastPlay::default() };
                self.plays.insert(index, Rc::new(play));
                self.now = Some(index);
            }
            Kind::End => (self.over, self.paused) = (!record.is_open(), record.is_paused()),
            _ => {
                if let Some(play) = self.now.and_then(|index| self.plays.get_mut(&index)) {
                    Rc::make_mut(play).take(record);
                }
            }
        }
    }
}

/// Seconds as they were written; anything odd is nothing.
fn duration(seconds: Option<f64>) -> Duration {
    Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).unwrap_or_default()
}
