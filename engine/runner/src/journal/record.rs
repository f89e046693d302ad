//! One line of `journal.jsonl`. The field names are a contract: they are added to, never renamed. Only what a line needs is in it.

use std::sync::Arc;

use base::{Mask, Span};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{Class, Failure, Outcome, Resume, Skip};

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A process took the run up: the first one, or a `resume`.
    Session,
    /// A device of the play that the next `play` line begins.
    Target,
    /// A play begins: its targets are complete.
    Play,
    /// A wave begins.
    Wave,
    /// A wave's soak begins.
    Soak,
    /// A wave's verify is done.
    Verified,
    /// A block with `serial` lets its next batch in, or the play ends with the last one: why.
    Batch,
    /// A wave is done with: the next one may begin.
    Passed,
    /// A person is asked, and nobody can answer.
    Paused,
    /// A person said yes.
    Approved,
    /// The play ends here: budget or gate.
    Aborted,
    /// The variables of a device's own.
    Vars,
    /// The items of a loop, or why they could not be told.
    List,
    /// A block was entered: its `when` was true.
    Enter,
    /// A call that changes something is about to be sent.
    Call,
    /// It was not sent after all: the device is not connected.
    NotSent,
    /// An attempt failed and will be repeated.
    Again,
    /// A step ended on a device.
    Step,
    /// What a script saw that it could see differently another time: the time, a fact, the run's devices.
    Seen,
    /// A device began a `run_once` step for all.
    OnceBegun,
    /// A `run_once` step's result, for all.
    Once,
    /// A call that was in doubt was found to have worked.
    Settled,
    /// A device's run ended.
    Device,
    /// A play ended.
    PlayDone,
    /// The run ended, for good or for now.
    End,
}

/// A text as JSON, kept as written until somebody wants it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Kept(Box<RawValue>);

impl Kept {
    /// The value as text; nothing when it holds a secret's value.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        if holds_secret(value) {
            return None;
        }
        Some(Self(RawValue::from_string(value.to_string()).expect("a value prints as JSON")))
    }

    /// The value.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_str(self.0.get()).expect("a kept text was JSON when it was read")
    }

    /// Its text.
    pub(crate) fn text(&self) -> &str {
        self.0.get()
    }
}

/// Whether a value, or anything in it, shows a secret.
pub(crate) fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::Number(number) => masks(&number.to_string()),
        Value::String(text) => masks(text),
        Value::Array(items) => items.iter().any(holds_secret),
        Value::Object(members) => members.iter().any(|(name, value)| masks(name) || holds_secret(value)),
    }
}

fn masks(text: &str) -> bool {
    matches!(Mask::process().apply(text), std::borrow::Cow::Owned(_))
}

/// A text as it may be written.
pub(crate) fn masked(text: &str) -> Box<str> {
    Mask::process().apply(text).into()
}

/// A failure, as far as replay and `show` need it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FailureLine {
    pub(crate) class: Class,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) in_doubt: bool,
    pub(crate) message: Box<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<Kept>,
    /// Its value held a secret.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) withheld: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) span: Option<(usize, usize)>,
}

impl FailureLine {
    /// `hidden`: of a `no_log` step, whose values are not kept.
    pub(crate) fn of(failure: &Failure, hidden: bool) -> Self {
        let value = if hidden || failure.value.is_null() { None } else { Kept::of(&failure.value) };
        Self {
            class: failure.class,
            in_doubt: failure.in_doubt,
            message: masked(&failure.message),
            status: failure.status,
            withheld: value.is_none() && !failure.value.is_null(),
            value,
            span: failure.span.map(|span| (span.start, span.end)),
        }
    }

    pub(crate) fn failure(&self) -> Failure {
        Failure {
            in_doubt: self.in_doubt,
            status: self.status,
            value: self.value.as_ref().map(Kept::value).unwrap_or_default(),
            span: self.span.map(|(start, end)| Span::new(start, end)),
            ..Failure::new(self.class, &*self.message)
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A line. `step` counts the playbook's steps in reading order, as events do; `n` counts a step's runs on its device from 0
/// (loop items and repeated blocks count up); waves and attempts count from 1.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// UTC, RFC 3339.
    pub(crate) at: Box<str>,
    pub(crate) kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<usize>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) n: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) attempt: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wave: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) play: Option<usize>,
    /// A step's or play's name, where it is not as written in the playbook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Box<str>>,
    /// `ok`, `failed`, `unreachable`, `timeout`, `rejected`, `skipped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) changed: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) ignored: bool,
    /// Its reply was never known.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) doubt: bool,
    /// Repeating it does harm.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) blind: bool,
    /// The value held a secret, or the step is `no_log`: it is not in the journal.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) withheld: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<Kept>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Box<FailureLine>>,
    /// Why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) skip: Option<Box<str>>,
    /// What the step's line showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) says: Option<Box<str>>,
    /// A reason, an error, a question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<f64>,
    /// Of these, spent waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waited: Option<f64>,
    /// Something that a script did: its place in the order of all that the script does (`3`, `3[1].2`). Then `name` is what it
    /// is, `text` where the script says it, and `args` stands for its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deed: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) args: Option<Box<str>>,
    /// How many devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<usize>,
    /// Sizes of waves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sizes: Option<Vec<usize>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exit: Option<u8>,
}

