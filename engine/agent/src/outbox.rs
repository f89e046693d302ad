//! What a device still has to say: replies, reports, messages and wishes, bounded, with a bell for the session.
//! Decides what survives a lost connection; sends nothing itself.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::{Notify, oneshot};
use wire::PropertyBag;

use crate::reports::{Reports, Taken, TooMany};

/// Messages that wait or are on the line, per device: a sender that is faster than its line must notice.
const MOST_MESSAGES: usize = 100;

/// Messages on the line at once: enough to fill a round trip, few enough that little is repeated after a loss.
const MESSAGE_WINDOW: usize = 16;

/// A message that was on the line in this many lost connections is what loses them: the hub closes without a word on
/// what it refuses.
const POISON: u32 = 5;

/// Replies that wait for the session's next turn; a method call in flight has one, so this is never reached.
const MOST_REPLIES: usize = 256;

/// An answer to a call of the connection that is up.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) connection: u64,
    pub(crate) rid: String,
    pub(crate) status: i32,
    pub(crate) payload: Vec<u8>,
    /// Hears when the hub has it; dropped when it can not be known.
    pub(crate) acknowledged: Option<oneshot::Sender<()>>,
}

/// A message to the cloud.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) properties: PropertyBag,
    pub(crate) body: Vec<u8>,
    waiter: Option<oneshot::Sender<Taken>>,
    losses: u32,
    ticket: Option<u64>,
}

/// What a handler asks of the line itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A new connection, at once.
    Reconnect,
    /// Gone, for this reason and this long.
    Away(&'static str, Duration),
}

#[derive(Debug, Default)]
struct Inner {
    /// The connection that is up, from 1; 0 while there is none.
    connection: u64,
    replies: VecDeque<Reply>,
    reports: Reports,
    messages: VecDeque<Message>,
    wish: Option<Wish>,
}

/// The outbox of one device. Handlers fill it, the session empties it.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    inner: RefCell<Inner>,
    bell: Notify,
}

/// The outbox holds as many messages as it may.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{MOST_MESSAGES} messages wait for the hub already")]
pub(crate) struct Full;

impl Outbox {
    /// Rings the session's bell.
    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Until something was put in.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// The connection that is up, 0 if none.
    pub(crate) fn connection(&self) -> u64 {
        self.inner.borrow().connection
    }

    /// A new connection is up.
    pub(crate) fn up(&self, connection: u64) {
        self.inner.borrow_mut().connection = connection;
    }

    /// The connection is gone: replies die with it, reports and messages go first on the next one. Returns the number of
    /// replies lost and the messages given up as poison.
    pub(crate) fn down(&self) -> (usize, Vec<Message>) {
        let inner = &mut *self.inner.borrow_mut();
        inner.connection = 0;
        inner.reports.lost();
        let mut poison = Vec::new();
        for mut message in std::mem::take(&mut inner.messages) {
            let flown = message.ticket.take().is_some();
            message.losses += u32::from(flown);
            if message.losses >= POISON {
                message.tell(Taken::Refused("the hub closed the connection each time it was sent".into()));
                poison.push(message);
            } else {
                message.tell(Taken::Later);
                inner.messages.push_back(message);
            }
        }
        let replies = inner.replies.len();
        inner.replies.clear();
        (replies, poison)
    }

    /// Puts a reply in. Returns `false`, and forgets it, when the connection of its call is gone.
    pub(crate) fn reply(&self, reply: Reply) -> bool {
        let mut inner = self.inner.borrow_mut();
        let belongs = reply.connection == inner.connection && inner.replies.len() < MOST_REPLIES;
        if belongs {
            inner.replies.push_back(reply);
            self.ring();
        }
        belongs
    }

    /// The next reply to send.
    pub(crate) fn take_reply(&self) -> Option<Reply> {
        self.inner.borrow_mut().replies.pop_front()
    }

    /// Puts a patch in; the receiver hears how it went, and hears [`Taken::Later`] at once without a connection.
    pub(crate) fn report(&self, patch: Map<String, Value>) -> Result<oneshot::Receiver<Taken>, TooMany> {
        let inner = &mut *self.inner.borrow_mut();
        let receiver = inner.reports.push(patch)?;
        if inner.connection == 0 {
            inner.reports.lost();
        }
        self.ring();
        Ok(receiver)
    }

    /// Works on the reports.
    pub(crate) fn reports<T>(&self, work: impl FnOnce(&mut Reports) -> T) -> T {
        work(&mut self.inner.borrow_mut().reports)
    }

