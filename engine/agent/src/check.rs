//! The check of handlers without a device: what an agent would find at its start, and nothing else of it.

use base::{Clock, Diagnostics};

use crate::config::ScriptPlace;
use crate::scripts::{self, Scripts};

/// Loads the scripts as an agent would, looks at the calls in them, and gives the methods that they handle.
///
/// # Errors
/// All findings, each with its place.
pub fn check_scripts(place: &ScriptPlace, clock: &Clock) -> Result<Vec<String>, Diagnostics> {
    let bundle = scripts::bundle(&scripts::host(clock), place)?;
    let found = bundle.findings();
    if found.has_errors() {
        return Err(found);
    }
    let scripts = Scripts::of(&bundle)?;
    Ok(scripts.methods.keys().map(ToString::to_string).collect())
}
