//! Words to stderr. A reader that went away must not become a panic, least of all on the hub's thread.

use std::io::Write as _;

use base::Mask;

/// A line on stderr, masked. What nobody can read is lost.
pub(crate) fn err(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", Mask::process().apply(line));
}