    /// Puts a message in; the receiver hears how it went, and hears [`Taken::Later`] at once without a connection.
    pub(crate) fn message(&self, properties: PropertyBag, body: Vec<u8>) -> Result<oneshot::Receiver<Taken>, Full> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.messages.len() >= MOST_MESSAGES {
            return Err(Full);
        }
        let (sender, receiver) = oneshot::channel();
        let mut message = Message { properties, body, waiter: Some(sender), losses: 0, ticket: None };
        if inner.connection == 0 {
            message.tell(Taken::Later);
        }
        inner.messages.push_back(message);
        self.ring();
        Ok(receiver)
    }

    /// The next message to send under `ticket`, unless enough are on the line.
    pub(crate) fn take_message(&self, ticket: u64) -> Option<(PropertyBag, Vec<u8>)> {
        let inner = &mut *self.inner.borrow_mut();
        let flying = inner.messages.iter().take_while(|message| message.ticket.is_some()).count();
        let message = inner.messages.get_mut(flying).filter(|_| flying < MESSAGE_WINDOW)?;
        message.ticket = Some(ticket);
        Some((message.properties.clone(), message.body.clone()))
    }

    /// The hub has the message with this ticket; `false` if no message has it.
    pub(crate) fn message_taken(&self, ticket: u64) -> bool {
        let inner = &mut *self.inner.borrow_mut();
        let Some(at) = inner.messages.iter().position(|message| message.ticket == Some(ticket)) else { return false };
        if let Some(mut message) = inner.messages.remove(at) {
            message.tell(Taken::Yes);
        }
        true
    }

    /// How much waits for a connection, or for the hub's word.
    pub(crate) fn waiting(&self) -> usize {
        let inner = self.inner.borrow();
        inner.replies.len() + inner.messages.len() + usize::from(!inner.reports.is_empty())
    }

    /// Nothing is left that the line could take.
    pub(crate) fn is_settled(&self) -> bool {
        let inner = self.inner.borrow();
        inner.connection == 0 || (inner.replies.is_empty() && inner.reports.is_empty() && inner.messages.is_empty())
    }

    /// Puts a wish in; an absence outranks a reconnect.
    pub(crate) fn wish(&self, wish: Wish) {
        let mut inner = self.inner.borrow_mut();
        if !matches!(inner.wish, Some(Wish::Away(..))) {
            inner.wish = Some(wish);
        }
        self.ring();
    }

    /// The wish, once everything that was said before it has left.
    pub(crate) fn take_wish(&self) -> Option<Wish> {
        let mut inner = self.inner.borrow_mut();
        if inner.replies.is_empty() { inner.wish.take() } else { None }
    }
}

impl Message {
    fn tell(&mut self, taken: Taken) {
        if let Some(waiter) = self.waiter.take() {
            // A waiter that is gone does not mind.
            let _ = waiter.send(taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn reply(connection: u64, rid: &str) -> Reply {
        Reply { connection, rid: rid.into(), status: 200, payload: Vec::new(), acknowledged: None }
    }

    fn bag() -> PropertyBag {
        PropertyBag::default()
    }

    #[test]
    fn replies_die_with_their_connection() {
        let outbox = Outbox::default();
        assert!(!outbox.reply(reply(1, "a")), "nothing is up");
        outbox.up(1);
        assert!(outbox.reply(reply(1, "a")) && outbox.reply(reply(1, "b")));
        assert_eq!(outbox.take_reply().unwrap().rid, "a");
        assert_eq!(outbox.down().0, 1);
        outbox.up(2);
        assert!(outbox.take_reply().is_none());
        assert!(!outbox.reply(reply(1, "late")), "its call belongs to another connection");
    }

    #[test]
    fn messages_are_kept_in_order_until_acknowledged() {
        let outbox = Outbox::default();
        let mut early = outbox.message(bag(), b"0".to_vec()).unwrap();
        assert_eq!(early.try_recv(), Ok(Taken::Later), "nobody waits for a line that is not there");
        outbox.up(1);
        let mut second = outbox.message(bag(), b"1".to_vec()).unwrap();
        assert_eq!(outbox.take_message(10).unwrap().1, b"0");
        assert_eq!(outbox.take_message(11).unwrap().1, b"1");
        assert!(outbox.take_message(12).is_none());
        assert!(outbox.message_taken(10) && !outbox.message_taken(10));
        outbox.down();
        assert_eq!(second.try_recv(), Ok(Taken::Later));
        outbox.up(2);
        assert_eq!(outbox.take_message(13).unwrap().1, b"1");
        assert!(outbox.message_taken(13));
        assert!(outbox.take_message(14).is_none());
    }

    #[test]
    fn window_bound_and_poison() {
        let outbox = Outbox::default();
        outbox.up(1);
        for _ in 0..MOST_MESSAGES {
            outbox.message(bag(), Vec::new()).unwrap();
        }
        assert_eq!(outbox.message(bag(), Vec::new()).unwrap_err(), Full);
        assert_eq!((0..).take_while(|ticket| outbox.take_message(*ticket).is_some()).count(), MESSAGE_WINDOW);

        let outbox = Outbox::default();
        outbox.up(1);
        let mut poison = outbox.message(bag(), b"bad".to_vec()).unwrap();
        for connection in 2..=u64::from(POISON) {
            assert!(outbox.take_message(connection).is_some());
            assert!(outbox.down().1.is_empty());
            outbox.up(connection);
        }
        assert!(outbox.take_message(99).is_some());
        assert_eq!(outbox.down().1.len(), 1);
        assert_eq!(poison.try_recv(), Ok(Taken::Later), "nobody was kept waiting beyond the first loss");
        outbox.up(9);
        assert!(outbox.take_message(100).is_none());
    }

    #[test]
    fn a_wish_waits_for_replies_and_a_restart_outranks_a_reconnect() {
        let outbox = Outbox::default();
        outbox.up(1);
        outbox.reply(reply(1, "a"));
        outbox.wish(Wish::Away("away", Duration::from_secs(1)));
        outbox.wish(Wish::Reconnect);
        assert_eq!(outbox.take_wish(), None);
        outbox.take_reply();
        assert_eq!(outbox.take_wish(), Some(Wish::Away("away", Duration::from_secs(1))));
        assert_eq!(outbox.take_wish(), None);
    }

    #[test]
    fn a_report_without_a_line_is_for_later() {
        let outbox = Outbox::default();
        let patch = serde_json::from_value(json!({"a": 1})).unwrap();
        assert_eq!(outbox.report(patch).unwrap().try_recv(), Ok(Taken::Later));
        outbox.up(1);
        assert_eq!(outbox.reports(Reports::take), Some(br#"{"a":1}"#.to_vec()));
    }
}
