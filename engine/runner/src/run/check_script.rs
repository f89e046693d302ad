//! The check of a runner script before anything is sent.

use base::{Clock, Diagnostics, Source};
use script::{Expressions, Script};

use crate::Registry;
use crate::scripted::{BESIDE, check, host};

/// Compiles a runner script with these verbs as functions; runs nothing.
///
/// # Errors
/// All findings, each with its place.
pub fn check_script(source: &Source, registry: &Registry, clock: &Clock) -> Result<(), Diagnostics> {
    compiled(source, registry, &Expressions::new(clock), clock).map(drop)
}

/// The compiled script, checked.
pub(super) fn compiled(
    source: &Source,
    registry: &Registry,
    expressions: &Expressions,
    clock: &Clock,
) -> Result<Script, Diagnostics> {
    let script = host(registry, clock).script(source, &[], &["vars"])?;
    let found = check(&script, source, registry, expressions, &BESIDE);
    if found.has_errors() { Err(found) } else { Ok(script) }
}
