//! A playbook's text into a [`Book`]: the door of this module.

use base::{Diagnostics, Source};
use script::Expressions;

use super::walk::Walk;
use super::{Book, plays, yaml};
use crate::Registry;

/// Reads and checks a playbook: verbs by `registry`, expressions compiled, the inventory's fact names known.
///
/// # Errors
/// All findings of the file at once, in the order of their places, when one of them is an error; warnings alone do not fail
/// and are in the book.
pub fn read(
    source: Source,
    registry: &Registry,
    expressions: &Expressions,
    facts: &[&str],
) -> Result<Book, Diagnostics> {
    let mut walk = Walk::new(&source, registry, expressions, facts);
    let root = yaml::read_yaml(&source, &mut walk.found)?;
    let plays = plays::read(&root, &mut walk);
    let Walk { mut found, steps, .. } = walk;
    found.0.sort_by_key(|finding| finding.place.as_ref().map(|place| place.span.start));
    found.0.dedup();
    if found.has_errors() {
        return Err(found);
    }
    Ok(Book { files: Vec::new(), plays, steps, warnings: found.0, source })
}
