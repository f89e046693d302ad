//! What all devices of one lane share: settings, scripts, clock, randomness, counters and the way to say something.
//! A lane is one thread; nothing here is locked.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use base::{Clock, Diagnostic};
use rand::Rng;
use rand::rngs::StdRng;
use script::Live;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::Identity;

use crate::cases::{Fakes, Reel};
use crate::config::{Board, Deadlines, ErrorDetail, SimConfig};
use crate::counters::Counters;
use crate::device::Device;
use crate::event::{AgentEvent, Sink};
use crate::faults::FaultPlan;
use crate::grants::Grants;
use crate::memory::MemoryFolder;
use crate::outbox::Bounds;
use crate::scripts::Scripts;

/// How devices behave.
pub(crate) struct Habits {
    pub(crate) sim: SimConfig,
    pub(crate) board: Option<Board>,
    pub(crate) deadlines: Deadlines,
    /// How long the answer to a twin request is waited for.
    pub(crate) twin_patience: Duration,
    pub(crate) errors: ErrorDetail,
    pub(crate) memory: Option<MemoryFolder>,
    /// The file that has the only device's token.
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) outbox: Bounds,
    /// Where what waits for the hub is kept; none keeps it in memory.
    pub(crate) outboxes: Option<MemoryFolder>,
    pub(crate) faults: FaultPlan,
    pub(crate) pulse: Option<Duration>,
    /// A case's machine in place of this one.
    pub(crate) fakes: Option<Fakes>,
    /// Calls are recorded on it.
    pub(crate) reel: Option<Reel>,
    /// Shared with the threads that read files.
    pub(crate) grants: Arc<Grants>,
    pub(crate) announce: bool,
}

/// Whether the scripts on disk fail to load; set on the lane, read anywhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Broken(Arc<AtomicBool>);

impl Broken {
    pub(crate) fn get(&self) -> bool {
        self.0.load(Relaxed)
    }

    pub(crate) fn set(&self, broken: bool) {
        self.0.store(broken, Relaxed);
    }
}

/// How far an agent is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Devices that are to connect at once, and were never connected yet.
    pub(crate) coming: usize,
    /// Devices that run.
    pub(crate) running: usize,
    /// The first device that ended for good, and why.
    pub(crate) ended: Option<Diagnostic>,
}

/// One thread's share of an agent.
pub(crate) struct Lane {
    pub(crate) habits: Habits,
    pub(crate) clock: Clock,
    /// When the agent started.
    pub(crate) started: Instant,
    pub(crate) rng: RefCell<StdRng>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) scripts: Live<Scripts>,
    /// The scripts on disk do not load.
    pub(crate) broken: Broken,
    /// Every task of every device; the lane waits for them at its end.
    pub(crate) tasks: TaskTracker,
    /// The agent is asked to end.
    pub(crate) stop: CancellationToken,
    /// How long handlers may still run once it is.
    pub(crate) grace: watch::Receiver<Duration>,
    pub(crate) devices: RefCell<Vec<Rc<Device>>>,
    /// How far the agent is, for whoever started it.
    pub(crate) progress: watch::Sender<Progress>,
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
