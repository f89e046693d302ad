//! Messages and feedback on the disk, one document each, and what is read back at start.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use base::{parse_time, rfc3339_ticks};
use serde::{Deserialize, Serialize};
use wire::{CloudMessage, DeviceId, FeedbackRecord, MessageEnd};

use super::feedback::Feedback;
use super::queue::Pending;
use crate::state::registry::Registry;
use crate::store::{Table, Write};

/// What the hub keeps of messages beside the queues, which are their devices'.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    pub(super) feedback: Feedback,
    /// When which message is over, in order.
    pub(super) expiries: BTreeMap<(SystemTime, u64), DeviceId>,
    pub(super) last_sequence: u64,
    /// Messages taken since the start.
    pub(super) sent: u64,
    /// What became of them, by the number of the end.
    pub(super) ended: [u64; MessageEnd::ALL.len()],
}

/// How many messages there are, and were since the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MailCounts {
    /// Messages that wait for their devices.
    pub(crate) waiting: usize,
    /// Feedback that nobody has read.
    pub(crate) feedback: usize,
    /// Messages that were taken.
    pub(crate) sent: u64,
    /// Messages by how they ended.
    pub(crate) ended: [(MessageEnd, u64); MessageEnd::ALL.len()],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredMessage {
    enqueued: String,
    deliveries: u32,
    message: CloudMessage,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredFeedback {
    since: String,
    record: FeedbackRecord,
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain fields with text keys are JSON")
}

fn moment(text: &str) -> Result<SystemTime, String> {
    parse_time(text).ok_or_else(|| format!("`{text}` is not a time"))
}

/// Sixteen digits: the order of keys is the order of numbers.
fn number(sequence: u64) -> String {
    format!("{sequence:016x}")
}

fn message_key(device: &DeviceId, sequence: u64) -> String {
    format!("{device}/{}", number(sequence))
}

pub(super) fn write_message(device: &DeviceId, pending: &Pending) -> Write {
    let stored = StoredMessage {
        enqueued: rfc3339_ticks(pending.enqueued),
        deliveries: pending.deliveries,
        message: CloudMessage::clone(&pending.message),
    };
    Write::put(Table::Messages, message_key(device, pending.sequence), json(&stored))
}

pub(super) fn remove_message(device: &DeviceId, sequence: u64) -> Write {
    Write::remove(Table::Messages, message_key(device, sequence))
}

pub(super) fn write_feedback(sequence: u64, record: &FeedbackRecord, since: SystemTime) -> Write {
    let stored = StoredFeedback { since: rfc3339_ticks(since), record: record.clone() };
    Write::put(Table::Feedback, number(sequence), json(&stored))
}

pub(super) fn remove_feedback(sequence: u64) -> Write {
    Write::remove(Table::Feedback, number(sequence))
}

impl Mail {
    /// Takes a row of either table; its device was read before.
    pub(in crate::state) fn load(
        &mut self,
        registry: &mut Registry,
        table: Table,
        key: &str,
        value: &[u8],
    ) -> Result<(), String> {
        let error = |error: serde_json::Error| error.to_string();
        let number = |text: &str| u64::from_str_radix(text, 16).map_err(|_| "not a number".to_owned());
        if table == Table::Feedback {
            let (sequence, stored) = (number(key)?, serde_json::from_slice::<StoredFeedback>(value).map_err(error)?);
            self.last_sequence = self.last_sequence.max(sequence);
            self.feedback.push(sequence, stored.record, moment(&stored.since)?);
            return Ok(());
        }
        let (device, sequence) = key.rsplit_once('/').ok_or("not a message of a device")?;
        let device: DeviceId = device.parse().map_err(|_| "not a device".to_owned())?;
        let stored: StoredMessage = serde_json::from_slice(value).map_err(error)?;
        let (sequence, enqueued) = (number(sequence)?, moment(&stored.enqueued)?);
        let expires = stored.message.expires(enqueued);
        let message = Arc::new(stored.message);
        let pending = Pending { sequence, message, enqueued, expires, deliveries: stored.deliveries, held: false };
        self.last_sequence = self.last_sequence.max(sequence);
        let known = registry.change_queue(&device, |queue| queue.push(pending));
        known.ok_or("without its device")?;
        self.expiries.insert((expires, sequence), device);
        Ok(())
    }

    /// Messages that wait (for a minute also those that ended in a connection's hands), and records of feedback.
    pub(in crate::state) fn counts(&self) -> MailCounts {
        let ended = MessageEnd::ALL.map(|end| (end, self.ended[end as usize]));
        MailCounts { waiting: self.expiries.len(), feedback: self.feedback.len(), sent: self.sent, ended }
    }

    /// The next number: of the time, so that numbers grow over restarts too.
    pub(super) fn sequence(&mut self, now: SystemTime) -> u64 {
        let micros = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros();
        self.last_sequence = u64::try_from(micros).unwrap_or(u64::MAX).max(self.last_sequence.saturating_add(1));
        self.last_sequence
    }
}
