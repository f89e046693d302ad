//! Cloud-to-device messages: one after the other, in order, to `on_message`; acknowledged when it is done with one. Over MQTT an
//! acknowledgement is all that a device can say: one that is to come again is kept here, unacknowledged, and handed over
//! again after a pause; the hub has it until then. Which handler fails on it again and again, and which message ends the
//! agent itself, is counted on the disk.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::{Diagnostic, Seed};
use bytes::Bytes;
use script::Dynamic;
use tokio::sync::Notify;
use tokio::time::sleep;
use wire::{PropertyBag, property};

use crate::call::{self, Call, Work};
use crate::device::Device;
use crate::event::{HandlerName, HandlerOutcome};
use crate::scripts::Scripts;
use crate::surface::{DeviceRef, MessageRef};

/// Messages that wait for their turn. IoT Hub keeps fifty for a device; a hub that sends more keeps what is not taken.
const MOST_WAITING: usize = 64;

/// The pause before a message is handed over again; it doubles with each try.
const AGAIN: Duration = Duration::from_secs(5);

/// The longest such pause: a hub takes an unacknowledged message for lost after a minute.
const LATEST: Duration = Duration::from_secs(60);

/// What a handler says of its message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Done with: the default.
    #[default]
    Complete,
    /// Never wanted.
    Reject(String),
    /// To be handed over again.
    Abandon,
}

/// A message that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) properties: PropertyBag,
    pub(crate) body: Bytes,
    /// The hub says that it may have been here before.
    pub(crate) again: bool,
}

/// A message, what tells it from others, and what acknowledges it.
#[derive(Debug)]
struct Held {
    key: String,
    message: Message,
    connection: u64,
    /// Packet ids under which it came over that connection.
    acks: Vec<u16>,
    handling: bool,
}

/// The messages of one device that are not done with.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: VecDeque<Held>,
    /// What the session is to acknowledge, with the connection that it belongs to.
    settled: VecDeque<(u64, u16)>,
    serving: bool,
    /// Rung when the connection is lost: who pauses before another try looks again.
    lost: Rc<Notify>,
}

impl Inbox {
    /// The next packet to acknowledge on this connection.
    fn take_settled(&mut self, connection: u64) -> Option<u16> {
        while let Some((of, id)) = self.settled.pop_front() {
            if of == connection {
                return Some(id);
            }
        }
        None
    }

    /// The connection is gone: the hub sends again what was not acknowledged. What a handler has stays with it.
    fn lost(&mut self) {
        self.waiting.retain(|held| held.handling);
        self.settled.clear();
        self.lost.notify_waiters();
    }
}

/// The next packet to acknowledge on this connection.
pub(crate) fn settled(device: &Device, connection: u64) -> Option<u16> {
    device.inbox.borrow_mut().as_mut()?.take_settled(connection)
}

/// The connection is gone.
pub(crate) fn lost(device: &Device) {
    if let Some(inbox) = &mut *device.inbox.borrow_mut() {
        inbox.lost();
    }
}

/// What tells a message from others: its id, or what it consists of.
fn key(message: &Message) -> String {
    match message.properties.get(property::MESSAGE_ID).filter(|id| !id.is_empty()) {
        Some(id) => format!("id {id}"),
        None => {
            let mut text = message.properties.to_string();
            text.push('\n');
            text.push_str(&String::from_utf8_lossy(&message.body));
            format!("hash {:016x}", Seed(0).of(&text).0)
        }
    }
}

/// A message came, under this packet id unless nobody asks for its acknowledgement. Returns whether anybody wants it.
pub(crate) fn arrived(device: &Rc<Device>, message: Message, id: Option<u16>, connection: u64) -> bool {
    if device.lane.scripts.current().on_message.is_none() {
        return false;
    }
    let (key, again) = (key(&message), message.again);
    let mut inbox = device.inbox.borrow_mut();
    let inbox = inbox.get_or_insert_default();
    let same = |held: &&mut Held| {
        let packet = held.connection == connection && id.is_some_and(|id| held.acks.contains(&id));
        packet || (held.key == key && (again || held.connection != connection))
    };
    if let Some(known) = inbox.waiting.iter_mut().find(same) {
        if known.connection != connection {
            known.acks.clear();
            known.connection = connection;
        }
        known.acks.extend(id.filter(|id| !known.acks.contains(id)));
        return true;
    }
    if inbox.waiting.len() >= MOST_WAITING || device.lane.stop.is_cancelled() {
        return true;
    }
    device.lane.counters.messages_in.up();
    inbox.waiting.push_back(Held { key, message, connection, acks: id.into_iter().collect(), handling: false });
    if !inbox.serving {
        inbox.serving = true;
        device.lane.tasks.spawn_local(serve(Rc::clone(device)));
    }
    true
}

