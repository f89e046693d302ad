//! stub
use crate::args::*;
use crate::process::{CommandResult, Exit};
pub(crate) fn run(_a: &PluginsCommand) -> CommandResult {
    Ok(Exit::OK)
}
