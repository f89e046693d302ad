//! What services and connections do with messages: send, take, acknowledge, purge, read feedback. Each is one change of the state.

use std::sync::Arc;
use std::time::SystemTime;

use rand::Rng;
use wire::{CloudMessage, DeviceId, ErrorCode, FeedbackRecord, HubError, Identity, MessageEnd};

use super::feedback::Batch;
use super::queue::{Pending, Queue};
use super::stored::{remove_feedback, remove_message, write_feedback, write_message};
use crate::seam::Delivery;
use crate::state::HubState;
use crate::state::effect::Effect;
use crate::state::hub_state::{Change, Inner};
use crate::state::rules::not_found;
use crate::store::Write;

/// A message that was taken for its device.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) message_id: String,
    pub(crate) enqueued: SystemTime,
    pub(crate) expires: SystemTime,
}

impl HubState {
    /// Takes a message for a device; it is on the disk when this returns.
    pub(crate) async fn send_message(&self, device: &DeviceId, mut message: CloudMessage) -> Result<Sent, HubError> {
        let now = self.clock.now();
        message.check(device, now)?;
        if message.message_id.is_empty() {
            message.message_id = random_id(&mut rand::rng());
        }
        self.change(|inner| {
            let identity = Identity::device(device.clone());
            let full = inner.registry.queue(device).ok_or_else(|| not_found(&identity))?.is_some_and(Queue::is_full);
            if full {
                let text = format!("Device '{device}' has as many messages waiting as a device may have.");
                return Err(HubError::new(ErrorCode::QUEUE_DEPTH_EXCEEDED, text));
            }
            let sequence = inner.mail.sequence(now);
            let expires = message.expires(now);
            let answer = Sent { message_id: message.message_id.clone(), enqueued: now, expires };
            let message = Arc::new(message);
            let pending = Pending { sequence, message, enqueued: now, expires, deliveries: 0, held: false };
            let writes = vec![write_message(device, &pending)];
            inner.mail.expiries.insert((expires, sequence), device.clone());
            inner.mail.sent += 1;
            inner.registry.change_queue(device, |queue| queue.push(pending));
            Ok(Change { answer, writes, effects: vec![Effect::Message { identity }] })
        })
        .await
    }

    /// The next messages for a connection, marked as sent on the disk first: should the hub die now, they are sent again as
    /// repeated ones. With `settle` they are done with at once.
    pub(in crate::state) async fn take(&self, device: &DeviceId, room: usize, settle: bool) -> Vec<Delivery> {
        // An empty queue is none.
        if self.inner().registry.queue(device).flatten().is_none() {
            return Vec::new();
        }
        let taken = self.change(|inner| Ok(take(inner, device, room, settle, self.clock.now()))).await;
        taken.unwrap_or_else(|error| {
            tracing::warn!(%device, message = error.message, "messages stay where they are");
            self.inner().registry.change_queue(device, Queue::release);
            Vec::new()
        })
    }

    /// The device has acknowledged a message.
    pub(in crate::state) async fn settle(&self, device: &DeviceId, sequence: u64) {
        let now = self.clock.now();
        let settled = self
            .change(|inner| {
                let removed = inner.registry.change_queue(device, |queue| queue.remove(sequence)).flatten();
                let ended = removed.map(|pending| (pending, MessageEnd::Success));
                Ok(Change { answer: (), writes: end(inner, device, ended, now), effects: Vec::new() })
            })
            .await;
        if let Err(error) = settled {
            tracing::warn!(%device, message = error.message, "an acknowledgement is not on the disk");
        }
    }

    /// Empties a device's queue but for what its connection has; how many messages went.
    pub(crate) async fn purge_messages(&self, device: &DeviceId) -> Result<usize, HubError> {
        let now = self.clock.now();
        self.change(|inner| {
            let purged = inner.registry.change_queue(device, Queue::purge);
            let purged = purged.ok_or_else(|| not_found(&Identity::device(device.clone())))?;
            let answer = purged.len();
            let ended = purged.into_iter().map(|pending| (pending, MessageEnd::Purged));
            Ok(Change { answer, writes: end(inner, device, ended, now), effects: Vec::new() })
        })
        .await
    }

    /// The next feedback, under a lock; none when there is none.
    pub(crate) async fn read_feedback(&self) -> Result<Option<Batch>, HubError> {
        let now = self.clock.now();
        self.change(|inner| {
            let writes = inner.mail.feedback.forget_old(now).into_iter().map(remove_feedback).collect();
            let lock = rand::rng().random::<u64>();
            let records = inner.mail.feedback.read(lock, now);
            let answer = (!records.is_empty()).then(|| Batch { lock: format!("{lock:016x}"), records });
            Ok(Change { answer, writes, effects: Vec::new() })
        })
        .await
    }

