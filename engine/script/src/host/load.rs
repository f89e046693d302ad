//! Makes a bundle: parse every file, run each top level once, note what it registers, flatten what closures captured.
//! All on a coroutine's stack, so that no text can use up the caller's.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::{Diagnostic, Diagnostics, Source};
use rhai::{AST, Dynamic, FnPtr, Module, Scope, Shared};

use super::builder::{Host, ScriptHost};
use super::bundle::{Bundle, Handler, Loaded, Origin, Registration, Unit};
use super::collect::{Collected, Found, collection};
use super::engine::{attach, engine};
use super::faults::{call_error, parse_error, place};
use super::files;
use crate::dialect::{self, SharedModule};
use crate::lane::{Budget, Call, Tether, drive_now};
use crate::value::detach;

/// A top level registers closures; one that takes longer would stop every reload.
const LOAD_DEADLINE: Duration = Duration::from_secs(10);
/// Ten handlers' worth: a top level may build a table.
const LOAD_OPERATIONS: u64 = 1_000_000;
/// Findings shown at once.
const MOST_FINDINGS: usize = 50;

impl ScriptHost {
    /// Loads files: those in a folder `lib` become `lib::name`, the others run once, top to bottom.
    ///
    /// # Errors
    /// Every file that cannot be read or whose top level fails, with its place.
    pub fn load(&self, files: &[Source]) -> Result<Bundle, Diagnostics> {
        let host = Arc::clone(&self.0);
        let files = files.to_vec();
        let loaded = on_stack(&self.0, None, move |tether| Loading::new(host, tether).all(&files));
        let (loaded, found) = loaded?;
        registrations(loaded, found)
    }

    /// Loads a file or a folder: its `*.rhai`, and the `lib/*.rhai` beside them.
    ///
    /// # Errors
    /// As [`ScriptHost::load`], and what cannot be read from disk.
    pub fn load_path(&self, path: &Path) -> Result<Bundle, Diagnostics> {
        self.load(&files::read(path)?)
    }
}

/// Runs a part of loading in a coroutine.
pub(super) fn on_stack<T: 'static>(
    host: &Arc<Host>,
    collected: Option<Rc<Collected>>,
    body: impl FnOnce(&Arc<Tether>) -> Result<T, Diagnostics> + 'static,
) -> Result<T, Diagnostics> {
    let budget = Budget { operations: Some(LOAD_OPERATIONS), ..Budget::handler() }.deadline(LOAD_DEADLINE);
    let collected = collected.unwrap_or_else(collection);
    let call = Call::new(budget, Some(collected), None);
    drive_now(&host.stacks, call, body).map_err(|error| error.diagnostic())?
}

/// A bundle in the making.
pub(super) struct Loading<'a> {
    pub(super) host: Arc<Host>,
    pub(super) tether: &'a Arc<Tether>,
    pub(super) found: Diagnostics,
    pub(super) sources: Vec<Source>,
    pub(super) library: Option<SharedModule>,
    pub(super) shelf: Vec<(String, Unit)>,
}

/// What a file registered, by the number of its unit.
type ByUnit = Vec<(usize, Found)>;

impl<'a> Loading<'a> {
    pub(super) fn new(host: Arc<Host>, tether: &'a Arc<Tether>) -> Self {
        Self { host, tether, found: Diagnostics::default(), sources: Vec::new(), library: None, shelf: Vec::new() }
    }

    fn all(mut self, files: &[Source]) -> Result<(Arc<Loaded>, ByUnit), Diagnostics> {
        self.sources = files.to_vec();
        self.library(files);
        let (mut units, mut registered) = (Vec::new(), Vec::new());
        for source in files.iter().filter(|source| files::library_name(source).is_none()) {
            if let Some((unit, found)) = self.unit(source) {
                registered.extend(found.into_iter().map(|found| (units.len(), found)));
                units.push(unit);
            }
        }
        self.check()?;
        let Self { host, library, shelf, sources, .. } = self;
        let loaded = Loaded { host, units, library, shelf, sources };
        Ok((Arc::new(loaded), registered))
    }

    pub(super) fn check(&mut self) -> Result<(), Diagnostics> {
        self.found.0.truncate(MOST_FINDINGS);
        if self.found.is_empty() { Ok(()) } else { Err(std::mem::take(&mut self.found)) }
    }

