//! A case as it was read and checked: what is given, what happens, what is expected.

use std::time::{Duration, SystemTime};

use base::{Source, Span};
use script::Expr;
use serde_json::{Map, Value};
use wire::Identity;

use super::expected::Expected;
use super::fakes::Fakes;

/// The cases of one file.
#[derive(Clone, Debug)]
pub struct CaseFile {
    pub(super) scripts: Option<String>,
    pub(super) cases: Vec<Case>,
}

impl CaseFile {
    /// The scripts that the file names, seen from its folder; none are those beside it.
    pub fn scripts(&self) -> Option<&str> {
        self.scripts.as_deref()
    }

    /// Its cases, in order.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    pub(super) name: String,
    pub(super) source: Source,
    pub(super) at: Span,
    pub(super) given: Given,
    pub(super) steps: Vec<Step>,
}

impl Case {
    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `file:line:column` of it.
    pub fn label(&self) -> String {
        self.source.place(self.at).label()
    }
}

/// The device before the first step.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) device: Identity,
    pub(super) state: Map<String, Value>,
    pub(super) desired: Map<String, Value>,
    pub(super) reported: Map<String, Value>,
    pub(super) now: SystemTime,
    pub(super) boot_id: String,
    /// How long a restart takes, and whether the device is gone meanwhile.
    pub(super) reboot: Duration,
    pub(super) away: bool,
    /// What programs and files answer.
    pub(super) fakes: Fakes,
}

/// One thing that happens, and what is to come of it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) at: Span,
    pub(super) input: Input,
    /// How much time passes before anybody looks; beyond what handlers take by themselves.
    pub(super) lasts: Duration,
    pub(super) expect: Expect,
}

/// What happens.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// A direct method.
    Method { name: String, payload: Option<Value> },
    /// The service changes desired properties: a merge patch.
    Desired(Map<String, Value>),
    /// A message from the cloud.
    Message { properties: Vec<(String, String)>, body: Value },
    /// The agent starts and connects.
    Start,
    /// The same after a boot of the machine.
    Boot,
    /// Nothing but time.
    Wait,
}

/// What is expected of a step; nothing said is nothing asked, but for an unforeseen error.
#[derive(Clone, Debug, Default)]
pub(super) struct Expect {
    pub(super) status: Option<Expected>,
    pub(super) payload: Option<Expected>,
    pub(super) reported: Option<Expected>,
    pub(super) state: Option<Expected>,
    pub(super) sent: Option<Expected>,
    pub(super) printed: Option<Printed>,
    pub(super) error: Option<Words>,
    pub(super) rebooted: Option<(bool, Span)>,
    pub(super) that: Vec<(Expr, Span)>,
    pub(super) exactly: bool,
}

/// What handlers print.
#[derive(Clone, Debug)]
pub(super) enum Printed {
    /// These words are in one of the lines.
    Somewhere(Words),
    /// These are the lines.
    Lines(Expected),
}

/// Words that must appear.
#[derive(Clone, Debug)]
pub(super) struct Words {
    pub(super) text: String,
    pub(super) at: Span,
}
