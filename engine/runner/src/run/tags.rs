//! `-t` and `--skip-tags` against the tags that a playbook has: a slip there must not look like a run that had nothing to do.

use std::collections::BTreeSet;

use base::did_you_mean;

use crate::RunOptions;
use crate::book::{Body, Book, Step};

/// Tags that mean something without being written anywhere.
const ALWAYS_KNOWN: [&str; 2] = ["always", "never"];

/// A warning for each tag of the command line that no step has.
pub(super) fn unknown(book: &Book, options: &RunOptions) -> Vec<String> {
    let mut known: BTreeSet<&str> = ALWAYS_KNOWN.into();
    for play in &book.plays {
        known.extend(play.tags.iter().map(AsRef::as_ref));
        for steps in [&play.before, &play.steps, &play.after] {
            collect(steps, &mut known);
        }
    }
    let given = options.tags.iter().chain(&options.skip_tags).map(String::as_str);
    given.filter(|tag| !known.contains(tag)).map(|tag| warning(tag, &known)).collect()
}

fn warning(tag: &str, known: &BTreeSet<&str>) -> String {
    match did_you_mean(tag, known.iter().copied()) {
        Some(near) => format!("no step has the tag `{tag}`: did you mean `{near}`?"),
        None => format!("no step has the tag `{tag}`"),
    }
}

fn collect<'b>(steps: &'b [Step], known: &mut BTreeSet<&'b str>) {
    for step in steps {
        known.extend(step.tags.iter().map(AsRef::as_ref));
        if let Body::Block { block, rescue, always } = &step.body {
            for steps in [block, rescue, always] {
                collect(steps, known);
            }
        }
    }
}