    /// Reads a file's text; the names are known to it from outside.
    pub(super) fn parse(&mut self, source: &Source, names: &[&str]) -> Option<AST> {
        let limits = Budget::handler().limits();
        let mut parser = dialect::parser(&self.host.modules, limits);
        parser.set_strict_variables(true);
        parser.register_static_module("lib", self.library.clone().unwrap_or_default());
        let mut scope = Scope::new();
        for name in names {
            scope.push_dynamic(*name, Dynamic::UNIT);
        }
        match parser.compile_with_scope(&scope, dialect::rewrite(source.text())) {
            Ok(mut ast) => {
                ast.set_source(source.name());
                Some(ast)
            }
            Err(error) => {
                self.found.push(parse_error(source, &error).diagnostic());
                None
            }
        }
    }

    /// Mounts the files of `lib` one after the other, so that a later one may use an earlier one at its top level.
    pub(super) fn library(&mut self, files: &[Source]) {
        let mut tree: Vec<(String, Module)> = Vec::new();
        for source in files {
            let Some(name) = files::library_name(source) else { continue };
            let Some(ast) = self.parse(source, &[]) else { continue };
            let engine = engine(&self.host, self.library.as_ref(), None, self.tether);
            match Module::eval_ast_as_new(Scope::new(), &ast, &engine) {
                Ok(module) => {
                    self.shelf.push((name.clone(), Unit { source: source.clone(), ast, globals: None }));
                    tree.push((name, module));
                }
                Err(error) => self.fault(&error, source),
            }
            self.library = Some(mount(&tree));
        }
    }

    fn fault(&mut self, error: &rhai::EvalAltResult, source: &Source) {
        let call = Rc::clone(self.tether.here().expect("loading runs on its coroutine"));
        if let Ok(error) = call_error(error, source, &self.sources, &call) {
            self.found.push(error.diagnostic());
        }
    }

    /// Runs a file's top level.
    fn unit(&mut self, source: &Source) -> Option<(Unit, Vec<Found>)> {
        let ast = self.parse(source, &[])?;
        let mut engine = engine(&self.host, self.library.as_ref(), None, self.tether);
        attach(&mut engine, &self.host, self.tether);
        let mut scope = Scope::new();
        if let Err(error) = engine.run_ast_with_scope(&mut scope, &ast) {
            self.fault(&error, source);
            return None;
        }
        let found = self.collected();
        let mut globals = Module::new();
        for (name, _, value) in scope.iter() {
            match detach(&value) {
                Some(value) => {
                    globals.set_var(name, value);
                }
                None => {
                    self.found.push(Diagnostic::error(format!(
                        "`{name}` is nested too deeply, or holds itself: {}",
                        source.name()
                    )));
                    return None;
                }
            }
        }
        globals.build_index();
        Some((Unit { source: source.clone(), ast, globals: Some(Shared::new(globals)) }, found))
    }

    /// What has been registered since the last look.
    fn collected(&self) -> Vec<Found> {
        let call = self.tether.here().expect("loading runs on its coroutine");
        let collected = call.context.clone().and_then(|context| context.downcast::<Collected>().ok());
        collected.map(|collected| collected.0.take()).unwrap_or_default()
    }
}

/// One tree for all library files: an engine takes 0.65 us per module that it mounts.
fn mount(files: &[(String, Module)]) -> SharedModule {
    let mut tree = Module::new();
    for (name, module) in files {
        tree.set_sub_module(name.as_str(), module.clone());
    }
    tree.build_index();
    Shared::new(tree)
}

/// Cuts what was registered loose from the load: nothing is shared between calls afterwards.
fn registrations(loaded: Arc<Loaded>, found: ByUnit) -> Result<Bundle, Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let mut kept = Vec::new();
    for (unit, found) in found {
        let origin = Origin { loaded: Arc::clone(&loaded), unit };
        let at = place(&origin.unit().source, found.position);
        let Some(args) = found.args.iter().map(detach).collect::<Option<Vec<_>>>() else {
            let message = format!("what is handed to `{}` is nested too deeply, or holds itself", found.hook);
            diagnostics.push(Diagnostic::error(message).at(at));
            continue;
        };
        let handler: Option<Handler> =
            args.iter().rev().find_map(|arg| arg.read_lock::<FnPtr>().and_then(|function| origin.handler(&function)));
        kept.push(Registration { hook: found.hook, args, handler, place: at });
    }
    if diagnostics.has_errors() { Err(diagnostics) } else { Ok(Bundle::new(loaded, kept)) }
}
