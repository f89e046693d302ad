//! `iotplay schema`: the JSON Schema of playbooks, for editors that complete and check YAML.

use crate::process::{CommandResult, Exit, Stdout};
use crate::world;

/// Prints it on stdout.
pub(crate) fn run() -> CommandResult {
    let schema = runner::book::schema(&world::vocabulary()?);
    Stdout::line(&serde_json::to_string_pretty(&schema).expect("a JSON value is JSON"));
    Ok(Exit::OK)
}
