//! stub
use crate::args::*;
use crate::process::{CommandResult, Exit};
pub(crate) fn run() -> CommandResult {
    Ok(Exit::OK)
}
