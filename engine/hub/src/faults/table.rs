//! The faults of a running hub: who asks is told what goes wrong for this device at this point. While there are none, that costs one
//! load of an atomic.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base::Seed;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::sync::Notify;
use tokio::time::Instant;
use wire::Identity;

use super::asked::Asked;
use super::kind::{How, Kind, Rejection};
use super::operation::Point;
use super::profile::FaultProfile;
use super::spec::Spec;
use super::strain::Pace;
use super::who::{Chosen, Registered};
use crate::seam::{HubEvent, HubLog};

/// Faults at once. A profile has a few; devices that ask for one each fit, too.
const MOST: usize = 10_000;

/// See the module's description. One per hub.
pub(crate) struct Faults {
    /// How many there are.
    count: AtomicUsize,
    table: Mutex<Table>,
    /// For the turns: look again.
    pub(super) changed: Notify,
    registered: Arc<dyn Registered>,
    log: HubLog,
    seed: Seed,
    /// Whether devices may ask for faults.
    obeys_messages: bool,
}

#[derive(Default)]
pub(super) struct Table {
    pub(super) placed: Vec<Placed>,
    last_id: u64,
    /// What devices have asked for and were not told to have.
    pub(super) asked: Asked,
}

/// A fault that is in place.
pub(super) struct Placed {
    pub(super) id: u64,
    pub(super) spec: Spec,
    pub(super) chosen: Chosen,
    pub(super) begins: Instant,
    pub(super) ends: Option<Instant>,
    /// Its begin was shown.
    pub(super) begun: bool,
    /// How often it showed, to whom; only while that is limited.
    counts: HashMap<Option<Identity>, u32>,
    /// How often it showed at all.
    pub(super) shown: u64,
    dice: StdRng,
}

/// What goes wrong here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// First this much time passes.
    pub(crate) wait: Duration,
    pub(crate) deed: Option<Deed>,
}

/// What is done instead of, or beside, what should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Cut(How),
    Reject(Rejection),
    DropReply,
    Twice,
    Stall(Duration),
}

/// What is wrong with how a login is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judging {
    /// Seconds that the clock is ahead.
    pub(crate) skew: i64,
    /// The token ends so long after the login.
    pub(crate) lives: Option<Duration>,
}

/// There is no room for more.
#[derive(Debug, thiserror::Error)]
#[error("there are {MOST} faults already; clear some first")]
pub(crate) struct TooMany;

