//! stub
use crate::args::*;
use crate::process::{CommandResult, Exit};
pub(crate) async fn run(_c: &Common, _a: InvokeArgs) -> CommandResult {
    Ok(Exit::OK)
}
