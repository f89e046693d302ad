//! `iotplay check FILE..`: every finding of every file, and nothing sent.

use std::path::Path;

use crate::args::CheckArgs;
use crate::process::{CommandResult, Exit, Trouble, err};
use crate::{play, project, world};

/// Checks them all; one bad file does not hide the next.
pub(crate) fn run(args: &CheckArgs) -> CommandResult {
    let mut exit = Exit::OK;
    for file in &args.files {
        match check(file) {
            Ok(said) => err(said.trim_end()),
            Err(trouble) => {
                trouble.print();
                exit = trouble.exit;
            }
        }
    }
    Ok(exit)
}

fn check(file: &Path) -> Result<String, Trouble> {
    let found = project::playbook(file)?;
    let name = found.source.name().to_owned();
    if found.is_script() {
        play::check_script(&found)?;
        return Ok(format!("ok      {name}\n"));
    }
    let book = play::read(found.source, &world::vocabulary()?)?;
    let warnings: String = book.warnings.iter().map(|warning| format!("{warning}\n")).collect();
    let steps = book.steps.len();
    Ok(format!(
        "{warnings}ok      {name}: {} play{}, {steps} step{}\n",
        book.plays.len(),
        s(book.plays.len()),
        s(steps)
    ))
}

fn s(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
