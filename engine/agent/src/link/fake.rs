//! A line with a test at its other end.

use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{DeviceLink, Inbound, Outbound};

/// What a session did with its line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Did {
    Sent(Outbound),
    Hush,
    Listen(bool),
    Acknowledge(u16),
    Reconnect(String, Duration),
    Closed,
}

pub(crate) struct FakeLink {
    incoming: UnboundedReceiver<Inbound>,
    did: UnboundedSender<Did>,
}

/// The other end.
pub(crate) struct FakeHub {
    pub(crate) say: UnboundedSender<Inbound>,
    pub(crate) did: UnboundedReceiver<Did>,
}

pub(crate) fn pair() -> (FakeLink, FakeHub) {
    let (say, incoming) = unbounded_channel();
    let (did, seen) = unbounded_channel();
    (FakeLink { incoming, did }, FakeHub { say, did: seen })
}

impl FakeLink {
    fn note(&self, did: Did) {
        // A test that has ended looks no more.
        let _ = self.did.send(did);
    }
}

impl DeviceLink for FakeLink {
    async fn next(&mut self) -> Inbound {
        match self.incoming.recv().await {
            Some(inbound) => inbound,
            None => std::future::pending().await,
        }
    }

    fn send(&mut self, out: Outbound) {
        self.note(Did::Sent(out));
    }

    fn hush(&mut self) {
        self.note(Did::Hush);
    }

    fn listen(&mut self, wanted: bool) {
        self.note(Did::Listen(wanted));
    }

    fn acknowledge(&mut self, id: u16) {
        self.note(Did::Acknowledge(id));
    }

    fn reconnect(&mut self, why: &str, pause: Duration) {
        self.note(Did::Reconnect(why.to_owned(), pause));
    }

    async fn close(&mut self) {
        self.note(Did::Closed);
    }
}
