//! The check of handlers without a device: what an agent would find at its start, and nothing else of it.

use base::{Clock, Diagnostics};

use crate::config::ScriptPlace;
use crate::scripts;

/// Loads the scripts as an agent would and gives the methods that they handle.
///
/// # Errors
/// All findings, each with its place.
pub fn check_scripts(place: &ScriptPlace, clock: &Clock) -> Result<Vec<String>, Diagnostics> {
    let scripts = scripts::load(&scripts::host(clock), place)?;
    Ok(scripts.methods.keys().map(ToString::to_string).collect())
}
