//! `iotplay completions SHELL`: the completion script, on stdout.

use crate::args::{self, CompletionsArgs};
use crate::process::CommandResult;
use crate::process::Exit;

/// Prints the script.
pub(crate) fn run(args: &CompletionsArgs) -> CommandResult {
    clap_complete::generate(args.shell, &mut args::command(), "iotplay", &mut std::io::stdout());
    Ok(Exit::OK)
}
