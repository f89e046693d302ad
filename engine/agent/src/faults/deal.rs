//! Who in a fleet has which fault: chosen by the seed from the ids alone, so that order, time and other groups do not matter
//! more than they must. A device has one fault at most. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{Diagnostic, Diagnostics, Seed, did_you_mean};
use rand::Rng;

use super::fault::{Fault, Kind};
use super::profile::{FaultProfile, Faulty, Who};

/// A fleet's faults, device by device. The default is a sound fleet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FaultPlan {
    devices: BTreeMap<String, Dealt>,
    summary: String,
}

/// One device's fault.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dealt {
    pub(super) fault: Arc<Fault>,
    /// Which of its group, from 0.
    pub(super) number: usize,
}

impl FaultPlan {
    /// What is wrong with how many: `10 of 200 drop the reply, 2 of 200 never return from a restart`; for a first line.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// How many devices have a fault.
    pub fn devices(&self) -> usize {
        self.devices.len()
    }

    /// How many devices are not connected at the start.
    pub fn absent_at_start(&self) -> usize {
        self.devices.values().filter(|dealt| dealt.starts_absent()).count()
    }

    /// The methods that faults are bound to.
    pub fn methods(&self) -> BTreeSet<&str> {
        self.devices.values().flat_map(|dealt| dealt.fault.methods.iter().map(String::as_str)).collect()
    }

    /// The part of these devices: the same faults that they have in the whole fleet.
    #[must_use]
    pub fn only(&self, ids: &[&str]) -> Self {
        let devices = ids.iter().filter_map(|id| Some(((*id).to_owned(), self.devices.get(*id)?.clone()))).collect();
        Self { devices, summary: self.summary.clone() }
    }

    pub(super) fn of(&self, device: &str) -> Option<&Dealt> {
        self.devices.get(device)
    }
}

impl Dealt {
    /// Not connected when the agent starts.
    pub(super) fn starts_absent(&self) -> bool {
        let Kind::Offline(absence) = &self.fault.kind else { return false };
        absence.of(self.number).next().is_some_and(|(begins, _)| begins.is_zero())
    }
}

impl FaultProfile {
    /// Chooses the devices of a fleet. A share is rounded up and at least one device, as waves are.
    ///
    /// # Errors
    /// A device that is not in the fleet or is named twice; more devices than there are.
    pub fn deal(&self, seed: Seed, ids: &[&str]) -> Result<FaultPlan, Diagnostics> {
        let mut dealing = Dealing { profile: self, ids, seed, dealt: BTreeMap::new(), found: Diagnostics::default() };
        // Who is named is out of the lots of all others.
        for group in &self.groups {
            if let Who::Named(names) = &group.who {
                dealing.named(group, names);
            }
        }
        for group in &self.groups {
            match group.who {
                Who::Percent(percent) => dealing.draw(group, share(percent, ids.len())),
                Who::Count(count) => dealing.draw(group, count),
                Who::Named(_) => {}
            }
        }
        if !dealing.found.is_empty() {
            return Err(dealing.found);
        }
        let told = |group: &Faulty| {
            let count = dealing.dealt.values().filter(|(label, _)| *label == group.label).count();
            format!("{count} of {} {}", ids.len(), group.fault.told(count))
        };
        let summary = match self.groups.iter().map(told).collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "none".to_owned(),
            told => told,
        };
        let devices = dealing.dealt.into_iter().map(|(id, (_, dealt))| (id.to_owned(), dealt)).collect();
        Ok(FaultPlan { devices, summary })
    }
}

/// So many percent of a number, rounded up, at least one unless it is nothing at all.
fn share(percent: f64, of: usize) -> usize {
    if percent <= 0.0 || of == 0 {
        return 0;
    }
    // Rounding up must not make 7 % of 100 an 8 because of a binary fraction.
    ((of as f64 * percent / 100.0 - 1e-9).ceil() as usize).clamp(1, of)
}

/// A profile on its way to a plan.
struct Dealing<'a> {
    profile: &'a FaultProfile,
    ids: &'a [&'a str],
    seed: Seed,
    dealt: BTreeMap<&'a str, (&'a str, Dealt)>,
    found: Diagnostics,
}

impl<'a> Dealing<'a> {
    fn give(&mut self, group: &'a Faulty, ids: impl IntoIterator<Item = &'a str>) {
        let fault = Arc::new(group.fault.clone());
        for (number, id) in ids.into_iter().enumerate() {
            self.dealt.insert(id, (&group.label, Dealt { fault: Arc::clone(&fault), number }));
        }
    }

    fn complain(&mut self, group: &Faulty, message: String, help: Option<String>) {
        let finding = Diagnostic::error(message).at(self.profile.source.place(group.at));
        self.found.push(finding.help(help.unwrap_or_default()));
    }

    fn named(&mut self, group: &'a Faulty, names: &'a [String]) {
        for (index, name) in names.iter().enumerate() {
            if self.dealt.contains_key(name.as_str()) || names[..index].contains(name) {
                self.complain(group, format!("`{name}` is named twice: a device has one fault"), None);
            } else if !self.ids.contains(&name.as_str()) {
                let near = did_you_mean(name, self.ids.iter().copied());
                let help = near.map(|near| format!("did you mean `{near}`?"));
                self.complain(group, format!("`{name}` is no device of this fleet"), help);
            }
        }
        self.give(group, names.iter().map(String::as_str));
    }

    fn draw(&mut self, group: &'a Faulty, wanted: usize) {
        let seed = self.seed.of(&group.label);
        // A device's lot depends on its id alone: a fleet that grows keeps most of its faults where they were.
        let lot = |id: &str| seed.of(id).rng().random::<u64>();
        let mut free: Vec<(u64, &str)> =
            self.ids.iter().filter(|id| !self.dealt.contains_key(**id)).map(|id| (lot(id), *id)).collect();
        if wanted > free.len() {
            let message = format!(
                "{} wants {wanted} of {} devices, and {} are left without a fault: a device has one at most",
                group.label,
                self.ids.len(),
                free.len()
            );
            self.complain(group, message, None);
            return;
        }
        free.sort_unstable();
        self.give(group, free.into_iter().take(wanted).map(|(_, id)| id));
    }
}
