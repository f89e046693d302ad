//! Messages under way to one device: sent with quality 1, and not acknowledged yet. Pure.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;
use wire::limits::C2D_LOCK;

/// A message under way.
#[derive(Debug)]
pub(super) struct Flight {
    /// The packet's identifier.
    pub(super) id: u16,
    sequence: u64,
    pub(super) topic: Arc<str>,
    pub(super) body: Bytes,
    sent: Instant,
}

/// See the module's description; in the order of sending.
#[derive(Debug, Default)]
pub(super) struct Window(Vec<Flight>);

impl Window {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a message. Its identifier follows from its number, so that it is the same on the next connection, as MQTT asks;
    /// should another one under way have it, the next free one is taken.
    pub(super) fn add(&mut self, sequence: u64, topic: Arc<str>, body: Bytes, now: Instant) -> &Flight {
        let wanted = u16::try_from(sequence % u64::from(u16::MAX)).expect("a remainder is below what it is of");
        let ids = (wanted..u16::MAX).chain(0..wanted).map(|id| id + 1);
        let free = |id: &u16| self.0.iter().all(|flight| flight.id != *id);
        let id = ids.into_iter().find(free).expect("fewer are under way than there are identifiers");
        self.0.push(Flight { id, sequence, topic, body, sent: now });
        self.0.last().expect("it was just put there")
    }

    /// Removes an acknowledged message and gives its number.
    pub(super) fn settle(&mut self, id: u16) -> Option<u64> {
        let place = self.0.iter().position(|flight| flight.id == id)?;
        Some(self.0.remove(place).sequence)
    }

    /// When the oldest has been under way for as long as a lock lasts.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().map(|flight| flight.sent + C2D_LOCK).min()
    }

    /// Those that have been; they count as sent now.
    pub(super) fn overdue(&mut self, now: Instant) -> impl Iterator<Item = &Flight> {
        self.0.iter_mut().filter(move |flight| flight.sent + C2D_LOCK <= now).map(move |flight| {
            flight.sent = now;
            &*flight
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn identifiers_follow_from_numbers_and_never_meet() {
        let now = Instant::now();
        let mut window = Window::default();
        let mut add = |sequence: u64| window.add(sequence, "t".into(), Bytes::new(), now).id;
        assert_eq!((add(0), add(6), add(65_534)), (1, 7, 65_535));
        assert_eq!(add(65_535), 2, "1 is under way");
        assert_eq!(add(2 * 65_535 + 6), 8, "7 is under way");
        assert_ne!(add(2 * 65_535 - 1), 65_535);
        assert_eq!(window.settle(7), Some(6));
        assert_eq!(window.settle(7), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_for_as_long_as_a_lock_is_sent_again() {
        let mut window = Window::default();
        let start = Instant::now();
        window.add(1, "a".into(), Bytes::new(), start);
        window.add(2, "b".into(), Bytes::new(), start + C2D_LOCK / 2);
        assert_eq!(window.due(), Some(start + C2D_LOCK));
        let again: Vec<u16> = window.overdue(start + C2D_LOCK).map(|flight| flight.id).collect();
        assert_eq!(again, [2]);
        assert_eq!(window.due(), Some(start + C2D_LOCK * 3 / 2));
        assert_eq!(window.overdue(start + C2D_LOCK).count(), 0);
    }
}
