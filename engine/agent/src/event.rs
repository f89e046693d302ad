//! The only thing an agent says to whoever started it: plain data, sent to one sink.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base::{Diagnostic, Diagnostics};
use wire::Identity;

/// Where events go. Called on the agent's lane: it must not block.
pub type Sink = Arc<dyn Fn(AgentEvent) + Send + Sync>;

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AgentEvent {
    /// A handler printed a line.
    Said {
        /// Whose handler.
        device: Identity,
        /// The line, without its end.
        line: String,
    },
    /// A device is connected and subscribed: calls can reach it.
    Connected {
        /// Which device.
        device: Identity,
    },
    /// A connection ended; the link comes back by itself unless [`AgentEvent::Ended`] follows.
    Disconnected {
        /// Which device.
        device: Identity,
        /// Why, as a fragment of a sentence.
        why: String,
    },
    /// An attempt to connect failed; the link tries again.
    Unreachable {
        /// Which device.
        device: Identity,
        /// Why, as a fragment of a sentence.
        why: String,
        /// How long until the next try.
        again_in: Duration,
    },
    /// The hub refused the login; the link tries again, slowly.
    Refused {
        /// Which device.
        device: Identity,
        /// What was refused and what the causes may be.
        finding: Diagnostic,
        /// How long until the next try.
        again_in: Duration,
    },
    /// A device stopped for good.
    Ended {
        /// Which device.
        device: Identity,
        /// Why.
        finding: Diagnostic,
    },
    /// A handler, hook or timer ended.
    Handler {
        /// Whose.
        device: Identity,
        /// Which.
        handler: HandlerName,
        /// How.
        outcome: HandlerOutcome,
        /// From its start to its end, waiting included.
        took: Duration,
    },
    /// Something went wrong that no handler sees: a patch that the hub refused, a state file that cannot be written.
    Fault {
        /// Whose.
        device: Identity,
        /// What.
        finding: Diagnostic,
    },
    /// A device showed the fault that was seeded into it.
    FaultShown {
        /// Which device.
        device: Identity,
        /// What it did, as a sentence without a subject of its own.
        what: String,
    },
    /// A device is about to restart.
    Rebooting {
        /// Which device.
        device: Identity,
    },
    /// New scripts are in force.
    Reloaded {
        /// The methods that they handle.
        methods: Vec<String>,
    },
    /// A call as the text of a case for `iotplay test`: an item of `cases`.
    Recorded {
        /// YAML, indented as such an item.
        case: String,
    },
    /// The scripts on disk do not load; the last good ones stay in force.
    Broken(Diagnostics),
}

/// Which handler ran.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HandlerName {
    /// `on_method(name, ..)`
    Method(Arc<str>),
    /// `on_desired(path, ..)`
    Desired(Arc<str>),
    /// `every(name, ..)`
    Timer(Arc<str>),
    /// `on_start(..)`
    Start,
    /// `on_connect(..)`
    Connect,
    /// `on_boot(..)`
    Boot,
    /// `on_message(..)`
    Message,
}

impl fmt::Display for HandlerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(name) => f.write_str(name),
            Self::Desired(path) => write!(f, "on_desired {path}"),
            Self::Timer(name) => write!(f, "every {name}"),
            Self::Start => f.write_str("on_start"),
            Self::Connect => f.write_str("on_connect"),
            Self::Boot => f.write_str("on_boot"),
            Self::Message => f.write_str("on_message"),
        }
    }
}

/// How a handler ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandlerOutcome {
    /// It answered its method call with this status and then ended well; or threw an answer (`throw #{ status: .. }`).
    Answered(i32),
    /// It had nothing to answer and ended well.
    Done,
    /// It threw or was stopped before it answered; the status went to the caller if there is one.
    Failed {
        /// What the caller got.
        status: Option<i32>,
        /// What happened, with its place in the script.
        finding: Diagnostic,
    },
    /// It had answered and failed afterwards.
    FailedLate {
        /// What the caller got.
        status: i32,
        /// What happened, with its place in the script.
        finding: Diagnostic,
    },
    /// A newer call, a reload or the end of the agent took its place.
    Cancelled,
}
