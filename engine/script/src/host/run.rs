//! A script that is run from top to bottom, as `iotplay run fix.rhai` does: no hooks, names from outside.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use base::{Diagnostics, Source};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use rhai::{Dynamic, Scope};

use super::builder::ScriptHost;
use super::bundle::{Loaded, Origin, Unit};
use super::load::{Loading, on_stack};
use crate::error::ScriptResult;
use crate::lane::{Budget, Call, Tether, drive};
use crate::look::{Written, names_and_paths, written};

/// A compiled script; cheap to clone, may cross threads.
#[derive(Clone)]
pub struct Script(Origin);

impl ScriptHost {
    /// Reads a script. `names` are the variables that [`Script::run`] will hand it; `library` are its `lib/*.rhai`.
    ///
    /// # Errors
    /// What cannot be read, with its place; unknown names too.
    pub fn script(&self, source: &Source, library: &[Source], names: &[&str]) -> Result<Script, Diagnostics> {
        let (host, source, library) = (Arc::clone(&self.0), source.clone(), library.to_vec());
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        on_stack(&self.0, None, move |tether| {
            let mut loading = Loading::new(host, tether);
            loading.sources = library.iter().chain([&source]).cloned().collect();
            loading.library(&library);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let ast = loading.parse(&source, &names);
            loading.check()?;
            let units = ast.into_iter().map(|ast| Unit { source: source.clone(), ast, globals: None }).collect();
            let Loading { host, library, shelf, sources, .. } = loading;
            let loaded = Loaded { host, units, library, shelf, sources };
            Ok(Script(Origin { loaded: Arc::new(loaded), unit: 0 }))
        })
    }
}

impl Script {
    /// The calls of functions that it makes, as they are written.
    pub fn calls(&self) -> Vec<Written> {
        let unit = self.0.unit();
        written(&unit.ast, &unit.source)
    }

    /// The files of its library, each with the calls that it makes.
    pub fn library(&self) -> impl Iterator<Item = (&Source, Vec<Written>)> {
        self.0.loaded.shelf.iter().map(|(_, unit)| (&unit.source, written(&unit.ast, &unit.source)))
    }

    /// The names that it uses and does not define, each with the byte of its first use; and the dotted chains that start at
    /// such a name.
    pub fn uses(&self) -> (Vec<(String, usize)>, Vec<String>) {
        let unit = self.0.unit();
        names_and_paths(&unit.ast, unit.source.text())
    }

    /// What would fail when it is reached: functions that nobody has, or with another number of arguments.
    pub fn findings(&self) -> Diagnostics {
        self.0.findings()
    }

    /// Runs it on the present lane, in a coroutine; its last value is the result.
    pub fn run(
        &self,
        variables: Vec<(String, Dynamic)>,
        context: Rc<dyn Any>,
        budget: Budget,
    ) -> LocalBoxFuture<'static, ScriptResult<Dynamic>> {
        let origin = self.0.clone();
        let call = Rc::new(Call::new(budget, Some(context), Some(origin.clone())));
        let stacks = Arc::clone(&origin.loaded.host.stacks);
        let running = Rc::clone(&call);
        let body = move |tether: &Arc<Tether>| {
            let engine = origin.engine(tether);
            let mut scope = Scope::new();
            for (name, value) in variables {
                scope.push_dynamic(name, value);
            }
            let result = engine.eval_ast_with_scope::<Dynamic>(&mut scope, &origin.unit().ast);
            origin.finish(result, &running)
        };
        async move { drive(stacks, call, body).await? }.boxed_local()
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Script").field(&self.0.unit().source.name()).finish()
    }
}
