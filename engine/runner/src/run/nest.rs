//! What the steps around hand down to a step: tags, `offline`, whether a failure is caught, who looks at values.

use std::rc::Rc;

use super::play::PlayRun;
use crate::book::{Body, Offline, Step};

/// Who goes on after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caught {
    /// The `rescue` of a block around.
    Rescue,
    /// Another attempt of a block around, or its `ignore_errors`.
    GoesOn,
}

/// What the steps around hand down.
#[derive(Clone)]
pub(super) struct Nest<'n> {
    /// Tags of the play and of the blocks around.
    tags: Rc<[&'n str]>,
    /// `offline` of the block around.
    pub(super) offline: Offline,
    /// A failure does not end the device's run by itself: the nearest that goes on.
    pub(super) caught: Option<Caught>,
    pub(super) no_log: bool,
    /// Failures are shown by whoever asked for the step, if at all: a script may catch them.
    pub(super) quiet: bool,
    /// Somebody looks at the value of the last step.
    pub(super) wanted: bool,
}

impl<'n> Nest<'n> {
    pub(super) fn outermost(play: &'n PlayRun<'_>) -> Self {
        let tags = play.play.tags.iter().map(AsRef::as_ref).collect();
        Self { tags, offline: Offline::Fail, caught: None, no_log: false, quiet: false, wanted: false }
    }

    /// For one step of a script.
    pub(super) fn quiet(play: &'n PlayRun<'_>) -> Self {
        Self { quiet: true, ..Self::outermost(play) }
    }

    /// Inside a block.
    pub(super) fn inside(&self, step: &'n Step, caught: Option<Caught>) -> Self {
        let own = step.tags.iter().map(AsRef::as_ref);
        let tags =
            if step.tags.is_empty() { Rc::clone(&self.tags) } else { self.tags.iter().copied().chain(own).collect() };
        Self {
            tags,
            offline: if step.offline == Offline::Fail { self.offline } else { step.offline },
            caught: caught.or(self.caught),
            no_log: self.no_log || step.no_log,
            quiet: self.quiet,
            wanted: self.wanted
                || step.register.is_some()
                || step.failed_when.is_some()
                || step.retries.until.is_some(),
        }
    }

    /// `no_log`: neither values nor messages of this step are shown.
    pub(super) fn hides(&self, step: &Step) -> bool {
        self.no_log || step.no_log
    }

    fn tags<'s>(&'s self, step: &'s Step) -> impl Iterator<Item = &'s str> {
        self.tags.iter().copied().chain(step.tags.iter().map(AsRef::as_ref))
    }

    /// Whether `-t` and `--skip-tags` let the step run. `always` runs unless skipped, `never` only when named. Blocks are
    /// entered, and their steps judged.
    pub(super) fn chosen(&self, step: &Step, play: &PlayRun<'_>) -> bool {
        let named = |tags: &[String]| self.tags(step).any(|tag| tags.iter().any(|wanted| wanted == tag));
        let (wanted, unwanted) = (&play.options.tags, &play.options.skip_tags);
        if matches!(step.body, Body::Block { .. }) {
            return true;
        }
        let takes = if wanted.is_empty() {
            !self.tags(step).any(|tag| tag == "never")
        } else {
            named(wanted) || self.tags(step).any(|tag| tag == "always")
        };
        takes && !named(unwanted)
    }
}
