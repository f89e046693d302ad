//! The check of a file at load: where findings, known names and compiled expressions come together.

use std::collections::BTreeSet;

use base::{Diagnostics, Source};

/// Names that an expression may use at the present point of the file.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// vars, registered names, `device`, `item`, facts and so on.
    pub names: BTreeSet<String>,
}

/// What a check of parameters works with.
pub struct Check<'a> {
    /// The file.
    pub source: &'a Source,
    /// All findings so far.
    pub found: &'a mut Diagnostics,
    /// The names known here.
    pub known: Known,
    /// The one expression set-up.
    pub expressions: &'a script::Expressions,
}
