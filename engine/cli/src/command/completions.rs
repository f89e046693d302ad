//! `iotplay completions SHELL`: the completion script, on stdout.

use crate::args::{self, CompletionsArgs};
use crate::process::{CommandResult, Exit, Stdout};

/// Prints the script.
pub(crate) fn run(args: &CompletionsArgs) -> CommandResult {
    clap_complete::generate(args.shell, &mut args::command(), "iotplay", &mut Stdout);
    Ok(Exit::OK)
}
