//! What a change of the state does to a live connection, once the change is durable.

use bytes::Bytes;
use wire::Identity;

use crate::exchange::Exchange;
use crate::link::DropReason;

/// One consequence of a change.
#[derive(Debug)]
pub(crate) enum Effect {
    /// The device is told that its desired properties changed; `patch` carries `$version`.
    Desired { identity: Identity, version: u64, patch: Bytes },
    /// A message waits for the device.
    Message { identity: Identity },
    /// The device's connection ends.
    Drop { identity: Identity, why: DropReason },
}

impl Effect {
    pub(crate) fn apply(&self, exchange: &Exchange) {
        match self {
            Self::Desired { identity, version, patch } => exchange.desired(identity, *version, patch),
            Self::Message { identity } => exchange.message_waits(identity),
            Self::Drop { identity, why } => exchange.drop_connection(identity, *why),
        }
    }
}
