//! The line to the hub, as the session sees it: what comes in, what goes out, and nothing of packets, topics or TLS.

use std::time::Duration;

use base::Diagnostic;
use bytes::Bytes;
use wire::PropertyBag;

use crate::outbox::Sending;

/// What happened on the line.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// A connection is up and subscribed to everything.
    Up,
    /// The connection is gone, or an attempt failed; the link goes on by itself.
    Down(Down),
    /// The login's token runs out: [`DeviceLink::reconnect`] when it suits, at the latest within this time.
    Renew(Duration),
    /// A direct method call. The payload is JSON, or empty when there is none.
    Method { rid: String, name: String, payload: Bytes },
    /// The answer to a twin request.
    Twin { rid: String, status: u16, body: Bytes },
    /// The service changed desired properties.
    Desired { version: u64, patch: Bytes },
    /// A cloud-to-device message; with an id, [`DeviceLink::acknowledge`] when it is done with. `again`: the hub sent it before.
    Message { id: Option<u16>, again: bool, properties: PropertyBag, body: Bytes },
    /// The hub refused to send messages, as [`DeviceLink::listen`] asked.
    NotListening,
    /// No method calls come any more, as [`DeviceLink::hush`] asked.
    Hushed,
    /// The hub has acknowledged what was sent with this ticket.
    Acknowledged(u64),
    /// The link gives up for good: nothing follows.
    Ended(Diagnostic),
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum Down {
    /// A connection that was up ended.
    Lost(String),
    /// A connection could not be made.
    Unreachable { why: String, again_in: Duration },
    /// Something throws this client out each time; said beside the loss.
    Crowded(Diagnostic),
    /// The hub refused the login.
    Refused { finding: Diagnostic, again_in: Duration },
}

/// What a session sends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outbound {
    /// Asks for the whole twin.
    TwinGet { rid: String },
    /// A merge patch for the reported properties.
    Report { rid: String, patch: Vec<u8> },
    /// The answer to a call; with a ticket, its acknowledgement is asked for.
    Reply { rid: String, status: i32, payload: Vec<u8>, ticket: Option<u64> },
    /// A message to the cloud; always acknowledged.
    Message { message: Sending, ticket: u64 },
}

/// A line that connects, logs in, subscribes, keeps itself alive and comes back after losses.
pub(crate) trait DeviceLink {
    /// The next thing that happened. Dropping the future loses nothing. Also what moves the line: nothing is sent or
    /// received while nobody waits here.
    async fn next(&mut self) -> Inbound;

    /// Puts one thing on the connection that is up, in order; without one it is forgotten.
    fn send(&mut self, out: Outbound);

    /// Asks the hub for no more method calls on this connection; [`Inbound::Hushed`] when it has agreed. A call that comes
    /// to a device without a subscription fails cleanly, one that crosses a goodbye is in doubt.
    fn hush(&mut self);

    /// Asks for cloud-to-device messages on this connection, or for no more of them.
    fn listen(&mut self, wanted: bool);

    /// Tells the hub that a message is done with.
    fn acknowledge(&mut self, id: u16);

    /// Says goodbye and connects again after a pause; an [`Inbound::Down`] comes first if a connection was up.
    fn reconnect(&mut self, why: &str, pause: Duration);

    /// Sends what waits, says goodbye and is done.
    async fn close(&mut self);
}
