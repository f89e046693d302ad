//! The types of a playbook, after decoding: keys of plays and steps with their constants, templates and expressions compiled.
//! Holds what the whole language of a fleet needs; what the runner does not do yet is refused by `check` in so many words.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::{Diagnostic, Place, Source, Span};
use indexmap::IndexMap;
use serde_json::Value;

use super::{Expression, Filled, Template, Window};
use crate::{Effect, Ready};

/// A file: one play or several.
pub struct Book {
    /// The text.
    pub source: Source,
    /// The files that it names and that were read with it (`include`, `script`), each once, in the order met.
    pub files: Vec<Source>,
    /// In order.
    pub plays: Vec<Play>,
    /// All steps in reading order, nested and included ones too, name and place of each: what step indices in events mean.
    pub steps: Vec<(Arc<str>, Place)>,
    /// What is worth a look but stops nothing.
    pub warnings: Vec<Diagnostic>,
}

/// One play.
pub struct Play {
    /// `name`, else the file's stem.
    pub name: Arc<str>,
    /// Place of the play, for diagnostics.
    pub span: Span,
    /// `vars` with their defaults (possibly templates over earlier ones).
    pub vars: IndexMap<Arc<str>, Template>,
    /// `required`: names that `-e` must give.
    pub required: Vec<Arc<str>>,
    /// `env`: names of environment variables that expressions may see.
    pub env: Vec<Arc<str>>,
    /// `secrets`: name to where it comes from.
    pub secrets: IndexMap<Arc<str>, SecretFrom>,
    /// `targets` (alias `hosts`).
    pub targets: Option<Targets>,
    /// `serial`: sizes of waves; empty = one wave.
    pub serial: Vec<Size>,
    /// `forks`: calls in flight.
    pub forks: Option<usize>,
    /// `rollout`.
    pub rollout: Option<Rollout>,
    /// `window`: when new work may start.
    pub window: Option<Window>,
    /// `concurrency: { group }`: runs of one group never overlap.
    pub group: Option<Arc<str>>,
    /// `abort_if`.
    pub abort_if: Option<AbortIf>,
    /// `between_waves`.
    pub between_waves: Option<BetweenWaves>,
    /// `steps` (alias `tasks`).
    pub steps: Vec<Step>,
    /// `before`: once, on the runner.
    pub before: Vec<Step>,
    /// `after`: once, on the runner, also after an abort.
    pub after: Vec<Step>,
    /// `on_abort`: on the devices of the wave that tripped.
    pub on_abort: Vec<Step>,
    /// `success_if`.
    pub success_if: Option<Expression>,
    /// `timeout` of the whole play.
    pub timeout: Option<Duration>,
    /// `tags` of the play.
    pub tags: Vec<Arc<str>>,
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretFrom {
    /// An environment variable.
    Env(Arc<str>),
    /// A file's text, without the line end at its end; its path from where the program runs.
    File(Arc<str>),
    /// What a program prints, without the line end at its end: program and arguments.
    Command(Vec<Arc<str>>),
}

impl Play {
    /// A play without anything but a name and a place.
    pub(crate) fn empty(name: &str, span: Span) -> Self {
        Self {
            name: name.into(),
            span,
            vars: IndexMap::new(),
            required: Vec::new(),
            env: Vec::new(),
            secrets: IndexMap::new(),
            targets: None,
            serial: Vec::new(),
            forks: None,
            rollout: None,
            window: None,
            group: None,
            abort_if: None,
            between_waves: None,
            steps: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            on_abort: Vec::new(),
            success_if: None,
            timeout: None,
            tags: Vec::new(),
        }
    }
}

/// Whom a play runs on.
pub struct Targets {
    /// `query`, `devices` or `file`, at most one.
    pub which: crate::Selection,
    /// `file`, kept apart: read when the run starts; its path from where the program runs.
    pub file: Option<Arc<str>>,
    /// `order`.
    pub order: Order,
}

/// The order of devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By id.
    #[default]
    Id,
    /// As the list or the file gives them.
    Given,
    /// Shuffled by the run's seed.
    Random,
}

/// A number of devices, or a share of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    /// So many.
    Count(usize),
    /// Percent of the targets, rounded up, at least one.
    Percent(f64),
    /// All that are left.
    Rest,
}

/// `rollout: { rate, ramp }`: how fast work starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    /// Devices a second.
    pub rate: f64,
    /// `ramp: { base, factor, after_success }`.
    pub ramp: Option<(f64, f64, usize)>,
}

/// `abort_if`.
#[derive(Clone, Debug, PartialEq)]
pub struct AbortIf {
    /// Which classes count and how many are too many, of all targets reached so far.
    pub limits: Vec<(Failing, Size)>,
    /// Percentages count from this many devices on.
    pub min_sample: usize,
    /// Counts start anew with each wave.
    pub per_wave: bool,
    /// What then.
    pub action: AbortAction,
}

