//! What a device still has to say: replies, reports, messages and wishes, bounded, with a bell for the session.
//! Decides what survives a lost connection; sends nothing itself, and leaves files to `keep`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::{Notify, oneshot};
use wire::PropertyBag;

use super::keep::Ledger;
use super::message::{Bounds, Messages, Sending};
use crate::reports::{Reports, Taken, TooMany};

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

/// What a handler asks of the line itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A new connection, at once.
    Reconnect,
    /// Gone, for this reason and this long.
    Away(&'static str, Duration),
}

#[derive(Debug)]
pub(super) struct Inner {
    /// The connection that is up, from 1; 0 while there is none.
    pub(super) connection: u64,
    replies: VecDeque<Reply>,
    pub(super) reports: Reports,
    pub(super) messages: Messages,
    wish: Option<Wish>,
    /// Made with the first message.
    ids: Option<Box<MessageIds>>,
    /// What is to be written, when the disk was asked for.
    pub(super) ledger: Option<Box<Ledger>>,
}

/// Ids of messages: what this life of the device drew, and a count.
#[derive(Debug)]
struct MessageIds {
    life: u64,
    count: u64,
}

impl MessageIds {
    fn new(life: u64) -> Self {
        Self { life, count: 0 }
    }

    fn next(&mut self) -> String {
        self.count += 1;
        format!("{:016x}-{}", self.life, self.count)
    }
}

/// The outbox of one device. Handlers fill it, the session empties it.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(super) inner: RefCell<Inner>,
    bell: Notify,
}

/// The outbox holds as many messages as it may, and each of them is waited for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the outbox is full of messages that are waited for")]
pub(crate) struct Full;

/// What a lost connection cost.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    /// Replies, which die with it.
    pub(crate) replies: usize,
    /// The sizes of messages that were given up, since each connection that carried them was lost.
    pub(crate) poison: Vec<usize>,
}

impl Inner {
    /// What is new goes to the disk while there is no line; what is through is struck out there. Then whoever waits for
    /// no more than that is told.
    pub(super) fn keep(&mut self) {
        let Inner { connection, reports, messages, ledger, .. } = self;
        let down = *connection == 0;
        match ledger {
            None => messages.ends.clear(),
            Some(ledger) => ledger.note(reports, messages, down),
        }
        if down {
            reports.tell_kept(self.ledger.is_some());
            messages.tell_kept(self.ledger.is_some());
        }
    }
}

impl Outbox {
    /// An empty one, in memory.
    pub(crate) fn new(bounds: Bounds) -> Self {
        let inner = Inner {
            connection: 0,
            replies: VecDeque::new(),
            reports: Reports::default(),
            messages: Messages::new(bounds),
            wish: None,
            ids: None,
            ledger: None,
        };
        Self { inner: RefCell::new(inner), bell: Notify::new() }
    }

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

    /// The connection is gone: replies die with it, reports and messages go first on the next one.
    pub(crate) fn down(&self) -> Lost {
        let inner = &mut *self.inner.borrow_mut();
        inner.connection = 0;
        inner.reports.lost();
        let poison = inner.messages.lost();
        inner.keep();
        let replies = inner.replies.len();
        inner.replies.clear();
        Lost { replies, poison }
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

    /// Puts a patch in; the receiver hears how it went. Without a connection it hears [`Taken::Later`], at once or when the
    /// patch is on the disk.
    pub(crate) fn report(&self, patch: Map<String, Value>) -> Result<oneshot::Receiver<Taken>, TooMany> {
        let inner = &mut *self.inner.borrow_mut();
        let receiver = inner.reports.push(patch)?;
        inner.keep();
        self.ring();
        Ok(receiver)
    }

    /// Works on the reports.
    pub(crate) fn reports<T>(&self, work: impl FnOnce(&mut Reports) -> T) -> T {
        let inner = &mut *self.inner.borrow_mut();
        let done = work(&mut inner.reports);
        inner.keep();
        done
    }

    /// Puts a message in; the receiver hears how it went, as for a patch. Where there is no room, the oldest of those that
    /// nobody waits for are dropped.
    /// Returns how many were, too.
    pub(crate) fn message(
        &self,
        properties: PropertyBag,
        body: Vec<u8>,
    ) -> Result<(oneshot::Receiver<Taken>, u64), Full> {
        let inner = &mut *self.inner.borrow_mut();
        let before = inner.messages.dropped();
        let receiver = inner.messages.push(properties, body).ok_or(Full)?;
        let dropped = inner.messages.dropped() - before;
        inner.keep();
        self.ring();
        Ok((receiver, dropped))
    }

    /// Messages that were dropped for room since this was asked last, for the log.
    pub(crate) fn told_dropped(&self) -> u64 {
        self.inner.borrow_mut().messages.told_dropped()
    }

    /// An id for a message: the same one each time that it is sent, another one for every message.
    pub(crate) fn message_id(&self, fresh: impl FnOnce() -> u64) -> String {
        self.inner.borrow_mut().ids.get_or_insert_with(|| Box::new(MessageIds::new(fresh()))).next()
    }

    /// The next message to send under `ticket`, unless enough are on the line.
    pub(crate) fn take_message(&self, ticket: u64) -> Option<Sending> {
        self.inner.borrow_mut().messages.take(ticket)
    }

    /// The hub has the message with this ticket; `false` if no message has it.
    pub(crate) fn message_taken(&self, ticket: u64) -> bool {
        let inner = &mut *self.inner.borrow_mut();
        let taken = inner.messages.taken(ticket);
        inner.keep();
        taken
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
