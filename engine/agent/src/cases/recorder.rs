//! Writes cases from calls as they happen: a line that passes everything on and listens. One call of the device at a time; a
//! call during which another handler ran is left out, since nobody could play it again.

use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value};

use super::judge::overlay;
use super::play::message;
use super::recorded::Recorded;
use crate::event::{AgentEvent, HandlerName, Sink};
use crate::lane::Lane;
use crate::link::{DeviceLink, Inbound, Outbound};

/// A file of more cases is a log.
const MOST: usize = 1_000;

/// What is being recorded, for the line and for the ear.
#[derive(Clone)]
pub(crate) struct Reel(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    tape: Option<Tape>,
    written: usize,
}

struct Tape {
    case: Recorded,
    rid: String,
    /// Another handler ran meanwhile.
    spoiled: bool,
    ended: bool,
    answered: bool,
}

impl Reel {
    /// A reel, and a sink that hears for it before the other one does.
    pub(crate) fn before(sink: Sink) -> (Self, Sink) {
        let reel = Self(Arc::default());
        let ear = reel.clone();
        let heard = move |event: AgentEvent| {
            ear.hear(&event);
            sink(event);
            if let Some(case) = ear.done() {
                sink(AgentEvent::Recorded { case });
            }
        };
        (reel, Arc::new(heard))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.0.lock().expect("plain data: no panic while held"))
    }

    fn hear(&self, event: &AgentEvent) {
        self.with(|inner| {
            let Some(tape) = &mut inner.tape else { return };
            match event {
                AgentEvent::Said { line, .. } => tape.case.printed.push(line.clone()),
                AgentEvent::Handler { handler: HandlerName::Method(name), .. } if **name == *tape.case.method => {
                    tape.ended = true;
                }
                // It is part of a restart, which is part of a call.
                AgentEvent::Handler { handler: HandlerName::Boot, .. } => {}
                AgentEvent::Handler { .. } | AgentEvent::Disconnected { .. } => tape.spoiled = true,
                _ => {}
            }
        });
    }

    /// The case, once its handler has ended and its answer has left.
    fn done(&self) -> Option<String> {
        self.with(|inner| {
            let tape = inner.tape.take_if(|tape| tape.ended && tape.answered)?;
            if tape.spoiled || inner.written >= MOST {
                return None;
            }
            inner.written += 1;
            Some(tape.case.yaml(inner.written))
        })
    }
}

/// A line that listens.
pub(crate) struct Recorder<L> {
    line: L,
    lane: Rc<Lane>,
    reel: Reel,
}

impl<L: DeviceLink> Recorder<L> {
    /// Around a line of the lane's only device.
    pub(crate) fn new(line: L, lane: &Rc<Lane>, reel: &Reel) -> Self {
        Self { line, lane: Rc::clone(lane), reel: reel.clone() }
    }

    fn begin(&self, rid: &str, name: &str, payload: &[u8]) {
        let Some(device) = self.lane.devices.borrow().first().cloned() else { return };
        let sim = &self.lane.habits.sim;
        self.reel.with(|inner| {
            if let Some(tape) = &mut inner.tape {
                tape.spoiled = true;
                return;
            }
            let twin = device.twin.borrow();
            let case = Recorded {
                device: device.identity.to_string(),
                boot_id: device.memory().boot_id.clone(),
                now: device.now(),
                state: device.memory().state.clone(),
                desired: twin.desired().clone(),
                reported_before: twin.reported().clone(),
                reboot: sim.reboot,
                away: sim.away,
                method: name.to_owned(),
                payload: serde_json::from_slice(payload).ok(),
                ..Recorded::default()
            };
            let spoiled = device.running() > 0;
            inner.tape = Some(Tape { case, rid: rid.to_owned(), spoiled, ended: false, answered: false });
        });
    }

    fn overhear(&self, out: &Outbound) {
        self.reel.with(|inner| {
            let Some(tape) = &mut inner.tape else { return };
            match out {
                Outbound::Reply { rid, status, payload, .. } if *rid == tape.rid => {
                    tape.case.status = *status;
                    tape.case.answer = serde_json::from_slice(payload).unwrap_or(Value::Null);
                    tape.answered = true;
                    // Without a handler there is an answer and nothing that ends.
                    tape.ended |= *status == 404 && self.unknown(&tape.case.method);
                }
                Outbound::Report { patch, .. } => {
                    let patch: Map<String, Value> = serde_json::from_slice(patch).unwrap_or_default();
                    overlay(tape.case.reported.get_or_insert_default(), patch);
                }
                Outbound::Message { message: sent, .. } => tape.case.sent.push(message(&sent.properties.0, &sent.body)),
                _ => {}
            }
        });
        if let Some(case) = self.reel.done() {
            self.lane.say(AgentEvent::Recorded { case });
        }
    }

    fn unknown(&self, method: &str) -> bool {
        !self.lane.scripts.current().methods.contains_key(method)
    }
}

impl<L: DeviceLink> DeviceLink for Recorder<L> {
    async fn next(&mut self) -> Inbound {
        let inbound = self.line.next().await;
        if let Inbound::Method { rid, name, payload } = &inbound {
            self.begin(rid, name, payload);
        }
        inbound
    }

    fn send(&mut self, out: Outbound) {
        self.overhear(&out);
        self.line.send(out);
    }

    fn hush(&mut self) {
        self.line.hush();
    }

    fn listen(&mut self, wanted: bool) {
        self.line.listen(wanted);
    }

    fn acknowledge(&mut self, id: u16) {
        self.line.acknowledge(id);
    }

    fn reconnect(&mut self, why: &str, pause: Duration) {
        self.line.reconnect(why, pause);
    }

    async fn close(&mut self) {
        self.line.close().await;
    }
}
