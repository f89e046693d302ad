//! `iotplay completions SHELL`: the completion script, on stdout.

use crate::args::{self, CompletionsArgs};
use crate::process::{CommandResult, Exit, out};

/// Prints the script.
pub(crate) fn run(args: &CompletionsArgs) -> CommandResult {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "iotplay", &mut script);
    out(String::from_utf8_lossy(&script).trim_end());
    Ok(Exit::OK)
}