impl Faults {
    pub(crate) fn new(registered: Arc<dyn Registered>, log: HubLog, seed: Seed, obeys_messages: bool) -> Self {
        let (count, table, changed) = (AtomicUsize::new(0), Mutex::default(), Notify::new());
        Self { count, table, changed, registered, log, seed: seed.of("faults"), obeys_messages }
    }

    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("the table is plain data: nothing panics while it is held")
    }

    pub(super) fn registered(&self) -> &dyn Registered {
        &*self.registered
    }

    pub(super) fn obeys_messages(&self) -> bool {
        self.obeys_messages
    }

    pub(super) fn say(&self, event: HubEvent) {
        self.log.say(event);
    }

    /// No fault at all: the hot path's question.
    pub(crate) fn none(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Puts a profile's faults in place, all or none; their ids.
    pub(crate) fn place(&self, profile: &FaultProfile) -> Result<Vec<u64>, TooMany> {
        self.put(profile.faults.clone())
    }

    pub(super) fn put(&self, specs: Vec<Spec>) -> Result<Vec<u64>, TooMany> {
        let now = Instant::now();
        let mut table = self.table();
        if table.placed.len() + specs.len() > MOST {
            return Err(TooMany);
        }
        let mut ids = Vec::new();
        for spec in specs {
            table.last_id += 1;
            ids.push(table.last_id);
            let (id, seed) = (table.last_id, self.seed.of(&spec.label));
            let begins = now + spec.after;
            table.placed.push(Placed {
                id,
                chosen: Chosen::new(spec.who.clone(), seed),
                begins,
                ends: spec.lasts.map(|lasts| begins + lasts),
                begun: false,
                counts: HashMap::new(),
                shown: 0,
                dice: seed.of("chance").rng(),
                spec,
            });
        }
        self.recount(&table);
        drop(table);
        // The turns show what begins now.
        self.changed.notify_one();
        Ok(ids)
    }

    pub(super) fn recount(&self, table: &Table) {
        self.count.store(table.placed.len(), Ordering::Relaxed);
    }

    /// What goes wrong at this point of an operation.
    pub(crate) fn meet(&self, point: Point<'_>, identity: Option<&Identity>) -> Shown {
        if self.none() { Shown::default() } else { self.look(point, identity) }
    }

    #[cold]
    fn look(&self, point: Point<'_>, identity: Option<&Identity>) -> Shown {
        let (now, mut shown, mut said) = (Instant::now(), Shown::default(), Vec::new());
        for placed in &mut self.table().placed {
            if !placed.is_on(now) || !placed.spec.shows_at(point) {
                continue;
            }
            let late = matches!(placed.spec.kind, Kind::AnswersLate(_));
            // Delays add up; of everything else the first decides.
            if (!late && shown.deed.is_some()) || !placed.hits(identity, &*self.registered) {
                continue;
            }
            match placed.spec.kind {
                Kind::AnswersLate(by) => shown.wait += by.at(placed.dice.random()),
                Kind::Cuts(how) => shown.deed = Some(Deed::Cut(how)),
                Kind::Rejects(how) => shown.deed = Some(Deed::Reject(how)),
                Kind::DropsReply => shown.deed = Some(Deed::DropReply),
                Kind::Duplicates => shown.deed = Some(Deed::Twice),
                Kind::Stalls(takes) => shown.deed = Some(Deed::Stall(takes)),
                Kind::ClockSkew(_) | Kind::EarlyExpiry(_) | Kind::Slices | Kind::Slow(_) => {}
            }
            said.push(placed.event(identity, format!("{} {}", point.told(), placed.spec.kind.told())));
        }
        said.into_iter().for_each(|event| self.say(event));
        shown
    }

    /// What is wrong with the judging of a device's login, or of a service's token (none).
    pub(crate) fn judging(&self, identity: Option<&Identity>) -> Judging {
        if self.none() {
            return Judging::default();
        }
        let point = identity.map_or(super::Operation::Rest, |_| super::Operation::Connect);
        let (now, mut judging, mut said) = (Instant::now(), Judging::default(), Vec::new());
        for placed in &mut self.table().placed {
            if !placed.is_on(now) || !placed.spec.on.contains(&point) {
                continue;
            }
            let kind = placed.spec.kind;
            let about_tokens = matches!(kind, Kind::ClockSkew(_) | Kind::EarlyExpiry(_));
            if !about_tokens || !placed.hits(identity, &*self.registered) {
                continue;
            }
            match kind {
                Kind::ClockSkew(by) => judging.skew += by,
                Kind::EarlyExpiry(lives) => judging.lives = Some(lives),
                _ => {}
            }
            said.push(placed.event(identity, format!("its token {}", placed.spec.kind.told())));
        }
        said.into_iter().for_each(|event| self.say(event));
        judging
    }

    /// How the bytes of a device's connection go.
    pub(crate) fn pace(&self, identity: &Identity) -> Pace {
        let mut pace = Pace::default();
        if self.none() {
            return pace;
        }
        let now = Instant::now();
        for placed in &mut self.table().placed {
            if !placed.is_on(now) || !placed.spec.kind.is_of_bytes() {
                continue;
            }
            if placed.hits(Some(identity), &*self.registered) {
                match placed.spec.kind {
                    Kind::Slow(rate) => pace.rate = Some(pace.rate.map_or(rate, |other| other.min(rate))),
                    _ => pace.slices = true,
                }
            }
        }
        pace
    }
}

impl Placed {
    pub(super) fn is_on(&self, now: Instant) -> bool {
        self.begins <= now && self.ends.is_none_or(|ends| now < ends)
    }

    /// Whether it shows to this one now; if so, that is counted.
    pub(super) fn hits(&mut self, identity: Option<&Identity>, registered: &dyn Registered) -> bool {
        if !self.chosen.has(identity, registered) {
            return false;
        }
        if self.spec.chance.is_some_and(|chance| self.dice.random::<f64>() * 100.0 >= chance) {
            return false;
        }
        if let Some(times) = self.spec.times {
            let count = self.counts.entry(identity.cloned()).or_default();
            if *count >= times {
                return false;
            }
            *count += 1;
        }
        self.shown += 1;
        true
    }

    pub(super) fn event(&self, identity: Option<&Identity>, what: String) -> HubEvent {
        HubEvent::FaultShown { id: self.id, kind: self.spec.kind.name(), identity: identity.cloned(), what }
    }
}
