//! A bundle: a folder's scripts as they were when they were loaded. Immutable, shared by all lanes.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use base::{Diagnostic, Diagnostics, Place, Source};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use rhai::{AST, Dynamic, FnPtr};

use super::builder::Host;
use super::engine::engine;
use super::faults::call_error;
use crate::dialect::{self, SharedModule};
use crate::error::{ErrorKind, ScriptError, ScriptResult};
use crate::lane::{Budget, Call, Tether, drive};
use crate::look::{Functions, judged, judged_library, written};
use crate::value::{DEEPEST, detach, is_shallow};

/// Compiled scripts and what they registered; cheap to clone.
#[derive(Clone)]
pub struct Bundle {
    pub(super) loaded: Arc<Loaded>,
    registrations: Arc<[Registration]>,
}

/// What the calls of a bundle share.
pub(crate) struct Loaded {
    pub(super) host: Arc<Host>,
    pub(super) units: Vec<Unit>,
    pub(super) library: Option<SharedModule>,
    /// The library's files, by name.
    pub(super) shelf: Vec<(String, Unit)>,
    pub(super) sources: Vec<Source>,
}

/// One file.
pub(super) struct Unit {
    pub(super) source: Source,
    pub(super) ast: AST,
    /// Its top-level variables as they were at load.
    pub(super) globals: Option<SharedModule>,
}

/// One call of a hook at the top level of a file.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The hook's name.
    pub hook: &'static str,
    /// Its arguments as they were written: names, options, closures.
    pub args: Vec<Dynamic>,
    /// The last closure among the arguments.
    pub handler: Option<Handler>,
    /// Where the hook was called.
    pub place: Place,
}

/// The file that running code belongs to.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(super) loaded: Arc<Loaded>,
    pub(super) unit: usize,
}

/// A closure or a function of a bundle; it keeps its bundle alive. It has its own copies of what it captured, shares nothing and
/// may cross threads, unless it was made by [`Caller::shared`](crate::Caller::shared).
#[derive(Clone)]
pub struct Handler {
    origin: Origin,
    function: FnPtr,
}

impl Bundle {
    pub(super) fn new(loaded: Arc<Loaded>, registrations: Vec<Registration>) -> Self {
        Self { loaded, registrations: registrations.into() }
    }

    /// What the files registered, in the order of their names and lines.
    pub fn registrations(&self) -> &[Registration] {
        &self.registrations
    }

    /// The files it was made of.
    pub fn sources(&self) -> &[Source] {
        &self.loaded.sources
    }

    /// What would fail when it is reached: functions that nobody has, or with another number of arguments.
    pub fn findings(&self) -> Diagnostics {
        let units = 0..self.loaded.units.len();
        let found = units.map(|unit| Origin { loaded: Arc::clone(&self.loaded), unit }.findings());
        Diagnostics(found.flat_map(|found| found.0).collect())
    }

    /// Calls a handler on the present lane, in a coroutine. The context reaches native functions by
    /// [`context`](crate::context).
    pub fn call(
        &self,
        handler: &Handler,
        args: Vec<Dynamic>,
        context: impl Any,
        budget: Budget,
    ) -> LocalBoxFuture<'static, ScriptResult<Dynamic>> {
        handler.call(args, Rc::new(context), budget)
    }
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle").field("registrations", &self.registrations).finish_non_exhaustive()
    }
}

impl Origin {
    /// A closure of the same file; `None` when what it captured is nested too deeply.
    pub(crate) fn handler(&self, function: &FnPtr) -> Option<Handler> {
        let function = detach(&function.clone().into())?.try_cast()?;
        Some(Handler { origin: self.clone(), function })
    }

    /// A closure of the same file that goes on sharing what it captured.
    pub(crate) fn shared(&self, function: &FnPtr) -> Handler {
        Handler { origin: self.clone(), function: function.clone() }
    }

    pub(super) fn findings(&self) -> Diagnostics {
        let shelf = self.loaded.shelf.iter().map(|(_, unit)| unit);
        Diagnostics(std::iter::once(self.unit()).chain(shelf).flat_map(|unit| self.loaded.findings(unit)).collect())
    }

    pub(super) fn unit(&self) -> &Unit {
        &self.loaded.units[self.unit]
    }

    pub(super) fn engine(&self, tether: &Arc<Tether>) -> rhai::Engine {
        engine(&self.loaded.host, self.loaded.library.as_ref(), self.unit().globals.as_ref(), tether)
    }

    /// A call's result for the outside; runs on the coroutine, where deep values can be dropped.
    pub(super) fn finish(
        &self,
        result: Result<Dynamic, Box<rhai::EvalAltResult>>,
        call: &Call,
    ) -> ScriptResult<Dynamic> {
        let value = match result.map_err(|error| call_error(&error, &self.unit().source, &self.loaded.sources, call)) {
            Ok(value) | Err(Err(value)) => value,
            Err(Ok(error)) => return Err(error),
        };
        if !is_shallow(&value) {
            let message = format!("the result is nested more than {DEEPEST} levels deep");
            return Err(ScriptError::new(message, ErrorKind::Limit));
        }
        Ok(value.flatten())
    }
}

impl Loaded {
    /// What would fail when it is reached, in one file.
    fn findings(&self, Unit { source, ast, .. }: &Unit) -> Vec<Diagnostic> {
        // An engine of the same modules; it never runs.
        let functions = Functions::of(&dialect::runtime(&self.host.modules, Budget::handler().limits()));
        let calls = written(ast, source);
        let library: Vec<(&str, &AST)> = self.shelf.iter().map(|(name, unit)| (name.as_str(), &unit.ast)).collect();
        let found = judged(&functions, ast, &calls).into_iter().chain(judged_library(&library, &calls));
        found.map(|(finding, span)| finding.at(source.place(span))).collect()
    }
}

impl Handler {
    /// Its name: a function's own, or Rhai's name of a closure.
    pub fn name(&self) -> &str {
        self.function.fn_name()
    }

    /// The number of parameters it was written with; `None` for a native function.
    pub fn parameters(&self) -> Option<usize> {
        let name = self.function.fn_name();
        let own = self.origin.unit().ast.iter_functions().find(|function| function.name == name)?;
        Some(own.params.len().saturating_sub(self.function.curry().len()))
    }

    /// Calls it on the present lane, in a coroutine.
    pub fn call(
        &self,
        args: Vec<Dynamic>,
        context: Rc<dyn Any>,
        budget: Budget,
    ) -> LocalBoxFuture<'static, ScriptResult<Dynamic>> {
        self.start(Call::new(budget, Some(context), Some(self.origin.clone())), args)
    }

    pub(crate) fn start(&self, call: Call, args: Vec<Dynamic>) -> LocalBoxFuture<'static, ScriptResult<Dynamic>> {
        let (handler, call) = (self.clone(), Rc::new(call));
        let stacks = Arc::clone(&handler.origin.loaded.host.stacks);
        let running = Rc::clone(&call);
        let body = move |tether: &Arc<Tether>| handler.run(&running, args, tether);
        async move { drive(stacks, call, body).await? }.boxed_local()
    }

    fn run(&self, call: &Call, args: Vec<Dynamic>, tether: &Arc<Tether>) -> ScriptResult<Dynamic> {
        let engine = self.origin.engine(tether);
        let result = self.function.call::<Dynamic>(&engine, &self.origin.unit().ast, args);
        self.origin.finish(result, call)
    }
}

impl std::fmt::Debug for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handler").field("name", &self.name()).finish_non_exhaustive()
    }
}
