//! The check of a runner script before anything is sent.

use base::{Clock, Diagnostics};
use script::{Expressions, Script};

use crate::Registry;
use crate::scripted::{BESIDE, Program, check, host};

/// Compiles a runner script with these verbs as functions; runs nothing.
///
/// # Errors
/// All findings, each with its place.
pub fn check_script(program: &Program, registry: &Registry, clock: &Clock) -> Result<(), Diagnostics> {
    compiled(program, registry, &Expressions::new(clock), clock).map(drop)
}

/// The compiled script, checked.
pub(super) fn compiled(
    program: &Program,
    registry: &Registry,
    expressions: &Expressions,
    clock: &Clock,
) -> Result<Script, Diagnostics> {
    let script = host(registry, clock).script(&program.source, &program.library, &["vars"])?;
    let found = check(&script, &program.source, registry, expressions, &BESIDE);
    if found.has_errors() { Err(found) } else { Ok(script) }
}
