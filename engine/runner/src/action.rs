//! What a verb is: a name, an effect, a checked form of its parameters, and a run on one device.

use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use script::Dynamic;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::book::{Check, Expression, Filled, Node};
use crate::{Deeds, Failure, Gathers, Inventory, Outcome, Progress, Target, Watch};

/// Whether a verb may change a device. Undeclared would mean `Changes`; so there is no default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Only looks.
    Reads,
    /// May change a device: asked about before the first call on a hub that is not local.
    Changes,
}

/// A verb, as a plugin offers it. One per name in the whole process.
pub trait Action {
    /// The key that stands in a step.
    fn name(&self) -> &'static str;

    /// One line for `plugins show` and the schema.
    fn about(&self) -> &'static str;

    /// May it change a device?
    fn effect(&self) -> Effect;

    /// JSON Schema (2020-12) of the parameters, generated from the same struct that `check` decodes.
    fn schema(&self) -> Value;

    /// The parameter that a bare scalar stands for (`wait_until: expr`), if any.
    fn main(&self) -> Option<&'static str>;

    /// Whether it is about a device. In runner scripts the function of one that is not has no device in front: `log("text")`.
    fn on_device(&self) -> bool {
        true
    }

    /// The parameters of the Rhai function of the same name, after the device, before the options map.
    fn positional(&self) -> &'static [&'static str];

    /// Looks at a fact of a device in rounds with all others that wait for it; for the function of this name in scripts, when it
    /// is handed a closure.
    fn watch(&self, _fact: &'static str, _device: &Arc<str>) -> Option<Rc<dyn Watch>> {
        None
    }

    /// Decodes and checks the parameters once, at load: every finding goes into `check`; `None` when there was an error.
    fn check(&self, parameters: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>>;
}

/// A verb with its parameters, ready to run on any device, any number of times.
pub trait Ready {
    /// Runs it once on one device. Deadlines, retries, `when` and the rest of what stands *beside* a verb are the runner's.
    /// Dropping the future must be safe at any await.
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome>;

    /// Whether calling it again after an unknown reply does no harm (`idempotent: true`; readers always are).
    fn repeatable(&self) -> bool {
        true
    }

    /// Whether it may fail without anybody knowing whether it was done: then it is not repeated, whatever `retries` says.
    fn doubtful(&self) -> bool {
        !self.repeatable()
    }

    /// Whether it only waits: a waiting device holds no fork, so all devices of a wave may be in it at once.
    fn waits(&self) -> bool {
        false
    }

    /// One call serves many devices: the runner then gathers a wave's devices at the step instead of calling [`Ready::run`],
    /// but for scripts and `--check`. Who is gathered holds no fork, and like a verb that waits it ends by itself at the
    /// step's deadline.
    fn gathers(&self) -> Option<&dyn Gathers> {
        None
    }

    /// Whether it is a script: what it calls takes forks and is written down by itself ([`StepContext::deeds`]), not the verb.
    fn scripted(&self) -> bool {
        false
    }

    /// What a device must offer for it, in its inventory's words, as far as that is known before the run.
    fn needs(&self) -> Option<&str> {
        None
    }

    /// Whether its value is a map whose members become names of this device (`set`).
    fn sets(&self) -> bool {
        false
    }

    /// A sentence that a person must approve before the run goes on (`approve`): then nothing is run, the runner asks.
    fn asks(&self, _step: &StepContext<'_>) -> Option<Result<String, Failure>> {
        None
    }

    /// Once for all devices, whatever the step says beside it.
    fn once(&self) -> bool {
        false
    }

    /// May this use of it change a device? Nothing when the verb's own effect says all there is to say.
    fn effect(&self) -> Option<Effect> {
        None
    }

    /// It always fails: what stands behind it in the same list is never reached.
    fn fails(&self) -> bool {
        false
    }

    /// The file whose steps stand for this verb (`include`): read with the playbook, and run instead.
    fn includes(&self) -> Option<Arc<str>> {
        None
    }

    /// For `--check`: `run` itself sends nothing that changes when [`StepContext::check_mode`] is set, but reads and answers
    /// [`Skip::Check`](crate::Skip::Check) with what would change, or `Done` when nothing would.
    fn rehearses(&self) -> bool {
        false
    }

    /// The value of a call whose reply nobody will ever know, because the runner ended in the middle of it, where that counts as
    /// success (`accept: [lost]`); `None`: it is a failure in doubt.
    fn lost(&self) -> Option<Value> {
        None
    }

    /// Whether it looks at the device until something holds, and so tells whether an earlier call was carried out (`wait_until`).
    fn probes(&self) -> bool {
        false
    }

    /// For `--check`: what it would send, in one line. Asked only of verbs that change.
    fn preview(&self, _step: &StepContext<'_>) -> String {
        String::new()
    }
}

/// The names an expression can see on one device. Cheap to make; values are converted only when asked for.
pub trait Scope {
    /// The value of a name, `None` when there is none.
    fn get(&self, name: &str) -> Option<Dynamic>;
}

/// What one run of a step on one device has at hand.
pub struct StepContext<'a> {
    /// The device.
    pub target: &'a Target,
    /// What its expressions see.
    pub scope: &'a dyn Scope,
    /// The one expression set-up.
    pub expressions: &'a script::Expressions,
    /// Facts of this and other devices.
    pub inventory: &'a dyn Inventory,
    /// The step's own deadline (`timeout:` beside the verb), if given: for verbs that say more on timing out than "timed out".
    pub timeout: Option<std::time::Duration>,
    /// The step's `failed_when`, for verbs that wait: true ends the wait at once. After the run the runner judges it anyway.
    pub failed_when: Option<&'a Expression>,
    /// Says how far it is, for the live line. The last [`Progress::Says`] before the end is the step's summary: what its
    /// line shows behind the time (`200 {"Response":..}`, `rebootTime: none -> 2026-..`).
    pub progress: &'a dyn Fn(Progress),
    /// Says a line on purpose (`log`): level `info` goes to stdout, `warn` and `error` to stderr with their word.
    pub say: &'a dyn Fn(&'static str, String),
    /// Ends when the run is being stopped.
    pub cancel: &'a CancellationToken,
    /// Whether this device was called before in this run, by a verb that changes: it may still be at work.
    pub called: bool,
    /// `--check`: nothing that changes may be sent.
    pub check_mode: bool,
    /// The folder for what `save` writes.
    pub files: &'a std::path::Path,
    /// The run's id, for correlation.
    pub run: Arc<str>,
    /// For a verb that is a script: the account of what it does.
    pub deeds: Option<&'a dyn Deeds>,
}

impl StepContext<'_> {
    /// A parameter's value on this device.
    pub fn fill<T: Clone + DeserializeOwned>(&self, parameter: &Filled<T>) -> Result<T, Failure> {
        Ok(parameter.fill(self.scope, self.expressions)?)
    }

    /// Whether an expression holds on this device: `()` is false, anything else that is no bool a failure.
    pub fn test(&self, expression: &Expression) -> Result<bool, Failure> {
        Ok(expression.test(self.scope, self.expressions)?)
    }
}