    /// The reader is done with a batch.
    pub(crate) async fn complete_feedback(&self, lock: &str) -> Result<(), HubError> {
        self.change(|inner| {
            let done = lock_number(lock).map(|lock| inner.mail.feedback.complete(lock, self.clock.now()));
            let done = done.filter(|done| !done.is_empty()).ok_or_else(lock_lost)?;
            Ok(Change { answer: (), writes: done.into_iter().map(remove_feedback).collect(), effects: Vec::new() })
        })
        .await
    }

    /// The reader gives a batch back.
    pub(crate) fn abandon_feedback(&self, lock: &str) -> Result<(), HubError> {
        let now = self.clock.now();
        let given_back = lock_number(lock).is_some_and(|lock| self.inner().mail.feedback.abandon(lock, now));
        if given_back { Ok(()) } else { Err(lock_lost()) }
    }
}

fn take(inner: &mut Inner, device: &DeviceId, room: usize, settle: bool, now: SystemTime) -> Change<Vec<Delivery>> {
    let taken = inner.registry.change_queue(device, |queue| {
        let taken = queue.take(room, now);
        if settle {
            taken.sent.iter().for_each(|pending| drop(queue.remove(pending.sequence)));
        }
        taken
    });
    let taken = taken.unwrap_or_default();
    let delivery = |pending: &Pending| Delivery {
        sequence: pending.sequence,
        topic: pending.message.topic(device).into(),
        body: pending.message.body.clone(),
        again: pending.deliveries > 1,
    };
    let answer: Vec<Delivery> = taken.sent.iter().map(delivery).collect();
    let mut writes = end(inner, device, taken.ended, now);
    if settle {
        let ended = taken.sent.into_iter().map(|pending| (pending, MessageEnd::Success));
        writes.extend(end(inner, device, ended, now));
    } else {
        writes.extend(taken.sent.iter().map(|pending| write_message(device, pending)));
    }
    Change { answer, writes, effects: Vec::new() }
}

/// What the end of messages is to the disk, and to those of their senders who want to know.
pub(super) fn end(
    inner: &mut Inner,
    device: &DeviceId,
    ended: impl IntoIterator<Item = (Pending, MessageEnd)>,
    now: SystemTime,
) -> Vec<Write> {
    let generation = inner.registry.get(&Identity::device(device.clone())).map(|entry| entry.record.generation.clone());
    let mut writes = Vec::new();
    for (pending, how) in ended {
        inner.mail.expiries.remove(&(pending.expires, pending.sequence));
        inner.mail.ended[how as usize] += 1;
        writes.push(remove_message(device, pending.sequence));
        if !pending.message.ack.wants(how) {
            continue;
        }
        let record = FeedbackRecord {
            original_message_id: pending.message.message_id.clone(),
            enqueued_time_utc: base::rfc3339_ticks(now),
            status_code: how,
            description: how.as_str().to_owned(),
            device_id: device.clone(),
            device_generation_id: generation.as_deref().unwrap_or_default().to_owned(),
        };
        let sequence = inner.mail.sequence(now);
        writes.push(write_feedback(sequence, &record, now));
        writes.extend(inner.mail.feedback.push(sequence, record, now).map(remove_feedback));
    }
    writes
}

/// What a device that is deleted leaves behind: its messages go with it, and nobody hears of them.
pub(in crate::state) fn forget_messages(inner: &mut Inner, device: &DeviceId) -> Vec<Write> {
    let Some(queue) = inner.registry.queue(device).flatten() else { return Vec::new() };
    let gone: Vec<_> = queue.iter().map(|pending| (pending.expires, pending.sequence)).collect();
    let forget = |place: (SystemTime, u64)| {
        inner.mail.expiries.remove(&place);
        remove_message(device, place.1)
    };
    gone.into_iter().map(forget).collect()
}

fn lock_number(lock: &str) -> Option<u64> {
    u64::from_str_radix(lock, 16).ok().filter(|_| lock.len() == 16)
}

fn lock_lost() -> HubError {
    HubError::new(ErrorCode::MESSAGE_LOCK_LOST, "The lock on this feedback is no longer held.")
}

/// As SDKs make them.
fn random_id(random: &mut impl Rng) -> String {
    let bits = random.random::<u128>();
    let (time, version) = ((bits >> 96) as u32, (bits >> 64) as u16 & 0x0fff);
    let (variant, node) = (((bits >> 48) as u16 & 0x3fff) | 0x8000, bits as u64 & 0xffff_ffff_ffff);
    format!("{time:08x}-{:04x}-4{version:03x}-{variant:04x}-{node:012x}", (bits >> 80) as u16)
}
