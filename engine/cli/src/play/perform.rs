//! One run on an open world: from a text to the exit code, and the line that says how to go on. Chooses no devices and no hub.

use std::path::Path;
use std::rc::Rc;

use base::Source;
use runner::book::Book;
use runner::{Form, Json, Lines, Program, Reporter, Reports, Resume, RunOptions, Runner, tidy};

use super::{RUNS, program, read, reported};
use crate::args::Output;
use crate::process::{CommandResult, Exit, Signals, Stdout, Trouble, err};
use crate::world::{self, World};

/// What is to be run, read with the verbs of its world.
pub(crate) enum Loaded {
    /// A playbook.
    Book(Box<Book>),
    /// A runner script.
    Script(Program),
}

impl Loaded {
    /// The names of a playbook's steps.
    pub(crate) fn steps(&self) -> Vec<String> {
        match self {
            Self::Book(book) => book.steps.iter().map(|(name, _)| name.to_string()).collect(),
            Self::Script(_) => Vec::new(),
        }
    }

    /// The files that a playbook or a script names.
    pub(crate) fn files(&self) -> &[Source] {
        match self {
            Self::Book(book) => &book.files,
            Self::Script(program) => &program.library,
        }
    }

    /// Its own file.
    pub(crate) fn source(&self) -> &Source {
        match self {
            Self::Book(book) => &book.source,
            Self::Script(program) => &program.source,
        }
    }
}

/// Reads a playbook with the verbs of a hub; a script is read when it runs.
pub(crate) fn load(source: Source, script: bool, world: &World) -> Result<Loaded, Trouble> {
    if script {
        return Ok(Loaded::Script(program(source, &|path| std::fs::read_to_string(path))?));
    }
    let (registry, _) = world.wired();
    let book = read(source, &registry)?;
    book.warnings.iter().for_each(|warning| err(warning.to_string().trim_end()));
    Ok(Loaded::Book(Box::new(book)))
}

/// Who listens.
pub(crate) fn reporters(
    console: &Rc<dyn Reporter>,
    output: Option<Output>,
    reports: &Rc<Reports>,
) -> Vec<Rc<dyn Reporter>> {
    let form = |output| match output {
        Output::Json => Form::Document,
        Output::Ndjson => Form::Lines,
    };
    let json = output.map(|output| Rc::new(Json::new(form(output), Box::new(Stdout))) as Rc<dyn Reporter>);
    let reports = (!reports.is_empty()).then(|| Rc::clone(reports) as Rc<dyn Reporter>);
    [Some(Rc::clone(console)), json, reports].into_iter().flatten().collect()
}

/// Runs it.
pub(crate) async fn perform(
    loaded: &Loaded,
    options: &RunOptions,
    reporters: &[Rc<dyn Reporter>],
    (world, reports): (&World, &Reports),
    signals: &Signals,
    lines: &Lines,
) -> CommandResult {
    let (registry, inventory) = world.wired();
    let runner = Runner::new(registry, inventory, world::expressions());
    let result = match loaded {
        Loaded::Book(book) => runner.run_book(book, options, reporters).await,
        Loaded::Script(program) => runner.run_script(program.clone(), options, reporters).await,
    };
    // A hub in this process ends with it: there is nothing to go on with.
    match result.resume.filter(|_| !world.is_embedded()) {
        Some(Resume::Plain) => lines.line(&format!("to go on: iotplay resume {}", options.run)),
        Some(Resume::Approve) => lines.line(&format!("to go on: iotplay resume {} --approve", options.run)),
        None => {}
    }
    tidy(Path::new(RUNS));
    let exit = match signals.exit() {
        Some(signal) if result.interrupted => signal,
        _ => Exit(result.exit),
    };
    Ok(reported(reports, exit))
}
