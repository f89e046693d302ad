//! From a text to a checked playbook or script, with the vocabulary of this binary. Sends nothing.

use std::io;
use std::path::Path;

use agent::ScriptPlace;
use base::{Clock, Source};
use runner::book::{self, Book};
use runner::{Program, Registry};

use crate::process::Trouble;
use crate::project::Found;
use crate::world;

/// The facts that this binary's inventory offers to expressions.
pub(crate) const FACTS: &[&str] = &["twin"];

/// Reads and checks a playbook. Its steps keep the verbs of this registry, so a run needs those of its hub.
pub(crate) fn read(source: Source, registry: &Registry) -> Result<Book, Trouble> {
    book::read(source, registry, &world::expressions(), FACTS).map_err(Trouble::invalid)
}

/// Checks what `run` was given, before there is a hub to talk to.
pub(crate) fn check(found: &Found) -> Result<(), Trouble> {
    if found.is_script() {
        return check_script(found);
    }
    read(found.source.clone(), &world::vocabulary()?).map(drop)
}

/// A runner script and the files of its library that it names; `find` gives a file's text.
pub(crate) fn program(source: Source, find: &dyn Fn(&Path) -> io::Result<String>) -> Result<Program, Trouble> {
    let folder = Path::new(source.name()).parent().unwrap_or(Path::new("")).to_owned();
    let read = |name: &str| {
        let path = folder.join(name);
        Ok(Source::new(path.display().to_string(), find(&path)?))
    };
    let library = script::library(&source, &read).map_err(Trouble::invalid)?;
    Ok(Program { source, library })
}

/// Checks a runner script, or a device's handlers: whichever of the two it is.
pub(crate) fn check_script(found: &Found) -> Result<(), Trouble> {
    let clock = Clock::system();
    if is_handlers(found.source.text()) {
        let place = match &found.path {
            Some(path) => ScriptPlace::Path(path.clone()),
            None => ScriptPlace::BuiltIn(found.source.clone()),
        };
        return agent::check_scripts(&place, &clock).map(drop).map_err(Trouble::invalid);
    }
    let program = program(found.source.clone(), &|path| std::fs::read_to_string(path))?;
    runner::check_script(&program, &world::vocabulary()?, &clock).map_err(Trouble::invalid)
}

/// Handlers register themselves by these calls at the top level; a runner script has no use for them.
fn is_handlers(text: &str) -> bool {
    let hooks = ["on_method", "on_desired", "on_message", "on_start", "on_connect", "on_boot"];
    text.lines().any(|line| {
        hooks.iter().any(|hook| line.strip_prefix(hook).is_some_and(|rest| rest.trim_start().starts_with('(')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_are_told_from_runner_scripts() {
        assert!(is_handlers("// x\non_method(\"a\", |d, r| {});"));
        assert!(!is_handlers("// on_method(\nlet on_boot = 1;\n"));
    }
}
