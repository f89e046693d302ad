//! What a step came to on one device. A failed step is data, not a Rust error.

use std::fmt;

use base::Span;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The result of one attempt of one step on one device.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It worked.
    Done {
        /// What `register` keeps.
        value: Value,
        /// Whether something in the world is different now.
        changed: bool,
    },
    /// It did not.
    Failed(Failure),
    /// It was not tried.
    Skipped(Skip),
}

impl Outcome {
    /// Worked, changed nothing.
    pub fn read(value: Value) -> Self {
        Self::Done { value, changed: false }
    }

    /// Worked and changed something.
    pub fn changed(value: Value) -> Self {
        Self::Done { value, changed: true }
    }
}

/// The classes of the outcome table (playbook language, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Anything that has no class of its own: bad request, unknown device, failed condition, `fail`.
    Failed,
    /// The device could not be reached.
    Unreachable,
    /// Sent, and no reply in time.
    Timeout,
    /// The device answered with a status outside 200..299.
    Rejected,
    /// The hub refused (auth, quota) or is away beyond retries: the run ends with exit code 7.
    Hub,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Rejected => "rejected",
            Self::Hub => "hub",
        })
    }
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Which class it counts as.
    pub class: Class,
    /// The call may have reached the device although no reply is known: never repeated blindly.
    pub in_doubt: bool,
    /// One sentence for people; the device's id is put before it by whoever prints.
    pub message: String,
    /// The device's status, for [`Class::Rejected`].
    pub status: Option<i32>,
    /// The value all the same (a rejected reply, `{ lost: true }`): what `failed_when`, `accept` and `error.payload` see.
    pub value: Value,
    /// What to do, pasteable, without `help: `.
    pub help: Vec<String>,
    /// Words beside the caret under the step ("last seen .., 2 days ago").
    pub note: Option<String>,
    /// Where in the playbook, when the verb knows better than "at this step" (an expression in its parameters).
    pub span: Option<Span>,
}

impl Failure {
    /// A failure of a class with a sentence, nothing else known.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            in_doubt: false,
            message: message.into(),
            status: None,
            value: Value::Null,
            help: Vec::new(),
            note: None,
            span: None,
        }
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Why a step, or the rest of a device's run, was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// `when` was false.
    When,
    /// `tags` did not match.
    Tags,
    /// `offline: skip` and the device was not connected; `rest` ends this device's run.
    Offline {
        /// Whether the remaining steps are skipped too.
        rest: bool,
    },
    /// The run ended before it was reached.
    NotReached,
    /// `--check`: what would have been sent.
    Check(String),
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::When => "`when` is false",
            Self::Tags => "not among the tags",
            Self::Offline { rest: true } => "not connected; the rest is skipped too",
            Self::Offline { rest: false } => "not connected",
            Self::NotReached => "not reached",
            Self::Check(text) => text,
        })
    }
}
