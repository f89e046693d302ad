//! What all devices of one lane share: settings, scripts, clock, randomness, counters and the way to say something.
//! A lane is one thread; nothing here is locked.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Diagnostic};
use rand::Rng;
use rand::rngs::StdRng;
use script::Live;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::Identity;

use crate::config::{Board, Deadlines, ErrorDetail, SimConfig};
use crate::counters::Counters;
use crate::device::Device;
use crate::event::{AgentEvent, Sink};
use crate::memory::MemoryFolder;
use crate::scripts::Scripts;

/// How devices behave.
pub(crate) struct Habits {
    pub(crate) sim: SimConfig,
    pub(crate) board: Option<Board>,
    pub(crate) deadlines: Deadlines,
    pub(crate) errors: ErrorDetail,
    pub(crate) memory: Option<MemoryFolder>,
}

impl Habits {
    /// Whether a restart cuts the connection, so that an answer must be known to have arrived before.
    pub(crate) fn cuts(&self) -> bool {
        self.board.is_some() || self.sim.away
    }
}

/// One thread's share of an agent.
pub(crate) struct Lane {
    pub(crate) habits: Habits,
    pub(crate) clock: Clock,
    pub(crate) rng: RefCell<StdRng>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) scripts: Arc<Live<Scripts>>,
    /// Every task of every device; the lane waits for them at its end.
    pub(crate) tasks: TaskTracker,
    /// The agent is asked to end.
    pub(crate) stop: CancellationToken,
    /// How long handlers may still run once it is.
    pub(crate) grace: Cell<Duration>,
    pub(crate) devices: RefCell<Vec<Rc<Device>>>,
    pub(crate) sink: Sink,
}

impl Lane {
    /// Tells the world.
    pub(crate) fn say(&self, event: AgentEvent) {
        (self.sink)(event);
    }

    /// Tells of something that no handler sees.
    pub(crate) fn fault(&self, device: &Identity, finding: Diagnostic) {
        self.say(AgentEvent::Fault { device: device.clone(), finding });
    }

    /// A boot id as Linux writes them.
    pub(crate) fn fresh_boot_id(&self) -> String {
        let bits: u128 = self.rng.borrow_mut().random();
        let hex = format!("{bits:032x}");
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }
}
