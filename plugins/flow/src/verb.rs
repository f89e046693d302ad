//! A verb of this plugin from its parts: a name, a sentence, a parameter struct and a check of what serde cannot check.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use runner::book::{Check, Node};
use runner::{Action, Effect, Ready, Watch};
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What the parameters of each step are handed.
type Prepare<P> = Box<dyn Fn(&mut P)>;

/// Makes what looks at a fact of a device.
type MakeWatch = Box<dyn Fn(&'static str, &Arc<str>) -> Rc<dyn Watch>>;

/// A verb whose parameters are a `P`. All verbs of this plugin only look: what they write is the runner's own.
pub(crate) struct Verb<P> {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) main: Option<&'static str>,
    pub(crate) positional: &'static [&'static str],
    on_device: bool,
    prepare: Option<Prepare<P>>,
    watch: Option<MakeWatch>,
    parameters: PhantomData<fn() -> P>,
}

impl<P> Verb<P> {
    pub(crate) fn new(name: &'static str, about: &'static str, main: Option<&'static str>) -> Self {
        Self {
            name,
            about,
            main,
            positional: &[],
            on_device: true,
            prepare: None,
            watch: None,
            parameters: PhantomData,
        }
    }

    /// Not about a device: its Rhai function has none in front.
    pub(crate) fn on_runner(self) -> Self {
        Self { on_device: false, ..self }
    }

    /// Hands something to the parameters of each step that uses it: what all of them share.
    pub(crate) fn prepared(self, prepare: impl Fn(&mut P) + 'static) -> Self {
        Self { prepare: Some(Box::new(prepare)), ..self }
    }

    /// Scripts wait with it too, with a closure.
    pub(crate) fn watching(self, watch: impl Fn(&'static str, &Arc<str>) -> Rc<dyn Watch> + 'static) -> Self {
        Self { watch: Some(Box::new(watch)), ..self }
    }

    /// With the parameters that its Rhai function takes by place.
    pub(crate) fn positional(self, positional: &'static [&'static str]) -> Self {
        Self { positional, ..self }
    }
}

/// Parameters that become a verb ready to run.
pub(crate) trait Parameters: DeserializeOwned + JsonSchema + 'static {
    /// Checks what only the whole can tell; findings go into `check`.
    fn ready(self, node: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>>;
}

impl<P: Parameters> Action for Verb<P> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn effect(&self) -> Effect {
        Effect::Reads
    }

    fn schema(&self) -> Value {
        SchemaGenerator::default().into_root_schema_for::<P>().to_value()
    }

    fn main(&self) -> Option<&'static str> {
        self.main
    }

    fn on_device(&self) -> bool {
        self.on_device
    }

    fn positional(&self) -> &'static [&'static str] {
        self.positional
    }

    fn watch(&self, fact: &'static str, device: &Arc<str>) -> Option<Rc<dyn Watch>> {
        self.watch.as_ref().map(|watch| watch(fact, device))
    }

    fn check(&self, parameters: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        let mut decoded = check.decode::<P>(parameters)?;
        if let Some(prepare) = &self.prepare {
            prepare(&mut decoded);
        }
        decoded.ready(parameters, check)
    }
}
