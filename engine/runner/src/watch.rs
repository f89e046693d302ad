//! Looking at one fact of a device again and again, together with all others that do (`wait_until`): whoever brings the rounds
//! brings this, and scripts that wait take part in them.

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use serde_json::Value;
use tokio::time::Instant;

use crate::{Failure, Inventory};

/// When a device is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Not before.
    pub due: Instant,
    /// But so much earlier, if others are looked at then.
    pub early: Duration,
    /// The end of the wait.
    pub deadline: Instant,
    /// At the source, at once.
    pub direct: bool,
}

impl Look {
    /// At the source, at once: what a hint has promised is confirmed so.
    pub(crate) fn directly(self) -> Self {
        Self { direct: true, due: Instant::now(), ..self }
    }
}

/// What was seen of a fact.
#[derive(Clone, Debug)]
pub struct Sight {
    /// Its value.
    pub value: Value,
    /// It comes from the source; else it is a hint, to be confirmed before it counts.
    pub sure: bool,
}

/// One device that waits, as long as this lives.
pub trait Watch {
    /// Looks when it is time, the cheapest way; nothing when there is nothing new to be seen.
    fn look<'a>(
        &'a self,
        inventory: &'a dyn Inventory,
        look: Look,
    ) -> LocalBoxFuture<'a, Result<Option<Sight>, Failure>>;
}
