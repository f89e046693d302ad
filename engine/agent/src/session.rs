//! One device's conversation with its hub, over whatever line: calls in, answers out, twin kept, reports until they are
//! taken, and a graceful end. Knows no packets; runs no scripts itself.

use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use base::Diagnostic;
use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::announce;
use crate::call::Caller;
use crate::desired;
use crate::device::Device;
use crate::event::AgentEvent;
use crate::hooks;
use crate::link::{DeviceLink, Down, Inbound, Outbound};
use crate::messages::{self, Message};
use crate::methods::{self, Incoming};
use crate::outbox::{Reply, Wish};
use crate::reports::Taken;
use crate::requests::{Requests, Verdict};
use crate::twin::Change;

/// An end of the agent leaves this much for the goodbye of one device.
const CLOSE: Duration = Duration::from_secs(3);

/// A hub that is asked for silence has it within this time, or is left without.
const HUSH: Duration = Duration::from_secs(5);

/// A call that came just before the silence holds a renewal up for this long.
const LAST_CALL: Duration = Duration::from_secs(30);

/// A line that swallows twin requests is left for a new one, after this pause.
const DEAF: Duration = Duration::from_secs(5);

/// A device's session.
pub(crate) struct Session<L> {
    device: Rc<Device>,
    link: L,
    /// Connections so far.
    connections: u64,
    /// Tickets so far: of replies and messages that are to be acknowledged.
    tickets: u64,
    requests: Requests,
    /// `on_connect` has run for this connection.
    greeted: bool,
    arrivals: Vec<(u64, oneshot::Sender<()>)>,
    renew_by: Option<Instant>,
    end_by: Option<Instant>,
    quiet: Quiet,
    /// The line was told to come anew: what is sent now would be lost.
    leaving: bool,
    /// Messages are asked for on this connection; none while that was not said.
    listening: Option<bool>,
}

/// Whether calls still come.
#[derive(Clone, Copy, Debug)]
enum Quiet {
    No,
    /// Asked for; taken as granted from then on.
    Asked(Instant),
    Yes,
}

impl<L: DeviceLink> Session<L> {
    pub(crate) fn new(device: Rc<Device>, link: L) -> Self {
        Self {
            device,
            link,
            connections: 0,
            tickets: 0,
            requests: Requests::default(),
            greeted: false,
            arrivals: Vec::new(),
            renew_by: None,
            end_by: None,
            quiet: Quiet::No,
            leaving: false,
            listening: None,
        }
    }

    /// Runs until the agent is asked to end, or the link gives up; then says why.
    pub(crate) async fn run(mut self) -> Option<Diagnostic> {
        let device = Rc::clone(&self.device);
        loop {
            self.send_all();
            let done = || self.is_quiet() && device.running() == 0 && device.outbox.is_settled();
            if self.end_by.is_some_and(|by| done() || by <= Instant::now()) {
                break;
            }
            let due = self.due();
            tokio::select! {
                biased;
                inbound = self.link.next() => if let ControlFlow::Break(why) = self.take(inbound) {
                    self.end().await;
                    return Some(why);
                },
                () = device.outbox.rung() => {}
                () = until(due) => self.overdue(),
                () = device.lane.stop.cancelled(), if self.end_by.is_none() => {
                    device.cancel_timers();
                    self.hush();
                    self.end_by = Some(Instant::now() + *device.lane.grace.borrow());
                }
            }
        }
        self.end().await;
        None
    }

    /// Who still runs is ended, what is ready is sent, and the line gets its goodbye.
    async fn end(&mut self) {
        self.device.cancel_all("the agent ended", None);
        self.send_all();
        // Beyond that the line is cut, which is no worse than a loss.
        let _ = tokio::time::timeout(CLOSE, self.link.close()).await;
        if self.device.outbox.connection() != 0 {
            self.went_down("the agent ended");
        }
        self.device.save().await;
    }

    fn due(&self) -> Option<Instant> {
        let quiet_by = match self.quiet {
            Quiet::Asked(by) if self.end_by.is_some() || self.renew_by.is_some() => Some(by),
            _ => None,
        };
        [self.requests.due(), self.renew_by, self.end_by, quiet_by].into_iter().flatten().min()
    }

    fn overdue(&mut self) {
        let now = Instant::now();
        if self.requests.overdue(now) {
            self.leave("the hub does not answer twin requests", DEAF);
        }
        if self.is_quiet() {
            self.quiet = Quiet::Yes;
        }
        if self.renew_by.is_some_and(|by| by <= now) {
            self.renew();
        }
    }

    /// Asks for no more calls, before a goodbye.
    fn hush(&mut self) {
        if matches!(self.quiet, Quiet::No) && self.device.outbox.connection() != 0 {
            self.quiet = Quiet::Asked(Instant::now() + HUSH);
            self.link.hush();
        }
    }

