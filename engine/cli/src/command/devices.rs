//! stub
use crate::args::*;
use crate::process::{CommandResult, Exit};
pub(crate) async fn run(_c: &Common, _a: DevicesCommand) -> CommandResult {
    Ok(Exit::OK)
}
