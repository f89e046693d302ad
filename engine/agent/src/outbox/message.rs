//! Messages to the cloud that the hub has not taken yet: in order, within bounds of number and bytes. The oldest make room.

use std::collections::VecDeque;

use tokio::sync::oneshot;
use wire::PropertyBag;

use super::record;
use crate::reports::Taken;

/// Messages on the line at once: enough to fill a round trip, few enough that little is repeated after a loss.
const WINDOW: usize = 16;

/// A message that was on the line in this many lost connections is what loses them: the hub closes without a word on
/// what it refuses.
const POISON: u32 = 5;

/// What a message takes beside its body: its properties, and the list's own.
const EACH: usize = 256;

/// How much an outbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// Whether the disk has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Not asked for.
    #[default]
    No,
    /// With this write.
    With(u64),
    Yes,
}

impl Kept {
    /// This write is done: whether it was with it.
    pub(crate) fn settle(&mut self, write: u64, well: bool) -> bool {
        let with = matches!(*self, Self::With(of) if of <= write);
        if with {
            *self = if well { Self::Yes } else { Self::No };
        }
        with
    }
}

/// A message to the cloud.
#[derive(Debug)]
pub(crate) struct Message {
    number: u64,
    properties: PropertyBag,
    body: Vec<u8>,
    waiter: Option<oneshot::Sender<Taken>>,
    losses: u32,
    /// It may have been sent before.
    again: bool,
    ticket: Option<u64>,
    kept: Kept,
}

impl Message {
    fn tell(&mut self, taken: Taken) {
        if let Some(waiter) = self.waiter.take() {
            // A waiter that is gone does not mind.
            let _ = waiter.send(taken);
        }
    }

    fn cost(&self) -> usize {
        self.body.len() + EACH
    }
}

/// A message as it goes on the line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sending {
    pub(crate) properties: PropertyBag,
    pub(crate) body: Vec<u8>,
    /// It may have been sent before.
    pub(crate) again: bool,
}

/// All of them, oldest first. Those on the line stand before all others.
#[derive(Debug)]
pub(super) struct Messages {
    queue: VecDeque<Message>,
    cost: usize,
    numbers: u64,
    bounds: Bounds,
    /// Dropped for room, ever.
    dropped: u64,
    /// How many of them were told of.
    told: u64,
    /// The file's ends of those that are through, to be written.
    pub(super) ends: Vec<u8>,
}

impl Messages {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { queue: VecDeque::new(), cost: 0, numbers: 0, bounds, dropped: 0, told: 0, ends: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// What is held, in bytes.
    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    /// Adds one; `None` when there is no room and all that could make some are waited for.
    pub(super) fn push(&mut self, properties: PropertyBag, body: Vec<u8>) -> Option<oneshot::Receiver<Taken>> {
        let (sender, receiver) = oneshot::channel();
        let number = self.numbers + 1;
        let message = Message {
            number,
            properties,
            body,
            waiter: Some(sender),
            losses: 0,
            again: false,
            ticket: None,
            kept: Kept::No,
        };
        while self.queue.len() >= self.bounds.messages
            || (self.cost + message.cost() > self.bounds.bytes && !self.queue.is_empty())
        {
            let oldest = self.queue.iter().position(|message| message.ticket.is_none())?;
            // Who still waits has not been told that it is safe: a sender that is faster than its line must notice.
            if self.queue[oldest].waiter.is_some() {
                return None;
            }
            self.remove(oldest);
            self.dropped += 1;
        }
        self.numbers = number;
        self.cost += message.cost();
        self.queue.push_back(message);
        Some(receiver)
    }

    /// One from the file.
    pub(super) fn restore(&mut self, number: u64, properties: PropertyBag, body: &[u8]) {
        self.numbers = self.numbers.max(number);
        let message = Message {
            number,
            properties,
            body: body.to_vec(),
            waiter: None,
            losses: 0,
            again: true,
            ticket: None,
            kept: Kept::Yes,
        };
        self.cost += message.cost();
        self.queue.push_back(message);
    }