/// What `abort_if` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// Everything that is not ok.
    Failed,
    /// Only one class.
    Class(crate::Class),
}

/// What happens when the budget trips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AbortAction {
    /// The run ends with exit code 6.
    #[default]
    Stop,
    /// A person is asked.
    Pause,
    /// Only said.
    Continue,
}

/// `between_waves`.
pub struct BetweenWaves {
    /// `soak`.
    pub soak: Option<Duration>,
    /// `verify`: steps on the wave's devices.
    pub verify: Vec<Step>,
    /// `gate`.
    pub gate: Option<Gate>,
}

/// `gate` and `approve`.
pub struct Gate {
    /// Must be true.
    pub that: Option<Expression>,
    /// Ask a person.
    pub approve: bool,
}

/// One step: what stands beside the verb, and the verb itself.
pub struct Step {
    /// Index in [`Book::steps`].
    pub index: usize,
    /// `name`; the verb when there is none.
    pub name: Template,
    /// The file that it stands in: what all its spans are places of.
    pub source: Source,
    /// The step's place.
    pub span: Span,
    /// `when`.
    pub when: Option<Expression>,
    /// `loop`.
    pub each: Option<Filled<Vec<Value>>>,
    /// `register`.
    pub register: Option<Arc<str>>,
    /// `until`, `retries`, `delay`, `backoff`.
    pub retries: Retries,
    /// `timeout`, whole step, all attempts.
    pub timeout: Option<Filled<Duration>>,
    /// `ignore_errors`.
    pub ignore_errors: Option<Expression>,
    /// `failed_when`.
    pub failed_when: Option<Expression>,
    /// `changed_when`.
    pub changed_when: Option<Expression>,
    /// `tags`.
    pub tags: Vec<Arc<str>>,
    /// `run_once`.
    pub run_once: bool,
    /// `throttle`: at most so many devices in this step at once.
    pub throttle: Option<usize>,
    /// `serial` of a block: its devices go through in batches of these sizes.
    pub serial: Vec<Size>,
    /// `offline`.
    pub offline: Offline,
    /// `no_log`.
    pub no_log: bool,
    /// `vars` of this step.
    pub vars: IndexMap<Arc<str>, Template>,
    /// The facts (`twin`) that the step's name, its loop and the verb's parameters name, each once: the runner has them at
    /// hand before it fills them. Not those that the verb reads by itself, as `wait_until` does.
    pub facts: Vec<Arc<str>>,
    /// What later expressions read of the registered value (`reported.rebootTime`), in the order written: what the step's
    /// line shows of it.
    pub shows: Vec<Arc<str>>,
    /// The verb, or a block.
    pub body: Body,
}

impl Step {
    /// A step of which nothing is known yet but its name and its place.
    pub(crate) fn new(index: usize, name: Template, source: Source, span: Span) -> Self {
        Self {
            index,
            name,
            source,
            span,
            when: None,
            each: None,
            register: None,
            retries: Retries::default(),
            timeout: None,
            ignore_errors: None,
            failed_when: None,
            changed_when: None,
            tags: Vec::new(),
            run_once: false,
            throttle: None,
            serial: Vec::new(),
            offline: Offline::Fail,
            no_log: false,
            vars: IndexMap::new(),
            facts: Vec::new(),
            shows: Vec::new(),
            body: Body::Block { block: Vec::new(), rescue: Vec::new(), always: Vec::new() },
        }
    }
}

/// What a step does.
pub enum Body {
    /// A verb.
    Verb {
        /// Its name.
        verb: &'static str,
        /// The place of the verb's key.
        span: Span,
        /// Whether it may change a device.
        effect: Effect,
        /// Its checked parameters.
        ready: Rc<dyn Ready>,
    },
    /// `block`, `rescue`, `always`.
    Block {
        /// Tried in order.
        block: Vec<Step>,
        /// Run when a step of the block failed.
        rescue: Vec<Step>,
        /// Run in any case.
        always: Vec<Step>,
    },
}

/// `until`, `retries`, `delay`, `backoff`.
#[derive(Default)]
pub struct Retries {
    /// Repeat until this is true.
    pub until: Option<Expression>,
    /// Attempts after the first.
    pub retries: Option<u32>,
    /// Between attempts.
    pub delay: Option<Duration>,
    /// The delay is multiplied by this after each.
    pub backoff: Option<f64>,
}

/// `offline`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offline {
    /// It counts as unreachable.
    #[default]
    Fail,
    /// The device's run ends as skipped.
    Skip,
    /// Only this step is skipped.
    SkipStep,
    /// Try again for so long.
    Wait(Duration),
}
