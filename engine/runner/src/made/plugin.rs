//! A folder's `plugin.yaml` and scripts as a [`Plugin`].

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use base::{Clock, Diagnostic, Diagnostics, Source};
use script::Expressions;

use super::manifest::Manifest;
use super::verb::MadeVerb;
use crate::{Action, Plugin, Registry};

/// A vocabulary made of other verbs.
pub struct ScriptPlugin {
    name: &'static str,
    actions: Vec<Rc<dyn Action>>,
}

impl ScriptPlugin {
    /// Reads `plugin.yaml`. `read` gives the text of a script by the name that the manifest has for it, and
    /// of its library by `lib/NAME.rhai`; `registry` holds the
    /// verbs that scripts may call. Scripts are compiled when a playbook first uses their verb.
    ///
    /// # Errors
    /// Every finding of the manifest at its place; a script that cannot be read.
    pub fn load(
        manifest: &Source,
        read: &dyn Fn(&str) -> io::Result<Source>,
        registry: &Registry,
        clock: &Clock,
    ) -> Result<Self, Diagnostics> {
        let expressions = Expressions::new(clock);
        let plugin = Manifest::read(manifest, &expressions)?;
        let mut actions: Vec<Rc<dyn Action>> = Vec::new();
        for (name, verb) in plugin.verbs {
            if registry.get(&name).is_some() {
                return Err(Diagnostic::error(format!("{}: there is a verb `{name}` already", manifest.name())).into());
            }
            let source = read(&verb.script).map_err(|error| {
                Diagnostic::error(format!("{}: cannot read {}: {error}", manifest.name(), verb.script))
            })?;
            let library = script::library(&source, read)?;
            actions.push(Rc::new(MadeVerb::new(kept(&name), verb, (source, library), registry.clone(), clock.clone())));
        }
        Ok(Self { name: kept(&plugin.name), actions })
    }
}

/// Names of verbs live as long as the process; a plugin is loaded once in it.
pub(super) fn kept(text: &Arc<str>) -> &'static str {
    Box::leak(text.to_string().into_boxed_str())
}

impl Plugin for ScriptPlugin {
    fn name(&self) -> &'static str {
        self.name
    }

    fn actions(&self) -> Vec<Rc<dyn Action>> {
        self.actions.clone()
    }
}
