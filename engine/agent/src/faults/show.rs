//! Faults at work: a device that has one shows it here. Each time is counted and told; which device it is was chosen before.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use wire::Identity;

use super::deal::{Dealt, FaultPlan};
use super::fault::{Fault, Kind};
use crate::answer::Answer;
use crate::device::Device;
use crate::event::AgentEvent;
use crate::outbox::{Reply, Wish};

/// For ever, as far as anybody waits.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A device's fault, and how it stands with it.
pub(crate) struct Seeded {
    fault: Arc<Fault>,
    /// Which of its group, from 0.
    number: usize,
    starts_absent: bool,
    /// How often it was shown.
    shown: Cell<u32>,
    /// It is away until then.
    away_until: Cell<Option<Instant>>,
    /// Answers that are held back.
    held: Cell<usize>,
}

impl Seeded {
    /// The fault of a device; none for most.
    pub(crate) fn of(plan: &FaultPlan, identity: &Identity) -> Option<Box<Self>> {
        let dealt: &Dealt = plan.of(&identity.to_string())?;
        Some(Box::new(Self {
            fault: Arc::clone(&dealt.fault),
            number: dealt.number,
            starts_absent: dealt.starts_absent(),
            shown: Cell::new(0),
            away_until: Cell::new(None),
            held: Cell::new(0),
        }))
    }
}

impl Device {
    /// The device is not connected when the agent starts.
    pub(crate) fn starts_absent(&self) -> bool {
        self.seeded.as_ref().is_some_and(|seeded| seeded.starts_absent)
    }

    /// How much longer it stays away, whoever would like to have it back.
    pub(crate) fn still_away(&self) -> Duration {
        let until = self.seeded.as_ref().and_then(|seeded| seeded.away_until.get());
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// Answers are held back.
    pub(crate) fn holds_answers(&self) -> bool {
        self.seeded.as_ref().is_some_and(|seeded| seeded.held.get() > 0)
    }

    /// How long its restarts take.
    pub(crate) fn restart_time(&self) -> Duration {
        match self.seeded.as_ref().map(|seeded| &seeded.fault.kind) {
            Some(Kind::SlowBoot(takes)) => {
                self.show_fault(&format!("the restart takes {}", base::format_duration(*takes)));
                *takes
            }
            _ => self.lane.habits.sim.reboot,
        }
    }

    /// A restart is the last that is seen of it.
    pub(crate) fn never_returns(&self) -> bool {
        self.seeded.as_ref().is_some_and(|seeded| seeded.fault.kind == Kind::NeverReturns)
    }

    /// Its answer to a call of this method, without its handlers; none for a device that lets them run.
    pub(crate) fn rejects(&self, method: &str) -> Option<Answer> {
        match self.fault_on(method, |kind| matches!(kind, Kind::Rejects { .. }))? {
            Kind::Rejects { status, payload } => {
                self.show_fault(&format!("{method} is rejected with {status}"));
                Some(Answer { status: *status, payload: payload.clone() })
            }
            _ => None,
        }
    }

    /// From now on it is gone.
    pub(crate) fn go_away(&self, lasts: Option<Duration>, why: &'static str) {
        let time = lasts.unwrap_or(FOREVER);
        if let Some(seeded) = &self.seeded {
            seeded.away_until.set(Some(Instant::now() + time));
        }
        self.show_fault(&match lasts {
            Some(lasts) => format!("{why} for {}", base::format_duration(lasts)),
            None => format!("{why} for good"),
        });
        self.outbox.wish(Wish::Away(why, time));
    }

    fn fault_on(&self, method: &str, which: impl Fn(&Kind) -> bool) -> Option<&Kind> {
        let seeded = self.seeded.as_ref()?;
        let fault = &seeded.fault;
        let left = fault.times.is_none_or(|times| seeded.shown.get() < times);
        (which(&fault.kind) && fault.is_on(method) && left).then_some(&fault.kind)
    }

    fn show_fault(&self, what: &str) {
        if let Some(seeded) = &self.seeded {
            seeded.shown.set(seeded.shown.get().saturating_add(1));
        }
        self.lane.counters.faults.up();
        self.say(AgentEvent::FaultShown { device: self.identity.clone(), what: what.to_owned() });
    }
}

/// Hands a reply to its connection, or does with it what the device's fault is.
pub(crate) fn deliver(device: &Rc<Device>, method: &str, reply: Reply) {
    let answers = |kind: &Kind| matches!(kind, Kind::DropsReply | Kind::AnswersLate(_) | Kind::AnswersTwice);
    match device.fault_on(method, answers) {
        Some(Kind::DropsReply) => {
            device.show_fault(&format!("the reply to {method} is dropped"));
            device.lane.counters.replies_dropped.up();
        }
        Some(Kind::AnswersLate(by)) => {
            device.show_fault(&format!("the reply to {method} is {} late", base::format_duration(*by)));
            late(device, *by, reply);
        }
        Some(Kind::AnswersTwice) => {
            device.show_fault(&format!("the reply to {method} is sent twice"));
            let again = Reply { rid: reply.rid.clone(), payload: reply.payload.clone(), acknowledged: None, ..reply };
            hand_over(device, reply);
            hand_over(device, again);
        }
        _ => hand_over(device, reply),
    }
}

/// A reply whose connection is gone is only counted.
fn hand_over(device: &Device, reply: Reply) {
    let counters = &device.lane.counters;
    if device.outbox.reply(reply) { counters.replies.up() } else { counters.replies_dropped.up() }
}

fn late(device: &Rc<Device>, by: Duration, reply: Reply) {
    let back = Rc::clone(device);
    let hold = move |change: fn(usize) -> usize, device: &Device| {
        if let Some(seeded) = &device.seeded {
            seeded.held.set(change(seeded.held.get()));
        }
    };
    hold(|held| held + 1, device);
    device.lane.tasks.spawn_local(async move {
        tokio::select! {
            () = sleep(by) => hand_over(&back, reply),
            // The call will not be answered any more.
            () = back.lane.stop.cancelled() => back.lane.counters.replies_dropped.up(),
        }
        hold(|held| held.saturating_sub(1), &back);
        back.outbox.ring();
    });
}

/// Leaves and comes back as the device's fault says; started with the device. Gives how long it is away at first.
pub(crate) fn absences(device: &Rc<Device>, started: Instant) -> Duration {
    let Some(seeded) = &device.seeded else { return Duration::ZERO };
    let Kind::Offline(absence) = &seeded.fault.kind else { return Duration::ZERO };
    let mut coming = absence.of(seeded.number);
    let mut first = Duration::ZERO;
    if seeded.starts_absent {
        let (_, lasts) = coming.next().expect("whoever starts absent has a first absence");
        let until = started + lasts.unwrap_or(FOREVER);
        first = until.saturating_duration_since(Instant::now());
        seeded.away_until.set(Some(until));
        device.show_fault(&match lasts {
            Some(lasts) => format!("offline for {}", base::format_duration(lasts)),
            None => "offline for good".to_owned(),
        });
    }
    let gone = Rc::clone(device);
    device.lane.tasks.spawn_local(async move {
        for (begins, lasts) in coming {
            tokio::select! {
                () = sleep_until(started + begins) => gone.go_away(lasts, "offline"),
                () = gone.lane.stop.cancelled() => return,
            }
            if lasts.is_none() {
                return;
            }
        }
    });
    first
}
