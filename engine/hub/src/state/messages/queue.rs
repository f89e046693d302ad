//! The messages that wait for one device. Pure: says what changed, writes nothing, tells nobody.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use wire::limits::{C2D_DELIVERIES, C2D_PENDING};
use wire::{CloudMessage, MessageEnd};

/// A message that waits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pending {
    /// Its place among all messages of the hub.
    pub(super) sequence: u64,
    pub(super) message: Arc<CloudMessage>,
    pub(super) enqueued: SystemTime,
    pub(super) expires: SystemTime,
    /// On how many connections it was sent.
    pub(super) deliveries: u32,
    /// A connection has it and may still acknowledge it.
    pub(super) held: bool,
}

/// Those of one device, the oldest first; fifty at most.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Queue(VecDeque<Pending>);

/// What a look into the queue brought.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Taken {
    /// To be sent now.
    pub(super) sent: Vec<Pending>,
    /// Those that will never be sent.
    pub(super) ended: Vec<(Pending, MessageEnd)>,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= C2D_PENDING
    }

    pub(super) fn push(&mut self, pending: Pending) {
        self.0.push_back(pending);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.0.iter()
    }

    /// The next ones that nobody holds, at most `room`, in order; they are held from now on. What is too old, or was sent too
    /// often, ends instead.
    pub(super) fn take(&mut self, room: usize, now: SystemTime) -> Taken {
        let mut taken = Taken::default();
        self.0.retain_mut(|pending| {
            if pending.held || taken.sent.len() >= room {
                return true;
            }
            let end = if pending.expires <= now {
                MessageEnd::Expired
            } else if pending.deliveries >= C2D_DELIVERIES {
                MessageEnd::DeliveryCountExceeded
            } else {
                pending.deliveries += 1;
                pending.held = true;
                taken.sent.push(pending.clone());
                return true;
            };
            taken.ended.push((pending.clone(), end));
            false
        });
        taken
    }

    /// Removes a message, held or not.
    pub(super) fn remove(&mut self, sequence: u64) -> Option<Pending> {
        let place = self.0.iter().position(|pending| pending.sequence == sequence)?;
        self.0.remove(place)
    }

    /// Removes a message whose time is over; one that is held stays, since its acknowledgement may be under way.
    pub(super) fn expire(&mut self, sequence: u64, now: SystemTime) -> Expiry {
        match self.0.iter().position(|pending| pending.sequence == sequence) {
            None => Expiry::Gone,
            Some(place) if self.0[place].held || self.0[place].expires > now => Expiry::Later,
            Some(place) => self.0.remove(place).map_or(Expiry::Gone, Expiry::Expired),
        }
    }

    /// Whoever held messages is gone.
    pub(crate) fn release(&mut self) {
        for pending in &mut self.0 {
            pending.held = false;
        }
    }

    /// Removes all that nobody holds.
    pub(super) fn purge(&mut self) -> Vec<Pending> {
        let (held, purged) = std::mem::take(&mut self.0).into_iter().partition(|pending| pending.held);
        self.0 = held;
        Vec::from_iter::<VecDeque<Pending>>(purged)
    }
}

/// What came of a message's time being over.
#[derive(Debug, PartialEq)]
pub(super) enum Expiry {
    /// It is no longer there.
    Gone,
    /// It must be looked at again.
    Later,
    Expired(Pending),
}