    /// Numbers up to this one were given out already.
    pub(super) fn begin_after(&mut self, number: u64) {
        self.numbers = self.numbers.max(number);
    }

    fn remove(&mut self, at: usize) -> Option<Message> {
        let message = self.queue.remove(at)?;
        self.cost -= message.cost();
        if message.kept != Kept::No {
            record::put_message_done(&mut self.ends, message.number);
        }
        Some(message)
    }

    /// The next one to send under `ticket`, unless enough are on the line.
    pub(super) fn take(&mut self, ticket: u64) -> Option<Sending> {
        let flying = self.queue.iter().take_while(|message| message.ticket.is_some()).count();
        let message = self.queue.get_mut(flying).filter(|_| flying < WINDOW)?;
        message.ticket = Some(ticket);
        let again = std::mem::replace(&mut message.again, true);
        Some(Sending { properties: message.properties.clone(), body: message.body.clone(), again })
    }

    /// The hub has the one with this ticket; `false` if none has it.
    pub(super) fn taken(&mut self, ticket: u64) -> bool {
        let Some(at) = self.queue.iter().position(|message| message.ticket == Some(ticket)) else { return false };
        if let Some(mut message) = self.remove(at) {
            message.tell(Taken::Yes);
        }
        true
    }

    /// The connection is gone: all go again, but for those that seem to be why. Returns the sizes of these.
    pub(super) fn lost(&mut self) -> Vec<usize> {
        let mut poison = Vec::new();
        for message in &mut self.queue {
            message.losses += u32::from(message.ticket.take().is_some());
        }
        while let Some(at) = self.queue.iter().position(|message| message.losses >= POISON) {
            if let Some(mut message) = self.remove(at) {
                message.tell(Taken::Refused("the hub closed the connection each time it was sent".into()));
                poison.push(message.body.len());
            }
        }
        poison
    }

    /// Nobody is to wait for a line that is not there; for a write, if there is one under way.
    pub(super) fn tell_kept(&mut self, on_disk: bool) {
        for message in &mut self.queue {
            if !on_disk || message.kept == Kept::Yes {
                message.tell(Taken::Later);
            }
        }
    }

    /// Writes down what is not on the disk yet, with this write. They are the newest, so that the file has their order.
    pub(super) fn write_down(&mut self, to: &mut Vec<u8>, write: u64) -> bool {
        let before = to.len();
        for message in self.queue.iter_mut().filter(|message| message.kept == Kept::No) {
            record::put_message(to, message.number, &message.properties, &message.body);
            message.kept = Kept::With(write);
        }
        to.len() > before
    }

    /// Writes down all of it that was ever written.
    pub(super) fn write_all(&self, to: &mut Vec<u8>) {
        for message in self.queue.iter().filter(|message| message.kept != Kept::No) {
            record::put_message(to, message.number, &message.properties, &message.body);
        }
    }

    /// A write is done. What it could not keep was promised to nobody: its sender hears that, and it is not sent.
    pub(super) fn written(&mut self, write: u64, failed: Option<&str>) {
        let mut refused = Vec::new();
        for (at, message) in self.queue.iter_mut().enumerate() {
            let with = message.kept.settle(write, failed.is_none());
            if with && message.waiter.is_some() && message.ticket.is_none() && failed.is_some() {
                refused.push(at);
            }
        }
        let why = failed.unwrap_or_default();
        for at in refused.into_iter().rev() {
            if let Some(mut message) = self.remove(at) {
                message.tell(Taken::Refused(format!("the message cannot be kept: {why}")));
            }
        }
    }

    /// How many were dropped for room, ever.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many since this was asked last.
    pub(super) fn told_dropped(&mut self) -> u64 {
        self.dropped - std::mem::replace(&mut self.told, self.dropped)
    }
}