impl Record {
    /// A line with nothing but its kind; whoever appends it puts the time.
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            at: "".into(),
            kind,
            device: None,
            step: None,
            n: 0,
            attempt: 0,
            wave: None,
            play: None,
            name: None,
            outcome: None,
            changed: false,
            ignored: false,
            doubt: false,
            blind: false,
            withheld: false,
            value: None,
            failure: None,
            skip: None,
            says: None,
            text: None,
            seconds: None,
            waited: None,
            deed: None,
            args: None,
            size: None,
            sizes: None,
            exit: None,
        }
    }

    /// With a text, masked.
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.text = Some(masked(text));
        self
    }

    /// About a wave, counted from 0 here and from 1 in the line.
    pub(crate) fn wave(mut self, index: usize) -> Self {
        self.wave = Some(index + 1);
        self
    }

    /// Whether a run that ended with this line can be resumed.
    pub(crate) fn is_open(&self) -> bool {
        self.kind == Kind::End && self.outcome.as_deref() != Some(DONE)
    }

    /// Whether it waits for a person's yes.
    pub(crate) fn is_paused(&self) -> bool {
        self.kind == Kind::End && self.outcome.as_deref() == Some(PAUSED)
    }

    /// The last line of a process: the run has ended, or can be resumed.
    pub(crate) fn end(resume: Option<Resume>, exit: u8, reason: Option<&str>) -> Self {
        let outcome = match resume {
            None => DONE,
            Some(Resume::Plain) => OPEN,
            Some(Resume::Approve) => PAUSED,
        };
        let outcome = Some(outcome.into());
        Self { outcome, exit: Some(exit), text: reason.map(masked), ..Self::new(Kind::End) }
    }

    /// With an outcome. `keep` says whether anybody needs the value again, `hidden` that it must not be kept.
    pub(crate) fn outcome(mut self, outcome: &Outcome, keep: bool, hidden: bool) -> Self {
        match outcome {
            Outcome::Done { value, changed } => {
                self.outcome = Some("ok".into());
                self.changed = *changed;
                if keep && !value.is_null() {
                    self.value = if hidden { None } else { Kept::of(value) };
                    self.withheld = self.value.is_none();
                }
            }
            Outcome::Failed(failure) => {
                self.outcome = Some(failure.class.to_string().into());
                self.failure = Some(Box::new(FailureLine::of(failure, hidden)));
            }
            Outcome::Skipped(skip) => {
                self.outcome = Some("skipped".into());
                self.skip = Some(masked(&skip_word(skip)));
            }
        }
        self
    }

    /// The outcome that was written.
    pub(crate) fn read_outcome(&self) -> Outcome {
        if let Some(failure) = &self.failure {
            return Outcome::Failed(failure.failure());
        }
        match &self.skip {
            Some(skip) => Outcome::Skipped(read_skip(skip)),
            None => {
                let value = self.value.as_ref().map(Kept::value).unwrap_or_default();
                Outcome::Done { value, changed: self.changed }
            }
        }
    }
}

/// The outcome of a run that has ended for now, one that waits for a yes, and one that has ended.
const OPEN: &str = "open";
const PAUSED: &str = "paused";
const DONE: &str = "done";
/// `--check` says what it would have sent behind this word.
const CHECK: &str = "check: ";

fn skip_word(skip: &Skip) -> String {
    match skip {
        Skip::When => "when".to_owned(),
        Skip::Tags => "tags".to_owned(),
        Skip::Offline { rest: true } => "offline".to_owned(),
        Skip::Offline { rest: false } => "offline_step".to_owned(),
        Skip::NotReached => "not_reached".to_owned(),
        Skip::Check(text) => format!("{CHECK}{text}"),
    }
}

fn read_skip(word: &str) -> Skip {
    match word {
        "when" => Skip::When,
        "tags" => Skip::Tags,
        "offline" => Skip::Offline { rest: true },
        "offline_step" => Skip::Offline { rest: false },
        "not_reached" => Skip::NotReached,
        other => Skip::Check(other.strip_prefix(CHECK).unwrap_or(other).to_owned()),
    }
}