/// Hands over one after the other until none waits.
async fn serve(device: Rc<Device>) {
    while let Some((key, message, lost)) = next(&device) {
        if hand_over(&device, &key, message).await {
            done(&device, &key);
        } else if comes_again(&device) {
            let tried = device.memory().tries(&key).max(1);
            tokio::select! {
                () = sleep(AGAIN.saturating_mul(1 << (tried - 1).min(10)).min(LATEST)) => {}
                () = lost.notified() => {}
                () = device.lane.stop.cancelled() => {}
            }
        }
    }
}

/// The next one's turn; with none, the end of serving.
fn next(device: &Device) -> Option<(String, Message, Rc<Notify>)> {
    let mut inbox = device.inbox.borrow_mut();
    let inbox = inbox.get_or_insert_default();
    if device.lane.scripts.current().on_message.is_none() || device.lane.stop.is_cancelled() {
        // The hub keeps them.
        inbox.waiting.clear();
    }
    let Some(held) = inbox.waiting.front_mut() else {
        inbox.serving = false;
        return None;
    };
    held.handling = true;
    Some((held.key.clone(), held.message.clone(), Rc::clone(&inbox.lost)))
}

/// After a try that did not end it: whether it is still this device's turn to try again.
fn comes_again(device: &Device) -> bool {
    let mut inbox = device.inbox.borrow_mut();
    let inbox = inbox.get_or_insert_default();
    if let Some(held) = inbox.waiting.front_mut() {
        held.handling = false;
    }
    let up = device.outbox.connection();
    inbox.waiting.retain(|held| held.connection == up);
    !inbox.waiting.is_empty()
}

/// The hub may forget it.
fn done(device: &Rc<Device>, key: &str) {
    {
        let mut inbox = device.inbox.borrow_mut();
        let inbox = inbox.get_or_insert_default();
        if let Some(held) = inbox.waiting.pop_front() {
            inbox.settled.extend(held.acks.into_iter().map(|id| (held.connection, id)));
        }
    }
    device.memory_mut().forget_tries(key);
    device.save_soon();
    device.outbox.ring();
}

/// One try. Returns whether the message is done with.
async fn hand_over(device: &Rc<Device>, key: &str, message: Message) -> bool {
    let scripts = device.lane.scripts.current();
    // Replaced by scripts without it, while this one waited: the hub keeps the message.
    let Some(handler) = &scripts.on_message else { return false };
    let tried = device.memory().tries(key);
    if tried >= handler.tries {
        return given_up(device, key, tried);
    }
    device.memory_mut().count_try(key);
    // On the disk first: a message that ends the agent must not end it for ever.
    device.save().await;
    let verdict = match device.lane.stop.is_cancelled() {
        true => None,
        false => run(device, &scripts, message, tried + 1).await,
    };
    match verdict {
        Some(Ok(Verdict::Complete)) => true,
        Some(Ok(Verdict::Reject(why))) => {
            let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
            device.lane.counters.messages_rejected.up();
            device.fault(Diagnostic::warning(format!(
                "the message of {key} was rejected{why}: over MQTT its sender is told that it was taken"
            )));
            true
        }
        Some(Ok(Verdict::Abandon) | Err(())) if tried + 1 >= handler.tries => given_up(device, key, tried + 1),
        Some(Ok(Verdict::Abandon) | Err(())) => false,
        None => {
            // Ended from outside: no fault of the message.
            device.memory_mut().uncount_try(key);
            device.save_soon();
            false
        }
    }
}

/// Enough is enough.
fn given_up(device: &Device, key: &str, tried: u32) -> bool {
    device.lane.counters.messages_given_up.up();
    let times = if tried == 1 { "once".to_owned() } else { format!("{tried} times") };
    device.fault(Diagnostic::error(format!(
        "the message of {key} is given up: on_message was tried {times} and never came to its end"
    )));
    true
}

/// What the handler says; an error when it failed, none when it was ended from outside.
async fn run(
    device: &Rc<Device>,
    scripts: &Arc<Scripts>,
    message: Message,
    delivery: u32,
) -> Option<Result<Verdict, ()>> {
    let handler = scripts.on_message.as_ref()?;
    let mut call = Call::new(device, Arc::clone(scripts), HandlerName::Message, None);
    call.verdict = Some(std::cell::RefCell::default());
    let call = Rc::new(call);
    let args = vec![Dynamic::from(DeviceRef::of(device)), Dynamic::from(MessageRef::new(message, delivery))];
    let mut deadlines = device.lane.habits.deadlines;
    deadlines.work = handler.work.unwrap_or(deadlines.work);
    match call::run(Rc::clone(&call), Work { handler: handler.run.clone(), args, deadlines }).await {
        HandlerOutcome::Cancelled => None,
        HandlerOutcome::Failed { .. } | HandlerOutcome::FailedLate { .. } => Some(Err(())),
        HandlerOutcome::Answered(_) | HandlerOutcome::Done => {
            Some(Ok(call.verdict.as_ref().and_then(|verdict| verdict.borrow().clone()).unwrap_or_default()))
        }
    }
}