    fn is_quiet(&self) -> bool {
        match self.quiet {
            Quiet::No => self.device.outbox.connection() == 0,
            Quiet::Asked(by) => by <= Instant::now(),
            Quiet::Yes => true,
        }
    }

    fn renew(&mut self) {
        self.renew_by = None;
        self.leave("the token is renewed", Duration::ZERO);
    }

    fn leave(&mut self, why: &str, pause: Duration) {
        self.leaving = true;
        self.link.reconnect(why, pause.max(self.device.still_away()));
    }

    fn take(&mut self, inbound: Inbound) -> ControlFlow<Diagnostic> {
        match inbound {
            Inbound::Up => self.came_up(),
            Inbound::Down(down) => self.down(down),
            Inbound::Renew(within) => self.renew_by = Some(Instant::now() + within),
            Inbound::Method { rid, name, payload } => {
                self.device.lane.counters.calls.up();
                let caller = Caller { connection: self.connections, rid };
                methods::dispatch(&self.device, Incoming { caller, name: name.into(), payload });
            }
            Inbound::Message { id, again, properties, body } => {
                let message = Message { properties, body, again };
                let wanted = messages::arrived(&self.device, message, id, self.connections);
                // Asked for in an earlier session, wanted by nobody now: it stays in the hub's queue.
                if !wanted && self.listening != Some(false) {
                    self.listen(false);
                }
            }
            Inbound::NotListening => self.device.fault(Diagnostic::error(
                "the hub refused the subscription to cloud-to-device messages: on_message hears nothing",
            )),
            Inbound::Twin { rid, status, body } => self.twin(&rid, status, &body),
            Inbound::Desired { version, patch } => self.desired(version, &patch),
            Inbound::Hushed => self.quiet = Quiet::Yes,
            Inbound::Acknowledged(ticket) => self.acknowledged(ticket),
            Inbound::Ended(why) => return ControlFlow::Break(why),
        }
        ControlFlow::Continue(())
    }

    fn came_up(&mut self) {
        self.connections += 1;
        self.greeted = false;
        self.renew_by = None;
        self.quiet = Quiet::No;
        self.leaving = false;
        self.device.outbox.up(self.connections);
        self.tell_dropped();
        self.requests.ask();
        let counters = &self.device.lane.counters;
        counters.connects.up();
        counters.connected.up();
        self.device.say(AgentEvent::Connected { device: self.device.identity.clone() });
        // Last: who waits for it, on another thread, finds everything above done.
        if self.connections == 1 && !self.device.starts_absent() {
            self.device.lane.progress.send_modify(|progress| progress.coming = progress.coming.saturating_sub(1));
        }
    }

    /// What the outbox had no room for while nobody took it.
    fn tell_dropped(&mut self) {
        self.device.full.set(false);
        match self.device.outbox.told_dropped() {
            0 => {}
            1 => self.device.fault(Diagnostic::warning("a message was dropped: the outbox was full")),
            many => {
                self.device.fault(Diagnostic::warning(format!("{many} messages were dropped: the outbox was full")));
            }
        }
    }

    fn down(&mut self, down: Down) {
        let device = self.device.identity.clone();
        match down {
            Down::Crowded(finding) => self.device.fault(finding),
            Down::Lost(why) => self.went_down(&why),
            Down::Unreachable { why, again_in } => self.device.say(AgentEvent::Unreachable { device, why, again_in }),
            Down::Refused { finding, again_in } => {
                self.device.lane.counters.refusals.up();
                self.device.say(AgentEvent::Refused { device, finding, again_in });
            }
        }
    }

    fn went_down(&mut self, why: &str) {
        let device = &self.device;
        let counters = &device.lane.counters;
        let lost = device.outbox.down();
        (0..lost.replies).for_each(|_| counters.replies_dropped.up());
        for size in lost.poison {
            device.fault(Diagnostic::error(format!(
                "a message of {size} bytes was given up: each connection that carried it was closed"
            )));
        }
        methods::forget_queued(device);
        device.twin.borrow_mut().lost();
        self.requests.forget();
        self.arrivals.clear();
        messages::lost(device);
        self.listening = None;
        self.leaving = false;
        self.renew_by = None;
        counters.disconnects.up();
        counters.connected.down();
        device.say(AgentEvent::Disconnected { device: device.identity.clone(), why: why.to_owned() });
    }

