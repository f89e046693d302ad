//! What a waiting device asks of the rounds, and what it is told.

use std::sync::Arc;
use std::time::Duration;

use runner::Ask;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::rounds::Answer;

/// When, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    /// Not before.
    pub(crate) due: Instant,
    /// But so much earlier, if others are looked at then.
    pub(crate) early: Duration,
    /// The end of the wait.
    pub(crate) deadline: Instant,
    /// The version that it has seen.
    pub(crate) seen: Option<u64>,
    /// To be read from its source.
    pub(crate) direct: bool,
}

/// A device that waits for its next look.
pub(crate) struct Ticket {
    pub(crate) device: Arc<str>,
    pub(crate) want: Want,
    pub(crate) sender: oneshot::Sender<Word>,
}

impl Ticket {
    pub(crate) fn ask(&self) -> Ask {
        Ask { device: Arc::clone(&self.device), seen: self.want.seen, direct: self.want.direct }
    }
}

/// What a device is told.
pub(crate) enum Word {
    /// It was looked at.
    Seen(Answer),
    /// It leads now.
    Lead,
}
