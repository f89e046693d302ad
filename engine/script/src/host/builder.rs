//! What a room gives its scripts: hooks, functions, stacks, and where `print` goes. Built once per room.

use std::any::Any;
use std::borrow::Borrow;
use std::sync::Arc;

use base::Clock;
use rhai::{Module, Shared};

use super::collect;
use crate::dialect::{self, SharedModule};
use crate::lane::{self, StackConfig, Stacks};

/// Where `print` and `debug` go: the call's context (none while a file is loaded) and the text.
pub(crate) type Printer = dyn Fn(Option<&dyn Any>, &str) + Send + Sync;

/// Loads scripts; cheap to clone.
#[derive(Clone)]
pub struct ScriptHost(pub(super) Arc<Host>);

/// What all bundles of a host share.
pub(crate) struct Host {
    pub(crate) modules: Vec<SharedModule>,
    pub(crate) hooks: Vec<&'static str>,
    pub(crate) printer: Box<Printer>,
    pub(crate) stacks: Arc<Stacks>,
}

impl ScriptHost {
    /// Starts with the dialect's own functions, with this clock.
    pub fn builder(clock: impl Borrow<Clock>) -> HostBuilder {
        let mut own = dialect::functions(clock.borrow());
        lane::register(&mut own);
        HostBuilder {
            modules: vec![dialect::standard(), Shared::new(own)],
            hooks: Vec::new(),
            printer: Box::new(|_, _| {}),
            stacks: StackConfig::default(),
        }
    }
}

impl std::fmt::Debug for ScriptHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptHost").field("hooks", &self.0.hooks).finish_non_exhaustive()
    }
}

/// Collects what a [`ScriptHost`] offers.
pub struct HostBuilder {
    modules: Vec<SharedModule>,
    hooks: Vec<&'static str>,
    printer: Box<Printer>,
    stacks: StackConfig,
}

impl HostBuilder {
    /// A registration function of a file's top level, of one to four arguments: `on_method("name", |device, request| ..)`.
    /// Its calls are collected as registrations; in a handler it is an error.
    #[must_use]
    pub fn hook(mut self, name: &'static str) -> Self {
        self.hooks.push(name);
        self
    }

    /// More functions and types. One registered later hides one of the same name and types.
    #[must_use]
    pub fn module(mut self, module: Module) -> Self {
        self.modules.push(Shared::new(module));
        self
    }

    /// Where `print` and `debug` go. The context is the call's own (`downcast_ref` it), none while a file is loaded.
    #[must_use]
    pub fn on_print(mut self, printer: impl Fn(Option<&dyn Any>, &str) + Send + Sync + 'static) -> Self {
        self.printer = Box::new(printer);
        self
    }

    /// How large stacks are and how many may live.
    #[must_use]
    pub fn stacks(mut self, stacks: StackConfig) -> Self {
        self.stacks = stacks;
        self
    }

    /// The host.
    pub fn build(mut self) -> ScriptHost {
        self.modules.push(Shared::new(collect::hooks(&self.hooks)));
        ScriptHost(Arc::new(Host {
            modules: self.modules,
            hooks: self.hooks,
            printer: self.printer,
            stacks: Stacks::new(self.stacks),
        }))
    }
}

impl std::fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostBuilder").field("hooks", &self.hooks).finish_non_exhaustive()
    }
}
