//! The check of a runner script before anything is sent.

use base::{Clock, Diagnostics, Source};

use crate::Registry;
use crate::scripted::host;

/// Compiles a runner script with these verbs as functions; runs nothing.
///
/// # Errors
/// All findings, each with its place.
pub fn check_script(source: &Source, registry: &Registry, clock: &Clock) -> Result<(), Diagnostics> {
    host(registry, clock).script(source, &[], &["vars"]).map(drop)
}
