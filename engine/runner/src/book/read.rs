//! A playbook's text into a [`Book`]: the door of this module.

use base::{Diagnostics, Source};
use script::Expressions;

use super::shelf::{Find, Shelf, from_disk};
use super::walk::Walk;
use super::{Book, plays, yaml};
use crate::Registry;

/// Reads and checks a playbook: verbs by `registry`, expressions compiled, the inventory's fact names known. Files that it
/// names (`include`, `script`) are read from disk, beside it.
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
    read_from(source, registry, expressions, facts, &from_disk)
}

/// The same with the files that it names found by `find`, which is asked by their paths as they are in [`Book::files`].
///
/// # Errors
/// As [`read`].
pub fn read_from(
    source: Source,
    registry: &Registry,
    expressions: &Expressions,
    facts: &[&str],
    find: &Find<'_>,
) -> Result<Book, Diagnostics> {
    let shelf = Shelf::new(registry, find);
    let mut walk = Walk::new(source.clone(), &shelf, expressions, facts);
    let root = yaml::read_yaml(&source, &mut walk.found)?;
    let plays = plays::read(&root, &mut walk);
    let Walk { mut found, steps, .. } = walk;
    let files = shelf.into_files();
    // The playbook's own findings first, then those of the files that it names, in the order met.
    let order = |name: &str| files.iter().position(|file| file.name() == name).map_or(0, |index| index + 1);
    found.0.sort_by_key(|finding| finding.place.as_ref().map(|it| (order(it.source.name()), it.span.start)));
    // A file that is included twice says everything twice.
    found.0.dedup_by(|a, b| a.message == b.message && a.place == b.place);
    if found.has_errors() {
        return Err(found);
    }
    Ok(Book { plays, steps, warnings: found.0, source, files })
}