    fn twin(&mut self, rid: &str, status: u16, body: &Bytes) {
        match self.requests.answered(rid, status, body) {
            Verdict::Nobodys => {}
            Verdict::Later => {}
            Verdict::Twin => self.know(body),
            Verdict::NoTwin(why) => {
                self.device.fault(Diagnostic::error(format!("the hub does not give the twin: {why}")));
                self.greet();
            }
            Verdict::Reported => {
                self.device.lane.counters.reports.up();
                self.device.outbox.reports(|reports| reports.settle(&Taken::Yes));
            }
            Verdict::NotReported(why) => {
                self.device.lane.counters.reports_refused.up();
                let taken = Taken::Refused(format!("the hub refused the report: {why}"));
                if !self.device.outbox.reports(|reports| reports.settle(&taken)) {
                    self.device.fault(Diagnostic::error(format!("the hub refused a report: {why}")));
                }
                // Our copy has what the hub has not.
                self.requests.ask();
            }
        }
    }

    /// The whole twin has come.
    fn know(&mut self, body: &[u8]) {
        let version = self.device.twin.borrow().version();
        let (before, known) = {
            let mut twin = self.device.twin.borrow_mut();
            let before = twin.desired().clone();
            let known = twin.replace(body);
            self.device.outbox.reports(|reports| reports.apply_to(twin.reported_mut()));
            (before, known)
        };
        match known {
            Ok(true) => {}
            Ok(false) => self.requests.ask(),
            Err(error) => self.device.fault(Diagnostic::error(error.to_string())),
        }
        announce::announce(&self.device);
        let first = !self.greeted;
        self.greet();
        if first || version != self.device.twin.borrow().version() {
            desired::tell_all(&self.device, &before);
        }
    }

    fn greet(&mut self) {
        if !std::mem::replace(&mut self.greeted, true) {
            hooks::connect(&self.device);
        }
    }

    fn desired(&mut self, version: u64, patch: &[u8]) {
        let change = self.device.twin.borrow_mut().change(version, patch);
        match change {
            Ok(Change::Applied(patch)) => desired::tell_touched(&self.device, &patch),
            Ok(Change::Old) => {}
            Ok(Change::Missed) => self.requests.ask(),
            Err(error) => self.device.fault(Diagnostic::error(format!("a change of desired properties: {error}"))),
        }
    }

    fn acknowledged(&mut self, ticket: u64) {
        if let Some(at) = self.arrivals.iter().position(|(known, _)| *known == ticket) {
            let (_, arrived) = self.arrivals.swap_remove(at);
            // Who asked may have stopped waiting.
            let _ = arrived.send(());
        } else if self.device.outbox.message_taken(ticket) {
            self.device.lane.counters.messages.up();
        }
    }

    /// Puts on the line whatever is ready.
    fn send_all(&mut self) {
        if self.device.outbox.connection() != 0 && !self.leaving {
            self.send_twin_requests();
            self.hear_messages();
            while let Some(reply) = self.device.outbox.take_reply() {
                self.send_reply(reply);
            }
            while let Some(message) = self.device.outbox.take_message(self.tickets + 1) {
                self.tickets += 1;
                self.link.send(Outbound::Message { message, ticket: self.tickets });
            }
            self.renew_between_calls();
        }
        match self.device.outbox.take_wish() {
            Some(Wish::Reconnect) => self.leave("the script asked for it", Duration::ZERO),
            Some(Wish::Away(why, time)) => self.leave(why, time),
            None => {}
        }
    }

    /// Asks for messages once there is a handler for them, and acknowledges those that are done with.
    fn hear_messages(&mut self) {
        let wanted = self.device.lane.scripts.current().on_message.is_some() && self.device.identity.module.is_none();
        if wanted != self.listening.unwrap_or(false) && self.end_by.is_none() {
            self.listen(wanted);
        }
        loop {
            let settled = messages::settled(&self.device, self.connections);
            let Some(id) = settled else { break };
            self.link.acknowledge(id);
        }
    }

    fn listen(&mut self, wanted: bool) {
        self.listening = Some(wanted);
        self.link.listen(wanted);
    }

    /// A renewal cuts the line: it waits until nobody is owed an answer, and then until no call can cross the goodbye.
    fn renew_between_calls(&mut self) {
        let Some(by) = self.renew_by.filter(|_| !self.device.unanswered()) else { return };
        if matches!(self.quiet, Quiet::No) {
            self.renew_by = Some(by.min(Instant::now() + LAST_CALL));
            self.hush();
        }
        if self.is_quiet() {
            self.renew();
        }
    }

    fn send_twin_requests(&mut self) {
        let patience = self.device.lane.habits.twin_patience;
        if let Some(rid) = self.requests.get(patience) {
            self.link.send(Outbound::TwinGet { rid });
        }
        if let Some((rid, patch)) = self.requests.report(&self.device.outbox, patience) {
            self.link.send(Outbound::Report { rid, patch });
        }
    }

    fn send_reply(&mut self, reply: Reply) {
        let Reply { rid, status, payload, acknowledged, .. } = reply;
        let ticket = acknowledged.map(|sender| {
            self.tickets += 1;
            self.arrivals.push((self.tickets, sender));
            self.tickets
        });
        self.link.send(Outbound::Reply { rid, status, payload, ticket });
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
